import { formatRange, type Instant, type Range, shortInstant } from '../domain/words.ts';

/** A number of rows with thousands separators; null, which is unknown and never zero, as a dash. */
export function count(value: number | null | undefined): string {
  if (value === null || value === undefined) return '—';
  // Not Intl.NumberFormat: it takes 40 ms to load, which every command would pay.
  return String(Math.round(value)).replace(/\B(?=(?:\d{3})+$)/gu, ',');
}

/** `1 row`, `2,000 rows`. */
export function counted(value: number, one: string, many = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : many}`;
}

/** Seconds as a person says them: `0.4 s`, `42 s`, `3 min 20 s`, `2 h 5 min`, `3 d 4 h`. */
export function duration(seconds: number | null): string {
  if (seconds === null || !Number.isFinite(seconds)) return '—';
  if (seconds < 9.95) return `${seconds.toFixed(1).replace(/\.0$/u, '')} s`;
  const whole = Math.round(seconds);
  const steps: readonly (readonly [number, string, number, string])[] = [
    [86_400, 'd', 3600, 'h'],
    [3600, 'h', 60, 'min'],
    [60, 'min', 1, 's'],
  ];
  for (const [size, unit, smaller, smallerUnit] of steps) {
    if (whole < size) continue;
    const rest = Math.floor((whole % size) / smaller);
    return `${Math.floor(whole / size)} ${unit}${rest === 0 ? '' : ` ${rest} ${smallerUnit}`}`;
  }
  return `${whole} s`;
}

/** An instant without what says nothing: `2026-01-05`, `2026-01-05 06:00`, `2026-01-05 06:00:07.123`. Always UTC. */
export function instant(value: Instant | null): string {
  return value === null ? '—' : shortInstant(value);
}

/** An instant to the second, for the times of events. */
export function moment(value: Instant | null): string {
  return value === null ? '—' : value.slice(0, 19).replace('T', ' ');
}

/** `2026-01-05 to 2026-01-15`; the end is not part of it. */
export const range = (value: Range): string => formatRange(value);

/** `12.3 %`, `0.04 %`; what is there at all never looks like nothing. */
export function percent(part: number, whole: number): string {
  if (whole === 0) return '—';
  const share = (100 * part) / whole;
  if (share === 0 || share >= 10) return `${Math.floor(share)} %`;
  return share < 0.01 ? '< 0.01 %' : `${Number(share.toPrecision(2))} %`;
}

/**
 * Text from a database or a person as it can stand in a terminal, a table or a page: control characters and those that
 * turn the writing direction become escapes. Without this a name could move the cursor or hide a line.
 */
export function visible(text: string): string {
  // eslint-disable-next-line no-control-regex -- they are what is looked for
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/gu, (character) => {
    if (character === '\n') return '\\n';
    if (character === '\t') return '\\t';
    return `\\u${character.codePointAt(0)?.toString(16).padStart(4, '0') ?? ''}`;
  });
}

/** `visible`, and cut in the middle of what is too long. */
export function brief(text: string, length = 120): string {
  const shown = visible(text);
  if (shown.length <= length) return shown;
  const half = Math.floor((length - 1) / 2);
  return `${shown.slice(0, half)}…${shown.slice(shown.length - half)}`;
}
