import { Client } from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { LedgerConfig } from '../../src/config/config.ts';
import { onDebugPoint } from '../../src/steps/debug-points.ts';
import type { FleetEvent } from '../../src/domain/fleet-events.ts';
import { fleetEnded, type TestFleet } from '../fleet/support.ts';
import { ACTOR } from '../ledger/samples.ts';
import { expectClean, RANGE, thrown } from '../support/cards.ts';
import { InProcess } from '../support/executor.ts';
import { startFleetByHand } from './by-hand.ts';
import { eventsOf, noTemporal, type OverTemporal, startWorker, temporalFleet } from './given.ts';

/** Does something with the ledger's tables, past the ledger. */
async function inLedger<T>(config: LedgerConfig, task: (sql: Client) => Promise<T>): Promise<T> {
  const { host, port, user, database } = config;
  const sql = new Client({ host, port, user, database, password: process.env['REFILL_TEST_PASSWORD'] });
  await sql.connect();
  try {
    return await task(sql);
  } finally {
    await sql.end();
  }
}

/** Adds tenants of the cluster `west` to a fleet's plan, as the ledger has it. There is nothing behind their plans. */
async function addTenants(sql: Client, fleet: string, number: number): Promise<void> {
  await sql.query(
    `INSERT INTO refill.plan
     SELECT made.* FROM generate_series(1, ${number}) n, (SELECT * FROM refill.plan LIMIT 1) p,
            jsonb_populate_record(NULL::refill.plan, to_jsonb(p) || jsonb_build_object('id', 'p-made-' || n, 'body', '{}'::jsonb)) made`,
  );
  await sql.query(
    `INSERT INTO refill.fleet_member (fleet, position, cluster, customer, profile, plan, rows_before, rows_to_write)
     SELECT $1, 1000 + n, 'west', 'made-' || n, 'test', 'p-made-' || n, 1, 1 FROM generate_series(1, ${number}) n`,
    [fleet],
  );
  // As the server does by itself a minute later.
  await sql.query('ANALYZE refill.fleet_member, refill.run, refill.plan');
}

/** How many rows of fleets' tenants were read so far, by the server's own count, which is some seconds behind. */
async function tenantsRead(sql: Client): Promise<number> {
  const { rows } = await sql.query<{ read: string }>(
    `SELECT seq_tup_read + coalesce(idx_tup_fetch, 0) AS read FROM pg_stat_user_tables WHERE relid = 'refill.fleet_member'::regclass`,
  );
  return Number(rows[0]?.read);
}

/** How many executions of a workflow there were. */
async function executions(t: OverTemporal, workflow: string): Promise<number> {
  const query = `WorkflowId = "${workflow}" AND ExecutionStatus != "Terminated"`;
  const listed: readonly unknown[] = JSON.parse(
    await t.operator('workflow', 'list', '--query', query, '--output', 'json'),
  );
  return listed.length;
}

/** Every window of a fleet's runs was told, and none twice, however soon after the run's beginning it was written. */
async function expectEachWindowTold({ refill }: TestFleet, events: readonly FleetEvent[]): Promise<void> {
  const ledger = await refill.ledger();
  const runs = await refill.runs();
  const windows = await Promise.all(
    runs.map(async ({ id }) => (await ledger.windows(id)).map((window) => `${id} ${window.id}`)),
  );
  const told = events.flatMap((event) => (event.type === 'window' ? [`${event.run} ${event.window}`] : []));
  expect(told.toSorted()).toEqual(windows.flat().toSorted());
}

describe.skipIf(noTemporal())('a fleet over Temporal', () => {
  test('four tenants on two clusters are run and proven; an operator finds them', async () => {
    const fleet = await temporalFleet({ cards: [60, 20, 40, 30], west: 2, limits: { windowRows: 100 } });
    await fleet.worker();
    const plan = await fleet.refill.planFleet({ range: RANGE });
    const { events, result } = await fleetEnded(fleet.refill.runFleet(plan.id));
    expect(result).toMatchObject({
      state: 'succeeded',
      tenants: { total: 4, proven: 4, differences: 0, failed: 0, left: 0 },
      unproven: [],
    });
    for (const tenant of fleet.tenants) await expectClean(tenant);
    expect(events.filter((e) => e.type === 'started')).toHaveLength(4);
    await expectEachWindowTold(fleet, events);
    expect(events.filter((e) => e.type === 'result').map((e) => e.state)).toEqual(Array(4).fill('succeeded'));
    expect((await fleet.refill.fleetStatus(plan.id)).fleet).toMatchObject({ executor: 'temporal', state: 'succeeded' });
    const query = `RefillCluster = "west" AND RefillState = "succeeded" AND TaskQueue = "${fleet.taskQueue}-west"`;
    const listed = async (): Promise<unknown> =>
      JSON.parse(await fleet.operator('workflow', 'list', '--query', query, '--output', 'json'));
    // What operators search by is written a moment after it has happened.
    await expect.poll(listed, { timeout: 30_000 }).toHaveLength(2);
  });

  test('while it runs, an operator sees which tenants are at work on which cluster, and how far each is', async () => {
    const fleet = await temporalFleet({
      cards: [60, 60, 60],
      west: 1,
      limits: { windowRows: 60, windows: 1, tenants: 1 },
    });
    await fleet.worker({ REFILL_DEBUG_POINT: 'window-inserted:sleep=4000@all' });
    const { id } = await fleet.refill.planFleet({ range: RANGE });
    const drain = new AbortController();
    const following = thrown(() => fleetEnded(fleet.refill.runFleet(id, { drain: drain.signal })));
    const list = async (query: string): Promise<unknown> =>
      JSON.parse(await fleet.operator('workflow', 'list', '--query', query, '--output', 'json'));
    const running = (more: string) => () => list(`RefillState = "running" AND ${more}`);
    // One of each cluster, and one waits; the fleet is found by its own id.
    for (const name of ['east', 'west']) {
      const query = `RefillCluster = "${name}" AND TaskQueue = "${fleet.taskQueue}-${name}"`;
      await expect.poll(running(query), { timeout: 60_000 }).toHaveLength(1);
    }
    await expect.poll(running(`RefillRun = "${id}"`), { timeout: 30_000 }).toHaveLength(1);
    const members = (await (await fleet.refill.ledger()).members(id)).filter(({ run }) => run !== null);
    expect(members).toHaveLength(2);
    const described = (workflow: string) =>
      fleet.operator('workflow', 'describe', '--workflow-id', workflow, '--output', 'json');
    const whole = await described(`refill-${id}`);
    for (const { order, cluster, customer, profile, run } of members) {
      const tenant = `${customer}/${profile}`;
      const found = running(`RefillRun = "${run}" AND RefillTenant = "${tenant}" AND RefillCluster = "${cluster}"`);
      await expect.poll(found, { timeout: 30_000 }).toHaveLength(1);
      expect(whole).toContain(`"refill-${id}-${order}"`);
      const one = () => described(`refill-${id}-${order}`);
      await expect
        .poll(one, { timeout: 30_000 })
        .toMatch(/refillWriteWindow[^]*"rowsTotal": ?\d+[^]*"unit": ?"window \d+"/u);
    }
    drain.abort();
    await following;
    await fleet.operator('workflow', 'terminate', '--workflow-id', `refill-${id}`);
  });

  test('of a cluster where no worker takes work its follower is told, while tenants of another are done', async () => {
    const fleet = await temporalFleet({ cards: [60, 60], west: 1, limits: { windowRows: 100 } });
    await startWorker(fleet.config, {}, ['--cluster', 'east']);
    const { id } = await fleet.refill.planFleet({ range: RANGE });
    const missing = `waiting for a worker: none takes work from ${fleet.taskQueue}-west`;
    let begun = false;
    const { events, result } = await fleetEnded(fleet.refill.runFleet(id), async (event) => {
      if (begun || event.type !== 'fleet-notice' || !event.message.startsWith(missing)) return;
      begun = true;
      await startWorker(fleet.config, {}, ['--cluster', 'west']);
    });
    expect(result).toMatchObject({ state: 'succeeded', tenants: { proven: 2 } });
    expect(begun).toBe(true);
    expect(JSON.stringify(events)).not.toContain(`none takes work from ${fleet.taskQueue}-east`);
  });

  test('of 20,000 tenants: what its workflow is given, what it is told, and what a follower reads do not grow with them', async () => {
    const fleet = await temporalFleet({ cards: [16, 16, 16], west: 1, limits: { windowRows: 100 } });
    const plan = await fleet.refill.planFleet({ range: RANGE });
    await inLedger(fleet.config.ledger, (sql) => addTenants(sql, plan.id, 20_000));
    await startWorker(fleet.config, {}, ['--cluster', 'east']);
    // Nobody serves the cluster of the others: the fleet goes on when this test has seen enough.
    const enough = new AbortController();
    let [proven, looks, read] = [0, 0, 0];
    const followed = await thrown(() =>
      inLedger(fleet.config.ledger, (sql) =>
        fleetEnded(fleet.refill.runFleet(plan.id, { drain: enough.signal }), async (event) => {
          if (event.type === 'result' && event.state === 'succeeded') proven += 1;
          // Its workflow has read all of them to begin, once, and so has who follows it.
          if (proven < 2 || event.type !== 'fleet-progress') return;
          looks += 1;
          if (looks === 3) read = -(await tenantsRead(sql));
          if (looks < 11) return;
          read += await tenantsRead(sql);
          enough.abort();
        }),
      ),
    );
    expect(followed).toMatchObject({ code: 'INTERRUPTED' });
    // In eight looks; those who have read all of them at the beginning may be counted only now.
    expect(read).toBeLessThan(3 * 20_000);
    const events = await eventsOf(fleet, `refill-${plan.id}`);
    expect(events[0]).toContain('WORKFLOW_EXECUTION_STARTED');
    expect(events[0]?.length).toBeLessThan(3000);
    const told = events.find((event) => event.includes('made-1/test'));
    expect(told?.match(/made-\d+\/test/gu)).toHaveLength(249);
    for (const event of events) expect(event.length).toBeLessThan(150_000);
    await fleet.operator('workflow', 'terminate', '--workflow-id', `refill-${plan.id}`);
  });

  test('in slices of its tenants, each an execution of its own: all are proven, once', async () => {
    const fleet = await temporalFleet({
      cards: [16, 16, 16, 16, 16],
      west: 1,
      limits: { windowRows: 100, tenants: 1 },
    });
    const { id } = await fleet.refill.planFleet({ range: RANGE });
    await startFleetByHand(fleet, id, (refill, o) => refill.runFleet(id, o), { how: 'run', sliceTenants: 2 });
    await fleet.worker();
    const { events, result } = await fleetEnded(fleet.refill.resumeFleet(id));
    expect(result).toMatchObject({ state: 'succeeded', tenants: { total: 5, proven: 5, left: 0 } });
    expect(events.filter((event) => event.type === 'result')).toHaveLength(5);
    expect(await fleet.refill.runs({ limit: 100 })).toHaveLength(5);
    for (const tenant of fleet.tenants) await expectClean(tenant);
    // One of each cluster, and then two of the one that has more.
    await expect.poll(() => executions(fleet, `refill-${id}`), { timeout: 30_000 }).toBe(3);
  });

  test('in slices: failures count over all of them, and retry begins every tenant once more, and only once', async () => {
    const limits = { windowRows: 100, tenants: 1, fleetFailures: 2 };
    const fleet = await temporalFleet({ cards: [16, 20, 24, 28], limits });
    const away = fleet.tenants.slice(0, 3);
    const { id } = await fleet.refill.planFleet({ range: RANGE });
    for (const t of away) await t.command('RENAME TABLE score TO score_away');
    // Only `retry` goes on with the last one.
    const ledger = await fleet.refill.ledger();
    const last = (await ledger.members(id)).at(-1)?.plan ?? '';
    const cancelled = await ledger.createRun(await ledger.plan(last), ACTOR, (run) => `refill-${run}`);
    await ledger.setRunState(cancelled.id, 'cancelled', ACTOR);
    await startFleetByHand(fleet, id, (refill, o) => refill.runFleet(id, o), { how: 'run', sliceTenants: 1 });
    const worker = await fleet.worker();
    expect((await fleetEnded(fleet.refill.resumeFleet(id))).result).toMatchObject({
      state: 'failed',
      error: { code: 'FLEET_FAILURES' },
      tenants: { failed: 2, left: 2 },
    });
    worker.child.kill('SIGTERM');
    await worker.end;
    for (const t of away.slice(1)) await t.command('RENAME TABLE score_away TO score');
    await startFleetByHand(fleet, id, (refill, o) => refill.retryFleet(id, o), { how: 'retry', sliceTenants: 1 });
    await fleet.worker();
    const again = await fleetEnded(fleet.refill.resumeFleet(id));
    expect(again.result).toMatchObject({ state: 'failed', tenants: { proven: 3, failed: 1, left: 0 } });
    // By its own slice, then by none of the others.
    await expect.poll(() => executions(fleet, `refill-${id}-4`), { timeout: 30_000 }).toBe(1);
    expect(await executions(fleet, `refill-${id}-1`)).toBe(2);
  });

  test('paused, it leaves tenants; resumed, it ends', async () => {
    const fleet = await temporalFleet({ cards: [60, 60, 60], limits: { windowRows: 60, windows: 1, tenants: 1 } });
    const first = await fleet.worker({ REFILL_DEBUG_POINT: 'window-written:sleep=15000@2' });
    const plan = await fleet.refill.planFleet({ range: RANGE });
    let asked = false;
    const { events, result } = await fleetEnded(fleet.refill.runFleet(plan.id), async (event) => {
      if (asked || event.type !== 'started') return;
      asked = true;
      const query = ['--workflow-id', `refill-${plan.id}`, '--type', 'refillProgress', '--output', 'json'];
      expect(await fleet.operator('workflow', 'query', ...query)).toMatch(/"total"\s*:\s*3/u);
      await fleet.refill.pauseFleet(plan.id);
    });
    expect(result).toMatchObject({ state: 'paused', tenants: { total: 3 } });
    expect(result.tenants.left).toBeGreaterThanOrEqual(2);
    first.child.kill('SIGKILL');
    await first.end;
    await fleet.worker();
    const again = await fleetEnded(fleet.refill.resumeFleet(plan.id));
    expect(again.result).toMatchObject({ state: 'succeeded', tenants: { proven: 3 } });
    await expectEachWindowTold(fleet, [...events, ...again.events]);
    for (const tenant of fleet.tenants) await expectClean(tenant);
  });

  test('resumed while it is still pausing, it goes on, with what was left by then', async () => {
    const fleet = await temporalFleet({ cards: [60, 60, 60], limits: { windowRows: 60, windows: 1, tenants: 2 } });
    const worker = new InProcess(fleet.refill);
    const held: (() => void)[] = [];
    onDebugPoint((point) => {
      if (point !== 'window-written' || held.length === 2) return;
      return new Promise<void>((resolve) => void held.push(resolve));
    });
    onTestFinished(async () => {
      onDebugPoint(undefined);
      for (const goOn of held) goOn();
      await worker.stop();
    });
    await worker.start();
    const plan = await fleet.refill.planFleet({ range: RANGE });
    const running = fleetEnded(fleet.refill.runFleet(plan.id));
    // Of two tenants, as each has one window at work.
    await expect.poll(() => held.length, { timeout: 60_000 }).toBe(2);
    await fleet.refill.pauseFleet(plan.id);
    held[1]?.();
    const ledger = await fleet.refill.ledger();
    const states = async () => (await ledger.members(plan.id)).map(({ runState }) => runState);
    // One has paused, one is at its window yet, and the third one is left.
    await expect.poll(states, { timeout: 60_000 }).toEqual(expect.arrayContaining([null, 'paused', 'running']));
    const again = fleetEnded(fleet.refill.resumeFleet(plan.id));
    const progress = ['--workflow-id', `refill-${plan.id}`, '--type', 'refillProgress', '--output', 'json'];
    await expect
      .poll(() => fleet.operator('workflow', 'query', ...progress), { timeout: 60_000 })
      .toMatch(/"goesOn"\s*:\s*true/u);
    held[0]?.();
    expect((await again).result).toMatchObject({ state: 'succeeded', tenants: { proven: 3, left: 0 } });
    expect((await running).result).toMatchObject({ state: 'succeeded' });
    for (const tenant of fleet.tenants) await expectClean(tenant);
  });

  test('cancelled in Temporal itself, it is cancelled with its tenants; retried, it ends', async () => {
    const fleet = await temporalFleet({ cards: [60, 60], limits: { windowRows: 60, windows: 1, tenants: 1 } });
    const first = await fleet.worker({ REFILL_DEBUG_POINT: 'window-written:sleep=15000@2' });
    const plan = await fleet.refill.planFleet({ range: RANGE });
    let asked = false;
    const { result } = await fleetEnded(fleet.refill.runFleet(plan.id), async (event) => {
      if (asked || event.type !== 'window') return;
      asked = true;
      await fleet.operator('workflow', 'cancel', '--workflow-id', `refill-${plan.id}`);
    });
    expect(result).toMatchObject({ state: 'cancelled', tenants: { total: 2, left: 2 } });
    expect((await fleet.refill.runs()).map(({ state }) => state)).toEqual(['cancelled']);
    first.child.kill('SIGKILL');
    await first.end;
    await fleet.worker();
    expect((await fleetEnded(fleet.refill.retryFleet(plan.id))).result).toMatchObject({ state: 'succeeded' });
  });
});
