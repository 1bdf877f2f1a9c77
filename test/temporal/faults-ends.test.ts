import { describe, expect, test, vi } from 'vitest';
import type { Verified } from '../../src/executors/temporal/shared/verify.ts';
import { configFile, type ProgramEnd, start } from '../faults/program.ts';
import { createFleet, type TestFleet } from '../fleet/support.ts';
import { ended, expectClean, RANGE } from '../support/cards.ts';
import type { TestTenant } from '../support/tenant.ts';
import { filled, left, localTwin } from './as-local.ts';
import { noTemporal, type OverTemporal, temporalFleet } from './given.ts';

// A worker that is gone is noticed by its heartbeats, after 15 s.
vi.setConfig({ testTimeout: 240_000 });

/** Starts a worker that is killed at a point, and waits for that. */
async function killedAt(t: OverTemporal, point: string): Promise<void> {
  const worker = await t.worker({ REFILL_DEBUG_POINT: `${point}:kill` });
  expect([point, (await worker.end).signal]).toEqual([point, 'SIGKILL']);
}

describe.skipIf(noTemporal())('over Temporal, a worker killed -9 where something fails or ends', () => {
  test.each(['purge', 'replace'] as const)(
    '%s, when it has kept why a window failed: the run fails as a local one does, and retry ends it so too',
    async (strategy) => {
      const [t, twin] = [await filled(), await localTwin()];
      // One day cannot be written, for good: its window fails, and the others are done.
      const close = `ALTER TABLE score ADD CONSTRAINT closed CHECK toDate(scorecard_time) <> '2026-01-30'`;
      for (const one of [t, twin]) await one.command(close);
      const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
      const running = ended(t.refill.run(plan.id));
      await killedAt(t, 'failure-kept');
      await t.worker();
      const [{ result }, local] = [await running, await localRun(twin, strategy)];
      expect(result).toMatchObject({ state: 'failed', error: { code: local.error?.code } });
      expect(await left(t)).toEqual(await left(twin));
      expect((await t.refill.status()).windows.map((w) => [w.id, w.attempts, w.error?.code])).toEqual(
        (await twin.refill.status()).windows.map((w) => [w.id, w.attempts, w.error?.code]),
      );

      for (const one of [t, twin]) {
        await one.command('ALTER TABLE score DROP CONSTRAINT closed');
        expect((await ended(one.refill.retry())).result).toMatchObject({ state: 'succeeded', differences: 0 });
        await expectClean(one);
      }
      expect(await left(t)).toEqual(await left(twin));
    },
  );

  test('a fleet: when it has begun, has kept why a tenant failed, is about to end and has ended: as a local one, once', async () => {
    const options = { cards: [16, 20, 24], limits: { windowRows: 100, tenants: 1, fleetFailures: 2 } };
    const [fleet, twin] = [await temporalFleet(options), await createFleet(options)];
    const { id } = await fleet.refill.planFleet({ range: RANGE });
    const { id: local } = await twin.refill.planFleet({ range: RANGE });
    for (const { tenants } of [fleet, twin]) await tenants[0]?.command('RENAME TABLE score TO score_away');
    const began = Date.now();
    const program = await fleet.refillCli('run', id, '--execute', '--json');
    for (const point of ['fleet-begun', 'tenant-failure-kept', 'fleet-ending', 'fleet-ended'])
      await killedAt(fleet, point);
    await fleet.worker();
    const ends = endOf(fleet, await program.end);
    const seconds = (Date.now() - began) / 1000;

    const config = await configFile(twin.config);
    const localEnds = endOf(twin, await (await start(['run', local, '--execute', '--json', '--config', config])).end);
    expect(localEnds).toMatchObject({ status: 1, state: 'failed', tenants: { proven: 2, failed: 1, left: 0 } });
    expect(ends).toEqual(localEnds);
    for (const { tenants } of [fleet, twin]) for (const tenant of tenants.slice(1)) await expectClean(tenant);

    expect(await fleet.operator('workflow', 'describe', '--workflow-id', `refill-${id}`)).toContain('COMPLETED');
    expect(await fleet.refill.runs()).toHaveLength(2);
    const { fleet: record } = await fleet.refill.fleetStatus(id);
    expect(record).toMatchObject({ state: 'failed', error: null });
    expect(record.seconds).toBeLessThan(seconds);
    const audit = await (await fleet.refill.ledger()).auditEntries({ subject: id, limit: 100 });
    const states = audit.filter(({ action }) => action === 'fleet.state').map(({ details }) => details['to']);
    expect(states.toReversed()).toEqual(['running', 'failed']);
  });

  test.each([
    ['nothing differs', true],
    ['a row is missing', false],
  ])('a verification, when it has kept its proofs: another one ends it, and is right: %s', async (_, ok) => {
    const t = await filled();
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const program = await t.worker();
    expect((await ended(t.refill.run(plan.id))).result).toMatchObject({ state: 'succeeded' });
    program.child.kill('SIGTERM');
    await program.end;
    if (!ok) await t.command(`ALTER TABLE score DELETE WHERE score_id = 'score-72-q9'`);

    const id = `verify-${t.taskQueue}`;
    const at = ['--task-queue', `${t.taskQueue}-test`, '--workflow-id', id];
    const input = JSON.stringify({ v: 1, ...t.name, ...RANGE });
    await t.operator('workflow', 'start', '--type', 'refillVerify', ...at, '--input', input);
    await killedAt(t, 'verification-kept');
    await t.worker();
    const told = await verifiedBy(t, id);
    const local = await t.refill.verify({ tenant: t.name, range: RANGE });
    expect(local).toMatchObject({ ok, reasons: ok ? [] : [{ table: 'score', kind: 'missing', rows: 1 }] });
    const tables = local.tables.map(({ table, source, target }) => ({ table, source, target }));
    expect(told).toMatchObject({ ok, range: local.range, reasons: local.reasons, tables });
    // The one that was killed has not ended, and claims nothing.
    const ledger = await t.refill.ledger();
    const kept = await ledger.verifications({ limit: 10 });
    expect(kept.map((one) => one.ok)).toEqual([ok, ok, null]);
    expect(kept.map((one) => one.id).slice(0, 2)).toEqual([local.verification, told.verification]);
    const drift = async (id: string) =>
      (await ledger.drift(id, { limit: 10 })).map(({ table, kind, key }) => [table, kind, key]);
    expect(await drift(told.verification)).toEqual(await drift(local.verification));
  });
});

/** What a verification's workflow has come to, be it that it differs. */
async function verifiedBy(t: OverTemporal, workflow: string): Promise<Verified> {
  interface Ended {
    /** The command line prints an empty list as null. */
    readonly result?: Omit<Verified, 'reasons'> & { readonly reasons: Verified['reasons'] | null };
    readonly closeEvent: {
      readonly workflowExecutionFailedEventAttributes?: {
        readonly failure: {
          readonly applicationFailureInfo: {
            readonly type: string;
            readonly details: readonly [{ details: Verified }];
          };
        };
      };
    };
  }
  const asked = ['workflow', 'result', '--workflow-id', workflow, '--output', 'json'];
  // `result` ends with 1 where the workflow failed.
  const text = await t.operator(...asked).catch((error: { stdout: string }) => error.stdout);
  const { result, closeEvent }: Ended = JSON.parse(text);
  const failure = closeEvent.workflowExecutionFailedEventAttributes?.failure.applicationFailureInfo;
  const verified = failure?.type === 'VERIFY_DIFFERS' ? failure.details[0].details : result;
  if (!verified) throw new Error(text);
  return { ...verified, reasons: verified.reasons ?? [] };
}

async function localRun(t: TestTenant, strategy: 'purge' | 'replace') {
  const { id } = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
  return (await ended(t.refill.run(id))).result;
}

/** How a program that executed a fleet has ended, but for what its tenants and their runs are called. */
function endOf({ tenants }: TestFleet, { status, stdout }: ProgramEnd) {
  interface Result {
    readonly state: string;
    readonly tenants: object;
    readonly clusters: readonly { readonly seconds: number }[];
    readonly unproven: readonly { customer: string; state: string; run: unknown; error: { code: string } | null }[];
  }
  const last: Result = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
  const number = (customer: string) => tenants.findIndex(({ name }) => name.customer === customer);
  const clusters = last.clusters.map((cluster) => ({ ...cluster, seconds: 0 }));
  const unproven = last.unproven.map(({ customer, state, run, error }) => [number(customer), state, run, error?.code]);
  return { status, state: last.state, tenants: last.tenants, clusters, unproven };
}
