import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEFAULT_PACE, nextRows, smoothed, type WindowSample } from '../../src/domain/pace.ts';

const limits = { ...DEFAULT_PACE, aimSeconds: 100 };
const taking = (seconds: number, rows = 100_000, times = 3): WindowSample[] =>
  Array.from({ length: times }, () => ({ rows, seconds }));

test('the newest counts most, and what is older than 20 windows not at all', () => {
  expect(smoothed([])).toBeNull();
  expect(smoothed([5])).toBe(5);
  expect(smoothed([1, 2])).toBeCloseTo((2 + 0.6) / 1.6);
  expect(smoothed([1_000_000, ...Array.from({ length: 20 }, () => 1)])).toBe(1);
});

test.each<[string, WindowSample[], number]>([
  ['nothing is changed before three windows', taking(10, 100_000, 2), 100_000],
  ['nothing is changed at 90 % of the aim', taking(90), 100_000],
  ['nothing is changed at 95 % of the aim', taking(95), 100_000],
  ['a fast window grows by a fifth at most', taking(1), 120_000],
  ['a window that is a little fast grows in proportion', taking(85), 111_765],
  ['a slow window shrinks in proportion at once', taking(950), 10_000],
  ['the rest of a partition tells nothing', taking(50, 9_999), 100_000],
  ['an empty window tells nothing', taking(5, 0), 100_000],
])('%s', (_name, samples, rows) => {
  expect(nextRows(100_000, samples, limits)).toBe(rows);
});

test('the size stays within its limits', () => {
  expect(nextRows(100_000, taking(1e9), limits)).toBe(1000);
  expect(nextRows(49_000_000, taking(1, 49_000_000), limits)).toBe(50_000_000);
});

test('whatever a server’s speed and fixed cost: the time comes close to the aim and stays, without running past it', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 200, max: 200_000, noNaN: true }),
      fc.double({ min: 0, max: 20, noNaN: true }),
      fc.integer({ min: 1000, max: 5_000_000 }),
      (rowsPerSecond, fixed, begin) => {
        const took = (n: number) => fixed + n / rowsPerSecond;
        const samples: WindowSample[] = [];
        let rows = begin;
        for (let window = 0; window < 120; window++) {
          samples.push({ rows, seconds: took(rows) });
          const next = nextRows(rows, samples, limits);
          expect(next).toBeLessThanOrEqual(Math.ceil(rows * 1.2));
          // Growing never leads past the aim; where a window begins beyond it, only down.
          if (next > rows) expect(took(next)).toBeLessThanOrEqual(limits.aimSeconds);
          rows = next;
        }
        expect(took(rows)).toBeGreaterThan(0.85 * limits.aimSeconds);
        expect(took(rows)).toBeLessThanOrEqual(limits.aimSeconds);
      },
    ),
  );
});

test('a server that becomes ten times slower is followed within three windows', () => {
  const samples = taking(93, 100_000, 20);
  let rows = 100_000;
  for (let window = 0; window < 3; window++) {
    samples.push({ rows, seconds: (rows / 100_000) * 930 });
    rows = nextRows(rows, samples, limits);
  }
  expect(rows).toBeLessThan(15_000);
});
