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
export function isHalved(failures: readonly ErrorCode[], after = HALVED_AFTER): boolean {
  return failures.filter((code) => HALVED_CODES.includes(code)).length >= after;
}

export interface Halved {
  readonly windows: readonly [Range, Range];
  /** What has to be said where a half is under an hour of range; null otherwise. */
  readonly notice: string | null;
}

/**
 * Cuts a window in two. At the hour that leaves both halves the same work; where no hour leaves each an hour of range,
 * at the nearest one, and inside of an hour at the minute in the middle, which the notice says.
 *
 * @param hours Source rows by start of the hour, in ms, where they are known. Without them time stands for rows.
 * @returns Null where less than a minute would be left: no size is at fault there.
 */
export function halve(window: Range, hours?: ReadonlyMap<number, number>): Halved | null {
  const [from, to] = [ms(window.from), ms(window.to)];
  const cut = cutPoint(from, to, hours);
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

function cutPoint(from: number, to: number, hours: ReadonlyMap<number, number> | undefined): number | null {
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
  const uneven = unevenness(from, to, hours);
  const order = (hour: number): readonly [number, number] => [uneven(hour), Math.abs(hour - middle)];
  return candidates.reduce((best, hour) => {
    const [a, b] = [order(best), order(hour)];
    return b[0] < a[0] || (b[0] === a[0] && b[1] < a[1]) ? hour : best;
  });
}

/** By how many rows two halves differ; 0 where no rows are known, so that the middle decides. */
function unevenness(
  from: number,
  to: number,
  hours: ReadonlyMap<number, number> | undefined,
): (hour: number) => number {
  const filled = [...(hours ?? [])].filter(([hour, n]) => n > 0 && hour + HOUR_MS > from && hour < to);
  const total = filled.reduce((n, [, rows]) => n + rows, 0);
  return (cut) => Math.abs(total - 2 * filled.reduce((n, [hour, rows]) => n + (hour < cut ? rows : 0), 0));
}
