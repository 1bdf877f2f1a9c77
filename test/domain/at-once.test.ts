import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { type AtOnce, atOnce, fewer, healthChanged, WindowsAtOnce, wentWell } from '../../src/domain/at-once.ts';
import { HEALTH_STATES } from '../../src/domain/indicators.ts';

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

/** What the runs of a cluster may write at once, as it was last said. */
function cluster(largest: number): { readonly all: WindowsAtOnce; readonly windows: () => number } {
  let windows = largest;
  return { all: new WindowsAtOnce(largest, (n) => (windows = n)), windows: () => windows };
}

test('the least of what was learnt, set and allowed, and never none', () => {
  const { all, windows } = cluster(8);
  all.told('a', 'go', 20);
  expect(windows()).toBe(8);
  all.told('a', 'go', 3);
  expect(windows()).toBe(3);
  all.told('a', 'go', 0);
  expect(windows()).toBe(1);
});

test('runs of a cluster: what they all see counts once, and the strictest counts', () => {
  const { all, windows } = cluster(8);
  for (const run of ['a', 'b', 'c']) all.told(run, 'slow', 8);
  expect(windows()).toBe(4);
  all.told('a', 'go', 8);
  all.told('b', 'go', 2);
  expect(windows()).toBe(2);
  // The one that is still slow keeps it from growing.
  for (let n = 0; n < 20; n++) all.wentWell();
  all.left('b');
  expect(windows()).toBe(4);
  all.told('c', 'go', 8);
  for (let n = 0; n < 4; n++) all.wentWell();
  expect(windows()).toBe(5);
});

test('a run that was held begins with one, and what it said goes with it', () => {
  const { all, windows } = cluster(4);
  all.told('a', 'hold', 4);
  all.told('b', 'go', 4);
  expect(windows()).toBe(4);
  all.left('a');
  expect(windows()).toBe(4);
  all.told('b', 'hold', 4);
  all.told('b', 'go', 4);
  expect(windows()).toBe(1);
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
