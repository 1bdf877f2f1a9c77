import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  cutDeletes,
  cutWindows,
  HOUR_MS,
  joinEmpty,
  instant,
  ms,
  type PartitionSpan,
} from '../../src/domain/windows.ts';
import type { Range } from '../../src/domain/words.ts';

const SPANS: readonly PartitionSpan[] = ['month', 'day', 'none'];
const span = fc.constantFrom(...SPANS);
const BASE = Date.parse('2024-02-27T00:00:00Z');
/** Some days over the end of a February, bounds at hours or anywhere. */
const range = fc
  .tuple(
    fc.integer({ min: 0, max: 20 * 24 * HOUR_MS }),
    fc.oneof(
      fc.integer({ min: 1, max: 40 * 24 }).map((h) => h * HOUR_MS),
      fc.integer({ min: 1, max: 40 * 24 * HOUR_MS }),
    ),
    fc.boolean(),
  )
  .map(([start, length, whole]): Range => {
    const from = BASE + (whole ? Math.floor(start / HOUR_MS) * HOUR_MS : start);
    return { from: instant(from), to: instant(from + length) };
  });
const hours = fc
  .array(fc.tuple(fc.integer({ min: -30, max: 62 * 24 }), fc.integer({ min: 0, max: 1000 })), { maxLength: 60 })
  .map((list) => new Map(list.map(([hour, rows]) => [BASE + hour * HOUR_MS, rows])));

/** The partition of an instant, as ClickHouse would name it. */
function partition(time: number, of: PartitionSpan): string {
  return of === 'none' ? '' : instant(time).slice(0, of === 'month' ? 7 : 10);
}

/** Rows of the hours that lie in a range at least in part. */
const rowsOf = (all: ReadonlyMap<number, number>, { from, to }: Range) =>
  [...all].reduce((n, [hour, rows]) => n + (hour + HOUR_MS > ms(from) && hour < ms(to) ? rows : 0), 0);

test('windows cover the range without a gap, keep to partitions and hours, and hold what is aimed at', () => {
  fc.assert(
    fc.property(range, hours, fc.integer({ min: 1, max: 3000 }), span, (whole, counts, aim, of) => {
      const windows = cutWindows(whole, counts, aim, of);
      expect(windows[0]?.from).toBe(whole.from);
      expect(windows.at(-1)?.to).toBe(whole.to);
      for (const [index, window] of windows.entries()) {
        expect(ms(window.from)).toBeLessThan(ms(window.to));
        if (index > 0) {
          expect(window.from).toBe(windows[index - 1]?.to);
          expect(ms(window.from) % HOUR_MS).toBe(0);
        }
        expect(partition(ms(window.to) - 1, of)).toBe(partition(ms(window.from), of));
        // More than aimed at only where it is a single hour with rows; empty hours around it cost nothing.
        const filled = [...counts].filter(
          ([hour, n]) => n > 0 && hour + HOUR_MS > ms(window.from) && hour < ms(window.to),
        );
        if (window.rows > aim) expect(filled).toHaveLength(1);
        expect(window.rows).toBe(rowsOf(counts, window));
      }
      // No two neighbours of one partition that would have fitted into one.
      for (const [index, window] of windows.entries()) {
        const next = windows[index + 1];
        if (next && partition(ms(window.from), of) === partition(ms(next.from), of)) {
          const firstOfNext = [...counts]
            .sort((a, b) => a[0] - b[0])
            .find(([hour, n]) => n > 0 && hour >= ms(next.from));
          expect(window.rows + (firstOfNext?.[1] ?? 0)).toBeGreaterThan(aim);
        }
      }
    }),
    { numRuns: 300 },
  );
});

test('deletes cover every window once, in order, and join them up to the limit and inside of a partition', () => {
  fc.assert(
    fc.property(
      range,
      hours,
      fc.integer({ min: 1, max: 500 }),
      fc.integer({ min: 1, max: 3000 }),
      span,
      (whole, counts, aim, limit, of) => {
        const windows = cutWindows(whole, counts, aim, of);
        const rows = windows.map((w) => w.rows);
        const deletes = cutDeletes(windows, rows, limit, of);
        expect(deletes.flatMap((d) => d.windows)).toEqual(windows.map((_, index) => index));
        for (const del of deletes) {
          const [first, last] = [windows[del.windows[0] ?? -1], windows[del.windows.at(-1) ?? -1]];
          expect({ from: del.from, to: del.to }).toEqual({ from: first?.from, to: last?.to });
          expect(partition(ms(del.to) - 1, of)).toBe(partition(ms(del.from), of));
          const size = del.windows.reduce((n, index) => n + (rows[index] ?? 0), 0);
          if (del.windows.length > 1) expect(size).toBeLessThanOrEqual(limit);
        }
        for (const [index, del] of deletes.entries()) {
          const next = deletes[index + 1];
          if (!next || partition(ms(del.from), of) !== partition(ms(next.from), of)) continue;
          const joined = [...del.windows, next.windows[0] ?? -1].reduce((n, w) => n + (rows[w] ?? 0), 0);
          expect(joined).toBeGreaterThan(limit);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('a partition is cut into so many deletes at most as are allowed, evenly, and into no more than its rows ask for', () => {
  fc.assert(
    fc.property(
      range,
      hours,
      fc.integer({ min: 1, max: 500 }),
      fc.integer({ min: 0, max: 5 }),
      (whole, counts, aim, most) => {
        const windows = cutWindows(whole, counts, aim, 'month');
        const rows = windows.map((w) => w.rows);
        const free = cutDeletes(windows, rows, aim, 'month');
        const bound = cutDeletes(windows, rows, aim, 'month', () => most);
        expect(bound.flatMap((d) => d.windows)).toEqual(windows.map((_, index) => index));
        for (const month of new Set(windows.map((w) => partition(ms(w.from), 'month')))) {
          const [some = [], all = []] = [bound, free].map((cut) =>
            cut.filter((d) => partition(ms(d.from), 'month') === month),
          );
          expect(some.length).toBeGreaterThan(0);
          expect(some.length).toBeLessThanOrEqual(Math.max(1, Math.min(most, all.length)));
          if (all.length <= most) expect(some).toEqual(all);
        }
      },
    ),
    { numRuns: 300 },
  );
});

test('a delete has so few windows that its statement, which names their versions, can be read', () => {
  const of = (n: number): Range => ({ from: instant(BASE + n * HOUR_MS), to: instant(BASE + (n + 1) * HOUR_MS) });
  const windows = Array.from({ length: 1200 }, (_, n) => of(n));
  const rows = windows.map(() => 0);
  const sizes = (most?: () => number) => cutDeletes(windows, rows, 1, 'none', most).map((del) => del.windows.length);
  expect([sizes(), sizes(() => 1)]).toEqual([
    [500, 500, 200],
    [500, 500, 200],
  ]);
});

test('a leap day, the end of a year and a range inside of one hour', () => {
  const cut = (from: string, to: string, of: PartitionSpan) =>
    cutWindows({ from, to }, new Map(), 1, of).map((w) => `${w.from.slice(0, 13)} ${w.to.slice(0, 13)}`);
  expect(cut('2024-02-28T12:00:00.000Z', '2024-03-01T12:00:00.000Z', 'day')).toEqual([
    '2024-02-28T12 2024-02-29T00',
    '2024-02-29T00 2024-03-01T00',
    '2024-03-01T00 2024-03-01T12',
  ]);
  expect(cut('2025-12-15T00:00:00.000Z', '2026-01-15T00:00:00.000Z', 'month')).toEqual([
    '2025-12-15T00 2026-01-01T00',
    '2026-01-01T00 2026-01-15T00',
  ]);
  expect(cut('2025-12-15T00:00:00.000Z', '2025-12-15T00:00:00.001Z', 'day')).toHaveLength(1);
  expect(cut('2025-12-01T00:00:00.000Z', '2026-01-01T00:00:00.000Z', 'month')).toHaveLength(1);
});

test('nine months of nearly nothing are some windows and deletes, and none is larger than a month', () => {
  const whole = { from: '2025-06-01T00:00:00.000Z', to: '2026-03-01T00:00:00.000Z' };
  const day = (at: string) => Date.parse(`${at}T10:00:00Z`);
  const source = new Map([
    [day('2025-07-10'), 3],
    [day('2025-11-02'), 1],
  ]);
  const target = new Map([[day('2025-12-24'), 5]]);
  const isEmpty = (range: Range) => rowsOf(target, range) === 0;
  const cut = cutWindows(whole, source, 1000, 'day');
  expect(cut.length).toBe(273);
  const windows = joinEmpty(cut, isEmpty);
  expect(windows.length).toBeLessThan(20);
  expect(windows[0]?.from).toBe(whole.from);
  expect(windows.at(-1)?.to).toBe(whole.to);
  for (const [index, window] of windows.entries()) {
    if (index > 0) expect(window.from).toBe(windows[index - 1]?.to);
    expect(window.rows).toBe(rowsOf(source, window));
    const days = (ms(window.to) - ms(window.from)) / (24 * HOUR_MS);
    // What holds rows on either side keeps to its partition.
    expect(days).toBeLessThanOrEqual(window.rows > 0 || !isEmpty(window) ? 1 : 31);
  }
  const deletes = cutDeletes(
    windows,
    windows.map((window) => rowsOf(target, window)),
    1000,
    'day',
  );
  expect(deletes.length).toBeLessThan(20);
});
