import type { ErrorCode } from './catalogue.ts';
import { HOUR_MS, instant, ms } from './windows.ts';
import type { Range } from './words.ts';

/** Failures after which a window is halved: as many as GitLab tries a batch. */
const HALVED_AFTER = 3;
const MINUTE_MS = 60_000;

/**
 * What less work at once helps against: deadlocks, timeouts, lack of memory. Not a server that does not answer, which
 * half a window does not reach either, and not too many parts, of which two windows make more than one.
 */
const HALVED_CODES: readonly ErrorCode[] = ['PG_BUSY', 'CH_BUSY'];

/** Whether a window that failed with these errors, in all of its tries, is cut in half instead of being given up. */
export function isHalved(failures: readonly ErrorCode[]): boolean {
  return failures.filter((code) => HALVED_CODES.includes(code)).length >= HALVED_AFTER;
}

export interface Halved {
  readonly windows: readonly [Range, Range];
  /** What has to be said where a half is under an hour of range; null otherwise. */
  readonly notice: string | null;
}

/**
 * Cuts a window in two. At the hour next to its middle that leaves each half an hour of range; where there is none, at any
 * hour, and inside of an hour at the minute in the middle, which the notice says.
 *
 * @returns Null where less than a minute would be left: no size is at fault there.
 */
export function halve(window: Range): Halved | null {
  const [from, to] = [ms(window.from), ms(window.to)];
  const cut = cutPoint(from, to);
  if (cut === null) return null;
  const shortest = Math.min(cut - from, to - cut);
  const notice =
    shortest >= HOUR_MS
      ? null
      : `the window ${window.from} to ${window.to} is cut at ${instant(cut)}, which leaves less than an hour of range ` +
        `(${Math.floor(shortest / MINUTE_MS)} min): it failed ${HALVED_AFTER} times at its size`;
  return {
    windows: [
      { from: window.from, to: instant(cut) },
      { from: instant(cut), to: window.to },
    ],
    notice,
  };
}

function cutPoint(from: number, to: number): number | null {
  const middle = (from + to) / 2;
  const inside: number[] = [];
  const first = Math.ceil((from + MINUTE_MS) / HOUR_MS) * HOUR_MS;
  for (let hour = first; hour <= to - MINUTE_MS; hour += HOUR_MS) inside.push(hour);
  const whole = inside.filter((hour) => hour - from >= HOUR_MS && to - hour >= HOUR_MS);
  const candidates = whole.length > 0 ? whole : inside;
  if (candidates.length === 0) {
    const minute = Math.round(middle / MINUTE_MS) * MINUTE_MS;
    return minute - from >= MINUTE_MS && to - minute >= MINUTE_MS ? minute : null;
  }
  return candidates.reduce((best, hour) => (Math.abs(hour - middle) < Math.abs(best - middle) ? hour : best));
}
