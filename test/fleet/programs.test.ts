import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { createRefill } from '../../src/create-refill.ts';
import type { Refill } from '../../src/refill.ts';
import { onDebugPoint } from '../../src/steps/debug-points.ts';
import { configFile, type Program, start } from '../faults/program.ts';
import { expectOneAtATime } from '../support/attempts.ts';
import { ended, expectClean, RANGE } from '../support/cards.ts';
import { NOTICED_MS, type TestTenant } from '../support/tenant.ts';
import { createFleet, fleetEnded, type TestFleet } from './support.ts';

afterEach(() => onDebugPoint(undefined));
// Programs that are started, and that wait for each other.
vi.setConfig({ testTimeout: 240_000 });

/** Another program is at the server's only slot, or has waited for it longer. */
const BY_ANOTHER =
  /waiting for Postgres server 127\.0\.0\.1:\d+ \((?:1 of 1 windows at work, by another program|another program has waited longer)\)/u;
const HOLDS = { REFILL_DEBUG_POINT: 'attempt-kept:sleep=120000' };

/** Two tenants on one Postgres server, of which a program each is to take care. */
async function twoTenants(limits = {}): Promise<{ fleet: TestFleet; one: TestTenant; two: TestTenant }> {
  const fleet = await createFleet({
    cards: [120, 120],
    limits: { windowRows: 60, windows: 4, serverWindows: 1, ...limits },
  });
  const [one, two] = fleet.tenants;
  if (!one || !two) throw new Error('no tenants');
  return { fleet, one, two };
}

const planOf = async (refill: Refill, { name }: TestTenant) => (await refill.plan({ tenant: name, range: RANGE })).id;

/** A program of its own that runs a plan. */
async function program({ config }: TestFleet, plan: string, env: NodeJS.ProcessEnv = {}): Promise<Program> {
  return start(['run', plan, '--execute', '--json', '--config', await configFile(config)], env);
}

/** A program of its own that is at a window: of each it takes as long as the debug point says. */
async function atWork(fleet: TestFleet, tenant: TestTenant, env: NodeJS.ProcessEnv): Promise<Program> {
  const other = await program(fleet, await planOf(fleet.refill, tenant), env);
  await expect.poll(async () => (await fleet.refill.slots()).length, { timeout: 60_000, interval: 50 }).toBe(1);
  return other;
}

/** A program of its own that is at a window and stays at it until it is killed. */
const holder = (fleet: TestFleet, tenant: TestTenant): Promise<Program> => atWork(fleet, tenant, HOLDS);

/** Windows take so long that those of two programs would meet, and that a waiting one tells of it. */
const SLOW_MS = 600;
const SLOW = { REFILL_DEBUG_POINT: `attempt-kept:sleep=${SLOW_MS}@all` };

function slowWindows(): void {
  onDebugPoint(async (point) => {
    if (point === 'attempt-kept') await sleep(SLOW_MS);
  });
}

test('two programs on one Postgres server, of which one window may be at work: never two, both end, who waits says for what', async () => {
  const { fleet, one, two } = await twoTenants();
  slowWindows();
  const mine = await planOf(fleet.refill, one);
  const other = await atWork(fleet, two, SLOW);
  const told: string[] = [];
  const { result } = await ended(fleet.refill.run(mine), (event) => {
    if (event.type === 'progress') told.push(event.doing);
  });
  const { status } = await other.end;
  expect({ state: result.state, status }).toEqual({ state: 'succeeded', status: 0 });
  await expectOneAtATime(fleet.config, { attempts: 8, runs: 2 });
  expect(told.join('\n')).toMatch(BY_ANOTHER);
  expect(await fleet.refill.slots()).toEqual([]);
  for (const tenant of fleet.tenants) await expectClean(tenant);
});

test.each(['clusterWindows', 'fleetWindows'] as const)(
  '%s of two fleets, each by a program of its own',
  async (limit) => {
    const { fleet, one, two } = await twoTenants({ serverWindows: 4, [limit]: 1 });
    slowWindows();
    const other = createRefill(fleet.config);
    onTestFinished(() => other.close());
    const plans = [
      await fleet.refill.planFleet({ range: RANGE, tenants: [one.name] }),
      await other.planFleet({ range: RANGE, tenants: [two.name] }),
    ];
    const told: string[] = [];
    const runs = await Promise.all(
      [fleet.refill, other].map((refill, n) =>
        fleetEnded(refill.runFleet(plans[n]?.id ?? ''), (event) => {
          if (event.type === 'fleet-progress') told.push(...event.running.map((tenant) => tenant.doing));
        }),
      ),
    );
    expect(runs.map(({ result }) => result.state)).toEqual(['succeeded', 'succeeded']);
    await expectOneAtATime(fleet.config, { attempts: 8, runs: 2 });
    expect(told.join('\n')).toMatch(
      limit === 'clusterWindows' ? /waiting for cluster east \(.*program/u : /waiting for the fleet \(.*program/u,
    );
  },
);

test('a limit by hand is of all programs together', async () => {
  const { fleet, one, two } = await twoTenants({ serverWindows: 4, healthSeconds: 0.1 });
  slowWindows();
  await fleet.refill.setLimit('east', 1);
  const other = createRefill(fleet.config);
  onTestFinished(() => other.close());
  const [mine, theirs] = [await planOf(fleet.refill, one), await planOf(other, two)];
  const runs = await Promise.all([ended(fleet.refill.run(mine)), ended(other.run(theirs))]);
  expect(runs.map(({ result }) => result.state)).toEqual(['succeeded', 'succeeded']);
  await expectOneAtATime(fleet.config, { attempts: 8, runs: 2 });
});

test('kill -9 of the program that has the slot frees it within seconds; until then it is shown who has it', async () => {
  const { fleet, one, two } = await twoTenants();
  const held = await holder(fleet, two);
  const [slot] = await fleet.refill.slots();
  expect(slot).toMatchObject({ cluster: 'east', window: 1, holder: { pid: held.child.pid } });
  const shown = await (await start(['limits', '--json', '--config', await configFile(fleet.config)])).end;
  expect(JSON.parse(shown.stdout)).toMatchObject({ slots: [{ server: slot?.server, run: slot?.run }] });
  const plan = await planOf(fleet.refill, one);
  let [killedAt, beganAfter] = [0, Infinity];
  const { result } = await ended(fleet.refill.run(plan), (event) => {
    if (event.type === 'progress' && killedAt === 0 && BY_ANOTHER.test(event.doing)) {
      killedAt = Date.now();
      held.child.kill('SIGKILL');
    }
    if (event.type === 'window') beganAfter = Math.min(beganAfter, Date.now() - killedAt);
  });
  expect(result.state).toBe('succeeded');
  expect(killedAt).toBeGreaterThan(0);
  expect(beganAfter).toBeLessThan(20_000);
});

test.each(['pause', 'cancel', 'drain', 'force'] as const)(
  '%s ends the waiting at once, and nothing was begun',
  async (how) => {
    const { fleet, one, two } = await twoTenants();
    await holder(fleet, two);
    const plan = await planOf(fleet.refill, one);
    const [drain, force] = [new AbortController(), new AbortController()];
    let askedAt = 0;
    const { result } = await ended(
      fleet.refill.run(plan, { drain: drain.signal, force: force.signal }),
      async (event) => {
        if (event.type !== 'progress' || askedAt > 0 || !BY_ANOTHER.test(event.doing)) return;
        askedAt = Date.now();
        if (how === 'drain') drain.abort();
        else if (how === 'force') force.abort();
        else await fleet.refill[how](event.run);
      },
    );
    expect(Date.now() - askedAt).toBeLessThan(NOTICED_MS + 3_000);
    expect(result).toMatchObject({ state: how === 'cancel' ? 'cancelled' : 'paused', rowsWritten: 0 });
    const ledger = await fleet.refill.ledger();
    expect(await ledger.attempts(result.run)).toEqual([]);
  },
);
