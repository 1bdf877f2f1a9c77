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

/** Days that empty windows cover together at most: what is written into them after all is still found, and still some days only. */
const EMPTY_DAYS = 31;

/**
 * Puts neighbouring windows together in which neither side has rows: months without data in a table with a partition a
 * day are some windows, not hundreds. They may cross partitions, because nothing is written to any of them.
 *
 * @param isEmpty Whether the target has no rows in a range.
 */
export function joinEmpty(windows: readonly CutWindow[], isEmpty: (range: Range) => boolean): CutWindow[] {
  const joined: CutWindow[] = [];
  let open = false;
  for (const window of windows) {
    const last = joined.at(-1);
    const empty = window.rows === 0 && isEmpty(window);
    if (last && open && empty && ms(window.to) - ms(last.from) <= EMPTY_DAYS * DAY_MS)
      joined[joined.length - 1] = { ...last, to: window.to };
    else joined.push(window);
    open = empty;
  }
  return joined;
}

export interface CutDelete extends Range {
  /** Indexes into the windows that it covers. */
  readonly windows: readonly number[];
}

/**
 * Windows of a delete at most. `replace` names the versions of all their attempts in its statements, some 60 bytes each, and
 * ClickHouse reads 256 KiB of a statement (`max_query_size`): room for eight attempts at every window.
 */
const DELETE_WINDOWS = 500;

/**
 * Puts neighbouring windows together into deletes of at most `limit` rows that stay inside a partition: a mutation
 * rewrites every part that holds one of its rows, so fewer and larger ones rewrite less, up to what blocks others.
 *
 * @param rows Target rows to delete in each window.
 * @param most Deletes that the partition of an instant (in ms) may be cut into, whatever their rows. Default any number.
 */
export function cutDeletes(
  windows: readonly Range[],
  rows: readonly number[],
  limit: number,
  span: PartitionSpan,
  most: (at: number) => number = () => Infinity,
): CutDelete[] {
  const sum = (some: readonly number[]) => some.reduce((n, index) => n + (rows[index] ?? 0), 0);
  return inPartitions(windows, span).flatMap((partition) => {
    const deletes = Math.max(1, most(ms(windows[partition[0] ?? 0]?.from ?? '')));
    const free = joined(partition, sum, limit, Infinity);
    const cut = free.length <= deletes ? free : joined(partition, sum, Math.ceil(sum(partition) / deletes), deletes);
    return cut.map((indexes) => ({
      from: windows[indexes[0] ?? 0]?.from ?? '',
      to: windows[indexes.at(-1) ?? 0]?.to ?? '',
      windows: indexes,
    }));
  });
}

/** Neighbours together, each group up to a limit by their sum; the last of `most` groups takes what is left. */
function joined(
  indexes: readonly number[],
  sum: (some: readonly number[]) => number,
  limit: number,
  most: number,
): readonly (readonly number[])[] {
  const groups: number[][] = [];
  let size = 0;
  for (const index of indexes) {
    const own = sum([index]);
    const last = groups.at(-1);
    if (last && last.length < DELETE_WINDOWS && (size + own <= limit || groups.length >= most)) {
      last.push(index);
      size += own;
    } else {
      groups.push([index]);
      size = own;
    }
  }
  return groups;
}

/** Indexes of windows, those of a partition together. */
function inPartitions(windows: readonly Range[], span: PartitionSpan): readonly (readonly number[])[] {
  const partitions: number[][] = [];
  let boundary = -Infinity;
  for (const [index, { from }] of windows.entries()) {
    if (ms(from) < boundary) partitions.at(-1)?.push(index);
    else {
      partitions.push([index]);
      boundary = nextPartition(ms(from), span);
    }
  }
  return partitions;
}
