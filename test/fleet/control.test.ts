import { expect, test, vi } from 'vitest';
import type { FleetEvent } from '../../src/domain/fleet-events.ts';
import type { FleetPlan } from '../../src/domain/fleet.ts';
import { configFile, start } from '../faults/program.ts';
import { expectClean, RANGE, thrown } from '../support/cards.ts';
import { configBeside, onlyLocal, openRefill } from '../support/executor.ts';
import type { TestTenant } from '../support/tenant.ts';
import { createFleet, fleetEnded, type TestFleet } from './support.ts';

// Whoever begins a fleet over Temporal only follows it: test/temporal/fleet.test.ts, faults.test.ts.
const localTest = onlyLocal('who stops following it stops nothing');

const CARDS = [16, 20, 24, 40, 60];
const LIMITS = { windowRows: 30, tenants: 2 };

// Five tenants, and programs that are started several times.
vi.setConfig({ testTimeout: 240_000 });

async function planned(limits = {}): Promise<{ fleet: TestFleet; plan: FleetPlan; config: string }> {
  const fleet = await createFleet({ cards: CARDS, limits: { ...LIMITS, ...limits } });
  const config = await configFile(await configBeside(fleet.refill, fleet.config));
  return { fleet, plan: await fleet.refill.planFleet({ range: RANGE }), config };
}

const lines = (stdout: string) =>
  stdout
    .trimEnd()
    .split('\n')
    .map((line) => {
      const event: FleetEvent = JSON.parse(line);
      return event;
    });

/** Runs the command line until a debug point kills it. Where it is never passed, this fails. */
async function killed(args: readonly string[], point: string): Promise<void> {
  const { signal, stdout, stderr } = await (await start([...args, '--json'], { REFILL_DEBUG_POINT: point })).end;
  expect({ signal, stderr }).toEqual({ signal: 'SIGKILL', stderr: '' });
  expect(stdout).not.toContain('"type":"fleet-result"');
}

/** A tenant's table is not there for a while. */
async function away(t: TestTenant, gone = true): Promise<void> {
  const [from, to] = gone ? ['score', 'score_away'] : ['score_away', 'score'];
  await t.command(`RENAME TABLE ${from} TO ${to}`);
}

localTest('killed twice and resumed: finished tenants are not repeated, and all are proven', async () => {
  const { fleet, plan, config } = await planned();
  const ledger = await fleet.refill.ledger();
  // The third run was made, and nobody was told: it is found by its plan.
  await killed(['run', plan.id, '--execute', '--config', config], 'run-created:kill@3');
  const after = await ledger.members(plan.id);
  // A fourth one may have been on its way.
  expect(after.filter((m) => m.run !== null).length).toBeGreaterThanOrEqual(3);
  await killed(['resume', plan.id, '--config', config], 'delete-proven:kill@3');
  const proven = (await ledger.members(plan.id)).filter((m) => m.state === 'proven');
  expect(proven.length).toBeGreaterThan(0);
  const attempts = await Promise.all(proven.map((m) => ledger.attempts(m.run ?? '')));

  const { status, stdout } = await (await start(['resume', plan.id, '--json', '--config', config])).end;
  const events = lines(stdout);
  expect({ status, last: events.at(-1) }).toMatchObject({
    status: 0,
    last: { type: 'fleet-result', state: 'succeeded', tenants: { proven: 5, left: 0 } },
  });
  const begun = events.flatMap((e) => (e.type === 'started' ? [e.tenant.customer] : []));
  for (const member of proven) expect(begun).not.toContain(member.customer);
  expect(await Promise.all(proven.map((m) => ledger.attempts(m.run ?? '')))).toEqual(attempts);
  // One run each, in spite of all.
  expect(await fleet.refill.runs({ limit: 100 })).toHaveLength(5);
  for (const tenant of fleet.tenants) await expectClean(tenant);
});

test('a tenant that disappears fails with its reason, and retry goes on with it alone', async () => {
  const { fleet, plan, config } = await planned();
  const [, gone] = fleet.tenants;
  if (!gone) throw new Error('no tenant');
  await away(gone);
  const program = await start(['run', plan.id, '--execute', '--json', '--config', config]);
  const { status, stdout } = await program.end;
  const last = lines(stdout).at(-1);
  expect({ status, last }).toMatchObject({
    status: 1,
    last: {
      type: 'fleet-result',
      state: 'failed',
      tenants: { proven: 4, failed: 1, left: 0 },
      unproven: [{ customer: gone.name.customer, state: 'failed', run: null, error: { code: 'CH_TABLE_MISSING' } }],
    },
  });
  expect(await thrown(() => fleetEnded(fleet.refill.resumeFleet(plan.id)))).toMatchObject({ code: 'RUN_STATE' });
  await away(gone, false);
  const { events, result } = await fleetEnded(fleet.refill.retryFleet(plan.id));
  expect(result).toMatchObject({ state: 'succeeded', tenants: { proven: 5 }, unproven: [] });
  expect(events.flatMap((e) => (e.type === 'started' ? [e.tenant] : []))).toEqual([gone.name]);
  await expectClean(gone);
  // What is proven is proven: there is nothing to retry, and it is not run again.
  expect(await thrown(() => fleetEnded(fleet.refill.retryFleet(plan.id)))).toMatchObject({ code: 'RUN_STATE' });
  expect(await thrown(() => fleetEnded(fleet.refill.runFleet(plan.id)))).toMatchObject({ code: 'RUN_STATE' });
});

test('when as many tenants failed as may, nothing new is begun', async () => {
  const { fleet, plan } = await planned({ tenants: 1, fleetFailures: 2 });
  const broken = fleet.tenants.slice(0, 2);
  for (const t of broken) await away(t);
  const { events, result } = await fleetEnded(fleet.refill.runFleet(plan.id));
  expect(result).toMatchObject({
    state: 'failed',
    error: { code: 'FLEET_FAILURES' },
    tenants: { proven: 0, failed: 2, left: 3 },
  });
  expect(events.flatMap((e) => (e.type === 'tenant-failed' ? [[e.tenant, e.error.code]] : []))).toEqual(
    broken.map((t) => [t.name, 'CH_TABLE_MISSING']),
  );
  expect(result.unproven.map((one) => one.reason).slice(2)).toEqual(['not begun', 'not begun', 'not begun']);
  expect(await fleet.refill.runs({ limit: 100 })).toHaveLength(0);
  for (const t of broken) await away(t, false);
  expect((await fleetEnded(fleet.refill.retryFleet(plan.id))).result).toMatchObject({
    state: 'succeeded',
    tenants: { proven: 5 },
  });
});

test('a pause from elsewhere ends it as paused, resume goes on; a cancel ends it, retry goes on after all', async () => {
  const { fleet, plan } = await planned();
  const other = openRefill(fleet.config);
  const once = (ask: () => Promise<unknown>) => {
    let asked: Promise<unknown> | undefined;
    return async (event: FleetEvent) => {
      if (event.type !== 'window' || event.state !== 'written' || asked !== undefined) return;
      asked = ask();
      await asked;
    };
  };
  try {
    const first = await fleetEnded(
      fleet.refill.runFleet(plan.id),
      once(() => other.pauseFleet(plan.id)),
    );
    expect(first.result.state).toBe('paused');
    expect(first.result.tenants.left).toBeGreaterThan(0);
    expect((await other.fleetStatus(plan.id)).fleet).toMatchObject({ state: 'paused', holder: null });
    const second = await fleetEnded(
      fleet.refill.resumeFleet(plan.id),
      once(() => other.cancelFleet(plan.id)),
    );
    expect(second.result.state).toBe('cancelled');
    const states = (await other.runs({ limit: 100 })).map((run) => run.state);
    expect(states).not.toContain('running');
    expect(states).not.toContain('paused');
    const third = await fleetEnded(fleet.refill.retryFleet(plan.id));
    expect(third.result).toMatchObject({ state: 'succeeded', tenants: { proven: 5 } });
  } finally {
    await other.close();
  }
});

localTest('cancel where nobody is at work ends the runs as well', async () => {
  const { fleet, plan, config } = await planned();
  await killed(['run', plan.id, '--execute', '--config', config], 'window-written:kill@2');
  await expect.poll(async () => (await fleet.refill.fleetStatus(plan.id)).fleet.holder).toBeNull();
  expect(await fleet.refill.cancelFleet(plan.id)).toMatchObject({ state: 'cancelled' });
  const runs = await fleet.refill.runs({ limit: 100 });
  expect(runs.length).toBeGreaterThan(0);
  expect(new Set(runs.map((run) => run.state))).toEqual(new Set(['cancelled']));
});

localTest('two programs at one fleet: the second is refused with who is at work', async () => {
  const { fleet, plan, config } = await planned();
  let other: { readonly status: number | null; readonly stdout: string } | undefined;
  const { result } = await fleetEnded(fleet.refill.runFleet(plan.id), async (event) => {
    if (event.type !== 'window' || other) return;
    other = await (await start(['resume', plan.id, '--json', '--config', config])).end;
  });
  expect({ status: other?.status, last: JSON.parse(other?.stdout.trimEnd() ?? '{}') }).toMatchObject({
    status: 3,
    last: { type: 'error', code: 'RUN_BUSY', details: { fleet: plan.id, holder: { pid: process.pid } } },
  });
  expect(result).toMatchObject({ state: 'succeeded', tenants: { proven: 5 } });
});

localTest('a first Ctrl-C drains: exit 130, and nothing is half done', async () => {
  const { plan, config } = await planned();
  const program = await start(['run', plan.id, '--execute', '--json', '--config', config]);
  let asked = false;
  program.child.stdout?.on('data', (text: string) => {
    if (asked || !text.includes('"state":"written"')) return;
    asked = true;
    program.child.kill('SIGINT');
  });
  const { status, stdout, stderr } = await program.end;
  expect({ status, last: lines(stdout).at(-1) }).toMatchObject({
    status: 130,
    last: { type: 'fleet-result', state: 'paused' },
  });
  expect(stderr).toContain('Stopping: no new window is taken');
});
