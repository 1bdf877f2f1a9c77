import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { HEALTH_STATES } from '../../src/domain/indicators.ts';
import {
  type AtOnce,
  atOnce,
  DEFAULT_PACE,
  fewer,
  healthChanged,
  nextRows,
  smoothed,
  wentWell,
  type WindowSample,
  windowsNow,
} from '../../src/domain/pace.ts';

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

test('an overload halves, and as many as run side by side have to go well for one more', () => {
  let now = fewer(atOnce(8));
  expect(now).toEqual({ size: 4, well: 0 });
  for (let n = 0; n < 3; n++) now = wentWell(now, 8);
  expect(now).toEqual({ size: 4, well: 3 });
  expect(wentWell(now, 8)).toEqual({ size: 5, well: 0 });
  expect(wentWell(now, 8, 'slow')).toEqual({ size: 4, well: 0 });
  expect(fewer(fewer(fewer(fewer(now)))).size).toBe(1);
});

test('slow halves once, a hold begins again with one', () => {
  const eight = atOnce(8);
  expect(healthChanged(eight, 'go', 'slow').size).toBe(4);
  expect(healthChanged(eight, 'slow', 'slow').size).toBe(8);
  expect(healthChanged(eight, 'slow', 'go').size).toBe(8);
  expect(healthChanged(eight, 'go', 'hold').size).toBe(8);
  expect(healthChanged(eight, 'hold', 'go').size).toBe(1);
  expect(healthChanged(eight, 'hold', 'slow').size).toBe(1);
});

test('the least of what was learnt, set and allowed; none while health holds', () => {
  const eight = atOnce(8);
  expect(windowsNow(eight, 'go', 20)).toBe(8);
  expect(windowsNow(eight, 'slow', 3)).toBe(3);
  expect(windowsNow(eight, 'go', 20, 1)).toBe(1);
  expect(windowsNow(eight, 'go', 20, 0)).toBe(0);
  expect(windowsNow(eight, 'hold', 20, 5)).toBe(0);
});

test('whatever happens, at least one and never more than the largest is learnt', () => {
  const event = fc.oneof(
    fc.constantFrom('well', 'overload'),
    fc.tuple(fc.constantFrom(...HEALTH_STATES), fc.constantFrom(...HEALTH_STATES)),
  );
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 30 }), fc.array(event, { maxLength: 100 }), (largest, events) => {
      let now: AtOnce = atOnce(largest);
      for (const one of events) {
        const before = now.size;
        if (one === 'well') now = wentWell(now, largest);
        else if (one === 'overload') now = fewer(now);
        else if (typeof one !== 'string') now = healthChanged(now, one[0], one[1]);
        expect(now.size).toBeGreaterThanOrEqual(1);
        expect(now.size).toBeLessThanOrEqual(Math.min(largest, before + 1));
      }
    }),
  );
});
