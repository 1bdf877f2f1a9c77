import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { onDebugPoint } from '../../src/steps/debug-points.ts';
import { expectClean, RANGE } from '../support/cards.ts';
import type { TestTenant } from '../support/tenant.ts';
import { createFleet, fleetEnded, type TestFleetOptions } from './support.ts';

afterEach(() => onDebugPoint(undefined));
// Tenants that wait for each other: where one is forgotten, the test ends here.
vi.setConfig({ testTimeout: 90_000 });

/** Counts windows at work in this process, and gives them time to meet. */
function countAtOnce(): { readonly most: () => number } {
  let [active, most] = [0, 0];
  onDebugPoint(async (point) => {
    if (point === 'window-inserted') active -= 1;
    if (point !== 'attempt-kept') return;
    active += 1;
    most = Math.max(most, active);
    await sleep(200);
  });
  return { most: () => most };
}

const ALWAYS_SLOW = { slow: 1e9, stop: 0, resume: 1e9 };
const CASES: readonly [string, Pick<TestFleetOptions, 'health' | 'calendar'>, number | null, number][] = [
  ['without any of them as many as the limits allow', {}, null, 4],
  ['a limit by hand', {}, 1, 1],
  [
    'the windows of a calendar',
    { calendar: { timeZone: 'UTC', quiet: [{ days: ['mon-sun'], from: '00:00', to: '24:00', windows: 1 }] } },
    null,
    1,
  ],
  ['half of them while the servers are slow', { health: { freeConnections: ALWAYS_SLOW } }, null, 2],
];

test.each(CASES)('two tenants on a cluster together, %s', async (_name, options, byHand, most) => {
  const fleet = await createFleet({
    cards: [120, 120],
    limits: { windowRows: 40, healthSeconds: 0.1, windows: 4, tenants: 2, clusterWindows: 4 },
    ...options,
  });
  const plan = await fleet.refill.planFleet({ range: RANGE });
  if (byHand !== null) await fleet.refill.setLimit('east', byHand);
  const atOnce = countAtOnce();
  const { result } = await fleetEnded(fleet.refill.runFleet(plan.id));
  expect(result).toMatchObject({ state: 'succeeded', tenants: { proven: 2 } });
  expect(atOnce.most()).toBe(most);
});

/** Parts that no merge puts together, in a month that no plan names. */
async function manyParts(t: TestTenant, parts: number): Promise<void> {
  await t.command('SYSTEM STOP MERGES score');
  for (let n = 0; n < parts; n++)
    await t.command(`INSERT INTO score (score_id, scorecard_time) VALUES ('part-${n}', '2025-06-01')`);
}

test('a tenant that is held gives its slot back: the other one goes on to its end meanwhile', async () => {
  const fleet = await createFleet({
    cards: [60, 60],
    limits: { windowRows: 40, healthSeconds: 0.1, windows: 1, tenants: 2, clusterWindows: 1 },
    health: { partsAboveBaseline: { slow: 5, stop: 5, resume: 2 } },
  });
  const plan = await fleet.refill.planFleet({ range: RANGE });
  const ledger = await fleet.refill.ledger();
  let waits = () => {};
  const oneWaits = new Promise<void>((resolve) => (waits = resolve));
  let held = (_tenant: TestTenant) => {};
  const isHeld = new Promise<TestTenant>((resolve) => (held = resolve));
  let asked: Promise<void> | undefined;
  onDebugPoint(async (point) => {
    if (point !== 'attempt-kept' || asked) return;
    // The one that writes has the only slot; the other one waits for it, and is held before it gets it.
    asked = (async () => {
      // By then it knows the parts that were there before.
      await oneWaits;
      for (const { run, customer } of await ledger.members(plan.id)) {
        const writes = (await ledger.windows(run ?? '')).some((w) => w.state === 'writing');
        const tenant = fleet.tenants.find((t) => t.name.customer === customer);
        if (!writes && tenant) await manyParts(tenant, 10);
      }
      await isHeld;
    })();
    await asked;
  });
  const ends: string[] = [];
  const { result } = await fleetEnded(fleet.refill.runFleet(plan.id), async (event) => {
    if (event.type === 'fleet-progress' && /waiting for cluster east \(1 of 1 slot in use\)/u.test(event.doing))
      waits();
    if (event.type === 'notice' && /^held: \d+ parts above the baseline on score 202506/u.test(event.message)) {
      const tenant = fleet.tenants.find((t) => t.name.customer === event.tenant.customer);
      if (tenant) held(tenant);
    }
    if (event.type !== 'result') return;
    ends.push(event.tenant.customer);
    const other = await isHeld;
    if (ends.length > 1) return;
    await other.command('SYSTEM START MERGES score');
    await other.command('OPTIMIZE TABLE score PARTITION 202506 FINAL');
  });
  expect(ends.at(-1)).toBe((await isHeld).name.customer);
  expect(result).toMatchObject({ state: 'succeeded', tenants: { proven: 2 } });
  for (const tenant of fleet.tenants) await expectClean(tenant);
});
