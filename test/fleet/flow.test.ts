import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createPool } from '../../src/domain/pool.ts';
import { type FleetOutcome, type FlowTenant, runFleetFlow, type TenantOutcome } from '../../src/flow/fleet.ts';

interface Told {
  readonly begun: readonly number[];
  readonly atOnce: number;
  readonly outcome: FleetOutcome;
}

/** Runs a fleet whose tenants end as told, `slots` at once on a cluster. */
async function run(
  tenants: readonly FlowTenant[],
  ends: (order: number) => TenantOutcome | Promise<TenantOutcome>,
  options: { readonly slots?: number; readonly failures?: number; readonly mayBegin?: () => boolean } = {},
): Promise<Told> {
  const pools = new Map(tenants.map((t) => [t.cluster, createPool(options.slots ?? 1)]));
  const begun: number[] = [];
  let [active, atOnce] = [0, 0];
  const outcome = await runFleetFlow(
    {
      runTenant: async (order) => {
        begun.push(order);
        active += 1;
        atOnce = Math.max(atOnce, active);
        await new Promise((resolve) => setImmediate(resolve));
        active -= 1;
        return ends(order);
      },
    },
    {
      tenants: (cluster) => pools.get(cluster) ?? createPool(1),
      mayBegin: () => Promise.resolve(options.mayBegin?.() ?? true),
      failures: options.failures ?? 5,
    },
    tenants,
  );
  return { begun, atOnce, outcome };
}

const of = (number: number, cluster = 'east'): FlowTenant[] =>
  Array.from({ length: number }, (_, n) => ({ order: n + 1, cluster, ended: null }));

test('tenants of a cluster begin in their order, clusters side by side', async () => {
  const tenants = [...of(3), ...of(3, 'west').map((t) => ({ ...t, order: t.order + 3 }))];
  const { begun, atOnce, outcome } = await run(tenants, () => 'proven');
  expect(begun.filter((n) => n <= 3)).toEqual([1, 2, 3]);
  expect(begun.filter((n) => n > 3)).toEqual([4, 5, 6]);
  expect(atOnce).toBe(2);
  expect(outcome).toEqual({ proven: 6, differences: 0, failed: 0, left: 0, stopped: false });
});

test('one that fails stops itself alone', async () => {
  const { begun, outcome } = await run(of(4), (n) => (n === 2 ? 'failed' : n === 3 ? 'differences' : 'proven'));
  expect(begun).toEqual([1, 2, 3, 4]);
  expect(outcome).toEqual({ proven: 2, differences: 1, failed: 1, left: 0, stopped: false });
});

test('when as many failed as may, nothing new is begun and what is at work goes on', async () => {
  const { begun, outcome } = await run(of(6), (n) => (n <= 2 ? 'failed' : 'proven'), { slots: 2, failures: 2 });
  expect(begun).toEqual([1, 2, 3]);
  expect(outcome).toEqual({ proven: 1, differences: 0, failed: 2, left: 3, stopped: true });
});

test('a limit that is reached by the last one has stopped nothing', async () => {
  const { outcome } = await run(of(2), () => 'failed', { failures: 2 });
  expect(outcome).toMatchObject({ failed: 2, left: 0, stopped: false });
});

test('what has ended before is not run and does not count as a failure of now', async () => {
  const tenants = of(4).map((t) => (t.order <= 2 ? { ...t, ended: 'failed' as const } : t));
  const { begun, outcome } = await run(tenants, () => 'proven', { failures: 1 });
  expect(begun).toEqual([3, 4]);
  expect(outcome).toMatchObject({ proven: 2, failed: 2, stopped: false });
});

test('after a pause nothing new is begun', async () => {
  let paused = false;
  const { begun, outcome } = await run(
    of(5),
    (n) => {
      paused = n === 2;
      return 'proven';
    },
    { mayBegin: () => !paused },
  );
  expect(begun).toEqual([1, 2]);
  expect(outcome).toMatchObject({ proven: 2, left: 3, stopped: false });
});

test('what cannot be kept ends the fleet, when those at work have ended', async () => {
  const ended: number[] = [];
  await expect(
    run(
      of(5),
      async (n) => {
        if (n === 1) throw new Error('the ledger is gone');
        await new Promise((resolve) => setTimeout(resolve, 20));
        ended.push(n);
        return 'proven' as const;
      },
      { slots: 2 },
    ),
  ).rejects.toThrow('the ledger is gone');
  expect(ended).toEqual([2]);
});

test('every tenant has exactly one outcome, whatever happens', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom<TenantOutcome>('proven', 'differences', 'failed', 'left'), { maxLength: 12 }),
      fc.integer({ min: 1, max: 4 }),
      fc.integer({ min: 1, max: 4 }),
      async (ends, slots, failures) => {
        const { begun, atOnce, outcome } = await run(of(ends.length), (n) => ends[n - 1] ?? 'proven', {
          slots,
          failures,
        });
        const { proven, differences, failed, left } = outcome;
        expect(proven + differences + failed + left).toBe(ends.length);
        expect(atOnce).toBeLessThanOrEqual(slots);
        // Those at work when the limit was reached may fail as well.
        expect(failed).toBeLessThan(failures + slots);
        expect(new Set(begun).size).toBe(begun.length);
        if (!outcome.stopped) expect(begun).toHaveLength(ends.length);
      },
    ),
  );
});
