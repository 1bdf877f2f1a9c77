import { expect, test, vi } from 'vitest';
import { createRefill } from '../../src/create-refill.ts';
import { expectClean, RANGE } from '../support/cards.ts';
import { createFleet, fleetEnded } from './support.ts';

// Several tenants, and programs that are started several times.
vi.setConfig({ testTimeout: 240_000 });

test('five tenants on two clusters are planned, run and proven, small first', async () => {
  const fleet = await createFleet({ cards: [120, 20, 60, 0, 40], west: 2, limits: { windowRows: 100, tenants: 1 } });
  const plan = await fleet.refill.planFleet({ range: RANGE });
  expect(plan.members.map((m) => m.rowsToWrite)).toEqual(
    [...plan.members].map((m) => m.rowsToWrite).sort((a, b) => a - b),
  );
  expect(plan.reach).toMatchObject({ tenants: 5, clusters: 2 });
  expect(plan.reach.rowsToDelete).toBe(plan.members.reduce((n, m) => n + m.rowsToDelete, 0));
  expect(plan.reach.rowsToDelete).toBeGreaterThan(0);

  const { events, result } = await fleetEnded(fleet.refill.runFleet(plan.id));
  expect(result).toMatchObject({
    state: 'succeeded',
    tenants: { total: 5, proven: 5, differences: 0, failed: 0, left: 0 },
    unproven: [],
    unknown: [],
  });
  expect(result.clusters.map((c) => [c.cluster, c.tenants, c.proven])).toEqual([
    ['east', 3, 3],
    ['west', 2, 2],
  ]);
  for (const [n, tenant] of fleet.tenants.entries()) if (n !== 3) await expectClean(tenant);

  // One at a time on a cluster: they begin in their order.
  const begun = events.flatMap((e) => (e.type === 'started' ? [`${e.cluster} ${e.tenant.customer}`] : []));
  for (const cluster of ['east', 'west']) {
    expect(begun.filter((name) => name.startsWith(cluster))).toEqual(
      plan.members.filter((m) => m.cluster === cluster).map((m) => `${cluster} ${m.customer}`),
    );
  }
  // The numbers are those of the target.
  const after = result.clusters.reduce((n, c) => n + (c.rowsAfter ?? Number.NaN), 0);
  const written = result.clusters.reduce((n, c) => n + c.rowsWritten, 0);
  expect(after).toBe(written);
  expect(written).toBe(plan.reach.rowsToWrite);
  const progress = events.findLast((e) => e.type === 'fleet-progress');
  expect(progress).toMatchObject({ tenants: { total: 5, proven: 5, left: 0 }, left: { seconds: 0 } });

  const status = await fleet.refill.fleetStatus(plan.id);
  expect(status.fleet).toMatchObject({ state: 'succeeded', holder: null });
  expect(status.clusters.map(({ rowsAfter }) => rowsAfter)).toEqual(result.clusters.map((c) => c.rowsAfter));
});

test('a tenant that comes late is done long before one with many windows, which gives every second slot to it', async () => {
  const fleet = await createFleet({
    cards: [480, 80],
    limits: { windowRows: 20, tenants: 2, clusterWindows: 1, windows: 2 },
  });
  const [huge = ''] = fleet.names;
  const plan = await fleet.refill.planFleet({ range: RANGE, priorities: { [huge]: 1 } });
  expect(plan.members[0]).toMatchObject({ priority: 1, customer: fleet.tenants[0]?.name.customer });
  const { events } = await fleetEnded(fleet.refill.runFleet(plan.id));
  const results = events.flatMap((e) => (e.type === 'result' ? [e.tenant.customer] : []));
  expect(results).toEqual([1, 0].map((n) => fleet.tenants[n]?.name.customer));

  const written = events.flatMap((e) => (e.type === 'window' && e.state === 'written' ? [e.tenant.customer] : []));
  const small = results[0] ?? '';
  const turns = written.slice(written.indexOf(small), written.lastIndexOf(small) + 1);
  const ofSmall = turns.filter((customer) => customer === small).length;
  expect(ofSmall).toBeGreaterThan(2);
  // While the small one had windows to write, the huge one had at most a slot for each of its own.
  expect(turns.length - ofSmall).toBeLessThanOrEqual(ofSmall);
  expect(written.length - ofSmall).toBeGreaterThan(3 * ofSmall);
});

test('a tenant that appears after the plan is not touched, and that is said', async () => {
  const fleet = await createFleet({ cards: [20, 30] });
  const { east } = fleet.config.clusters;
  const [first, second] = fleet.tenants;
  if (!east || !first || !second) throw new Error('no tenants');
  const before = createRefill({
    ...fleet.config,
    clusters: { east: { ...east, tenants: [{ ...first.name, database: first.database }] } },
  });
  const plan = await before.planFleet({ range: RANGE });
  await before.close();
  const { events, result } = await fleetEnded(fleet.refill.runFleet(plan.id));
  expect(result).toMatchObject({ state: 'succeeded', tenants: { total: 1, proven: 1 } });
  const notices = events.flatMap((e) => (e.type === 'fleet-notice' ? [e.message] : []));
  expect(notices).toEqual([`not touched, as it is not in the plan: ${fleet.names[1]} (cluster east)`]);
});
