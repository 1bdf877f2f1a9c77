import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { DEFAULT_PACE, isTooSlow, nextRows, smoothed, type WindowSample } from '../../src/domain/pace.ts';

const limits = { ...DEFAULT_PACE, aimSeconds: 100 };
const taking = (seconds: number, rows = 100_000, times = 3): WindowSample[] =>
  Array.from({ length: times }, () => ({ rows, seconds }));

test('the newest counts most, and what is older than 20 windows not at all', () => {
  expect(smoothed([])).toBeNull();
  expect(smoothed([5])).toBe(5);
  expect(smoothed([1, 2])).toBeCloseTo((2 + 0.6) / 1.6);
  expect(smoothed([1_000_000, ...Array.from({ length: 20 }, () => 1)])).toBe(1);
});

test.each<[string, WindowSample[], boolean]>([
  ['nothing is cut before three windows', taking(1000, 100_000, 2), false],
  ['what takes its aim stays', taking(95), false],
  ['what takes less than twice its aim stays', taking(189), false],
  ['what takes twice its aim is cut', taking(190), true],
  ['what is fast stays', taking(1), false],
  ['the rest of a partition tells nothing', taking(1000, 9_999), false],
  ['an empty window tells nothing', taking(1000, 0), false],
])('%s', (_name, samples, cut) => {
  expect(isTooSlow(100_000, samples, limits)).toBe(cut);
});

test.each<[string, WindowSample[], number]>([
  ['nothing changes before three units', taking(1000, 100_000, 2), 100_000],
  ['what takes its aim stays', taking(93), 100_000],
  ['what is too slow shrinks at once', taking(190), 50_000],
  ['what is fast grows by a small step', taking(1), 120_000],
])('units of a re-indexer: %s', (_name, samples, rows) => {
  expect(nextRows(100_000, samples, limits)).toBe(rows);
});

test('a window is never cut to less than the smallest size', () => {
  expect(isTooSlow(1999, taking(1e9), limits)).toBe(false);
  expect(isTooSlow(2000, taking(1e9), limits)).toBe(true);
});

test('whatever a server’s speed: what is not cut any further takes less than twice the aim, and more than half of it', () => {
  fc.assert(
    fc.property(
      fc.double({ min: 200, max: 200_000, noNaN: true }),
      fc.integer({ min: 1000, max: 5_000_000 }),
      (rowsPerSecond, planned) => {
        const samples = taking(planned / rowsPerSecond, planned);
        let rows = planned;
        while (isTooSlow(rows, samples, limits)) rows /= 2;
        const seconds = rows / rowsPerSecond;
        if (rows >= 2 * limits.smallestRows) expect(seconds).toBeLessThan(2 * limits.aimSeconds);
        if (rows < planned) expect(seconds).toBeGreaterThan(limits.aimSeconds / 2);
      },
    ),
  );
});
