import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Eta, eta, type EtaSample, sideBySide, withSample } from '../../src/domain/eta.ts';

/** Samples each second of what grows by these rows. */
const growing = (steps: readonly number[], begin = 0): EtaSample[] => {
  let done = begin;
  return [{ at: 0, done }, ...steps.map((step, n) => ({ at: (n + 1) * 1000, done: (done += step) }))];
};
const even = (seconds: number, step: number) => growing(Array.from({ length: seconds }, () => step));
const of = (samples: EtaSample[], total: number) => eta({ done: samples.at(-1)?.done ?? 0, total, samples });

test('an even rate gives what is left by the rate, within a tenth', () => {
  const left = of(even(60, 100), 12_000);
  expect(left?.seconds).toBeCloseTo(60);
  expect(left?.low).toBeCloseTo(60 / 1.1);
  expect(left?.high).toBeCloseTo(66);
});

test('nothing before 1 %, and nothing without a rate', () => {
  expect(of(even(9, 100), 100_000)).toBeNull();
  expect(of(even(10, 100), 100_000)).not.toBeNull();
  expect(eta({ done: 50, total: 100, samples: [] })).toBeNull();
  expect(eta({ done: 50, total: 100, samples: [{ at: 5, done: 50 }] })).toBeNull();
  expect(of(growing([0, 0, 0], 50), 100)).toBeNull();
});

test('what is done, or more than done, has nothing left', () => {
  expect(eta({ done: 100, total: 100, samples: [] })).toEqual({ seconds: 0, low: 0, high: 0 });
  expect(eta({ done: 164, total: 100, samples: [] })).toEqual({ seconds: 0, low: 0, high: 0 });
  expect(eta({ done: 0, total: 0, samples: [] })).toEqual({ seconds: 0, low: 0, high: 0 });
});

test('a resumed run is measured by what it did since', () => {
  expect(
    of(
      growing(
        Array.from({ length: 30 }, () => 10),
        9_000,
      ),
      10_000,
    )?.seconds,
  ).toBeCloseTo(70);
});

test('an uneven rate has a wide range, a pause of a second no other time left', () => {
  const paused = of([...even(60, 100), { at: 61_000, done: 6000 }, { at: 62_000, done: 6000 }], 12_000);
  expect(paused?.seconds).toBeGreaterThan(60);
  expect(paused?.seconds).toBeLessThan(70);
  const uneven = of(growing(Array.from({ length: 64 }, (_, n) => (n % 32 < 16 ? 10 : 190))), 12_800);
  expect((uneven?.high ?? 0) / (uneven?.low ?? 1)).toBeGreaterThan(3);
});

test('a rate that changed is followed: what is done now counts most', () => {
  const slower = of(
    [...even(100, 100), ...even(100, 10).map((s) => ({ at: s.at + 100_000, done: s.done + 10_000 }))],
    22_000,
  );
  // By all of the time measured it would be 200 s, by the last second 1,100 s.
  expect(slower?.seconds).toBeGreaterThan(290);
  expect(slower?.seconds).toBeLessThan(1100);
});

test('what goes back counts as a stall, and a clock that goes back not at all', () => {
  const samples = [...even(10, 100), { at: 11_000, done: 500 }, { at: 9000, done: 4000 }];
  const left = eta({ done: 1000, total: 2000, samples });
  expect(left?.seconds).toBeGreaterThan(10);
  expect(left?.seconds).toBeLessThan(14);
});

test('samples are kept in constant memory, and tell the same', () => {
  const all = even(20_000, 100);
  let kept: EtaSample[] = [];
  for (const sample of all) {
    kept = withSample(kept, sample);
    expect(kept.length).toBeLessThanOrEqual(128);
    expect([kept[0], kept.at(-1)]).toEqual([all[0], sample]);
  }
  expect(of(kept, 4_000_000)?.seconds).toBeCloseTo(20_000);
});

const run = fc.record({
  steps: fc.array(fc.tuple(fc.integer({ min: 1, max: 60_000 }), fc.integer({ min: 0, max: 10_000 })), {
    minLength: 2,
    maxLength: 60,
  }),
  left: fc.integer({ min: 1, max: 1_000_000 }),
});
const samplesOf = (steps: readonly [number, number][]) => {
  let [at, done] = [0, 0];
  return [{ at, done }, ...steps.map(([time, rows]) => ({ at: (at += time), done: (done += rows) }))];
};

test('never negative, always finite, and in its range; between what the fastest and the slowest step promise', () => {
  fc.assert(
    fc.property(run, ({ steps, left }) => {
      const samples = samplesOf(steps);
      const done = samples.at(-1)?.done ?? 0;
      const found = eta({ done, total: done + left, samples });
      if (!found) return;
      expect(found.low).toBeGreaterThan(0);
      expect(found.low).toBeLessThanOrEqual(found.seconds);
      expect(found.seconds).toBeLessThanOrEqual(found.high);
      expect(found.high).toBeLessThanOrEqual(found.seconds * 3 + 1e-9);
      const rates = steps.map(([time, rows]) => (rows / time) * 1000);
      expect(found.seconds).toBeGreaterThanOrEqual((left / Math.max(...rates)) * 0.999);
      // The whole time counts for at least 1/e² of what it would, however it went lately.
      const whole = (done / (samples.at(-1)?.at ?? 1)) * 1000;
      expect(found.seconds).toBeLessThanOrEqual((left / whole) * Math.E ** 2);
    }),
  );
});

test('while a run stalls its time left grows, and no faster than the stall', () => {
  fc.assert(
    fc.property(
      run,
      fc.array(fc.integer({ min: 1000, max: 3_600_000 }), { minLength: 1, maxLength: 20 }),
      ({ steps, left }, waits) => {
        const samples = samplesOf(steps);
        const { at = 0, done = 0 } = samples.at(-1) ?? {};
        const before = eta({ done, total: done + left, samples });
        if (!before) return;
        let [now, last] = [at, before.seconds];
        for (const wait of waits) {
          now += wait;
          samples.push({ at: now, done });
          const found = eta({ done, total: done + left, samples });
          expect(found?.seconds).toBeGreaterThan(last);
          expect(found?.seconds).toBeLessThanOrEqual(before.seconds * Math.E ** 2 * (now / at));
          last = found?.seconds ?? 0;
        }
      },
    ),
  );
});

const one = (seconds: number): Eta => ({ seconds, low: seconds / 2, high: seconds * 2 });

test('clusters side by side take as long as the longest, and one that is unknown makes the whole unknown', () => {
  expect(sideBySide([one(10), one(30)])).toEqual(one(30));
  expect(sideBySide([one(1), null])).toBeNull();
});
