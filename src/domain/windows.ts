import type { Instant, Range } from './words.ts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

/** How a target table is partitioned over time, as far as windows care. */
export type PartitionSpan = 'month' | 'day' | 'none';

export const ms = (instant: Instant): number => Date.parse(instant);
export const instant = (time: number): Instant => new Date(time).toISOString();

/** The start of the UTC day of an instant: `2026-01-05`. */
export const dayOf = (time: number): string => instant(time).slice(0, 10);

/** The first boundary of a partition after an instant; infinity where there are none. */
function nextPartition(time: number, span: PartitionSpan): number {
  if (span === 'none') return Number.POSITIVE_INFINITY;
  const date = new Date(time);
  const [year, month, day] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()];
  return span === 'month' ? Date.UTC(year, month + 1, 1) : Date.UTC(year, month, day + 1);
}

export interface CutWindow extends Range {
  readonly rows: number;
}

/**
 * Cuts a range into windows of about `aim` source rows. Windows cover the whole range without gaps, begin and end on
 * hours (except at the range's ends), and never cross a partition, so that an insert makes parts in one partition only.
 *
 * @param hours Source rows by start of the hour, in ms.
 * @returns The windows in time order; one with more than twice the aim is a single hour that cannot be cut further.
 */
export function cutWindows(
  range: Range,
  hours: ReadonlyMap<number, number>,
  aim: number,
  span: PartitionSpan,
): CutWindow[] {
  const end = ms(range.to);
  const windows: CutWindow[] = [];
  let start = ms(range.from);
  let rows = 0;
  let boundary = nextPartition(start, span);
  const close = (at: number) => {
    windows.push({ from: instant(start), to: instant(at), rows });
    [start, rows] = [at, 0];
  };
  // Only hours with rows can fill a window; a gap of years costs nothing.
  const filled = [...hours]
    .filter(([hour, n]) => n > 0 && hour + HOUR_MS > start && hour < end)
    .sort((a, b) => a[0] - b[0]);
  for (const [hour, n] of filled) {
    while (hour >= boundary) {
      close(boundary);
      boundary = nextPartition(boundary, span);
    }
    if (rows > 0 && rows + n > aim && hour > start) close(hour);
    rows += n;
  }
  while (boundary < end) {
    close(boundary);
    boundary = nextPartition(boundary, span);
  }
  close(end);
  return windows;
}

export interface CutDelete extends Range {
  /** Indexes into the windows that it covers. */
  readonly windows: readonly number[];
}

/**
 * Puts neighbouring windows together into deletes of at most `limit` rows that stay inside a partition: a mutation
 * rewrites every part that holds one of its rows, so fewer and larger ones rewrite less, up to what blocks others.
 *
 * @param rows Target rows to delete in each window.
 */
export function cutDeletes(
  windows: readonly Range[],
  rows: readonly number[],
  limit: number,
  span: PartitionSpan,
): CutDelete[] {
  const deletes: { from: Instant; to: Instant; windows: number[]; rows: number; boundary: number }[] = [];
  for (const [index, window] of windows.entries()) {
    const size = rows[index] ?? 0;
    const last = deletes.at(-1);
    if (last && last.rows + size <= limit && ms(window.from) < last.boundary) {
      last.windows.push(index);
      last.to = window.to;
      last.rows += size;
    } else {
      const boundary = nextPartition(ms(window.from), span);
      deletes.push({ from: window.from, to: window.to, windows: [index], rows: size, boundary });
    }
  }
  return deletes.map(({ from, to, windows: covered }) => ({ from, to, windows: covered }));
}

/** Ranges in time order, each with what follows it without a gap. */
export function joinRanges(ranges: readonly Range[]): Range[] {
  const joined: Range[] = [];
  for (const { from, to } of ranges) {
    const last = joined.at(-1);
    if (last?.to === from) joined[joined.length - 1] = { from: last.from, to };
    else joined.push({ from, to });
  }
  return joined;
}
