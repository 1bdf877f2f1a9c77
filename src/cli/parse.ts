import { RefillError } from '../domain/errors.ts';
import type { Instant, Range, TenantName } from '../domain/words.ts';

const DAY = /^(\d{4})-(\d{2})-(\d{2})$/u;
const INSTANT = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:?\d{2})?$/iu;
/** No place on earth is further from UTC. */
const MOST_OFFSET_MINUTES = 15 * 60;

function wrong(option: string, text: string, why: string): RefillError {
  return new RefillError('RANGE_INVALID', `${option} ${JSON.stringify(text)} ${why}`);
}

/** Milliseconds of a text in UTC; null where no calendar has such a day or hour (`Date` would take the next one). */
function utc(day: string, time: string): number | null {
  const text = `${day}T${time}Z`;
  const at = Date.parse(text);
  return Number.isNaN(at) || new Date(at).toISOString() !== text ? null : at;
}

function offsetMinutes(zone: string): number {
  if (zone.toUpperCase() === 'Z') return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2));
  return zone.startsWith('-') ? -minutes : minutes;
}

/**
 * A time as a person writes it: a UTC day (`2026-01-05`) or an instant with a zone (`2026-01-05T06:00:00Z`,
 * `2026-01-05T06:00+02:00`). What has no zone is refused: everybody would read another hour into it.
 */
export function parseInstant(text: string, option: string): Instant {
  if (DAY.test(text)) {
    const at = utc(text, '00:00:00.000');
    if (at === null) throw wrong(option, text, 'is not a day of the calendar');
    return toInstant(at, text, option);
  }
  const match = INSTANT.exec(text);
  if (match === null) throw wrong(option, text, 'is neither a day nor an instant');
  const [, day = '', clock = '', seconds = '00', fraction = '', zone] = match;
  if (zone === undefined) {
    throw wrong(option, text, 'has no zone: add Z for UTC, or an offset such as +02:00');
  }
  if (/[1-9]/u.test(fraction.slice(3))) throw wrong(option, text, 'is finer than a millisecond');
  const local = utc(day, `${clock}:${seconds}.${fraction.slice(0, 3).padEnd(3, '0')}`);
  const minutes = offsetMinutes(zone);
  if (local === null || Math.abs(minutes) > MOST_OFFSET_MINUTES || Number(zone.slice(-2)) > 59) {
    throw wrong(option, text, 'is not an instant of the calendar');
  }
  return toInstant(local - minutes * 60_000, text, option);
}

/** Four digits of a year sort as text and are known to both databases; there was no year 0. */
function toInstant(at: number, text: string, option: string): Instant {
  const instant = new Date(at).toISOString();
  if (!/^\d{4}-/u.test(instant) || instant.startsWith('0000'))
    throw wrong(option, text, 'is not in the years 1 to 9999');
  return instant;
}

/** `--from` and `--to` as a range; the end is not part of it. Throws `RANGE_INVALID`. */
export function parseRange(from: string | undefined, to: string | undefined): Range {
  if (from === undefined || to === undefined) {
    const missing = [from === undefined ? '--from' : null, to === undefined ? '--to' : null];
    throw new RefillError('RANGE_INVALID', `a range is needed: ${missing.filter(Boolean).join(' and ')} is missing`);
  }
  const range = { from: parseInstant(from, '--from'), to: parseInstant(to, '--to') };
  if (range.from === range.to)
    throw new RefillError('RANGE_INVALID', `the range is empty: it begins and ends at ${to}`);
  if (range.from > range.to) throw new RefillError('RANGE_INVALID', `the range is reversed: ${to} is before ${from}`);
  return range;
}

/** Whether a positional means a tenant: ids of plans and runs have no slash. */
export function isTenant(text: string): boolean {
  return text.includes('/');
}

/** `customer/profile`. Names may hold any character but the slash. Throws `USAGE`. */
export function parseTenant(text: string): TenantName {
  const [customer, profile, ...more] = text.split('/');
  if (customer === undefined || profile === undefined || customer === '' || profile === '' || more.length > 0) {
    throw new RefillError('USAGE', `${JSON.stringify(text)} is not a tenant`, {
      hint: 'A tenant is written customer/profile, with one slash. `refill survey` lists the tenants that were found.',
    });
  }
  return { customer, profile };
}

/** `a,b` as names, each once, in the order given. Throws `USAGE`. */
export function parseNames(text: string, option: string): readonly string[] {
  const names = [...new Set(text.split(',').map((name) => name.trim()))];
  if (names.includes('')) {
    throw new RefillError('USAGE', `${option} ${JSON.stringify(text)} has an empty name`, {
      hint: `Write names separated by commas, such as ${option} scorecard,score.`,
    });
  }
  return names;
}

/** A whole number from `least` up. Throws `USAGE`. */
export function parseWhole(text: string, option: string, least = 0): number {
  const value = Number(text);
  if (!/^\d+$/u.test(text) || !Number.isSafeInteger(value) || value < least) {
    throw new RefillError('USAGE', `${option} ${JSON.stringify(text)} is not a whole number from ${least} up`, {
      hint: `Write digits only, such as ${option} ${Math.max(least, 42)}.`,
    });
  }
  return value;
}
