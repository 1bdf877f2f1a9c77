import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import type { DebugPoint } from '../../src/steps/debug-points.ts';
import { fleetEnded } from '../fleet/support.ts';
import { ended, expectClean, RANGE } from '../support/cards.ts';
import { expectAsLocal, expectOnce, filled, keepApart } from './as-local.ts';
import { noTemporal, ownTemporal, temporalFleet, type TemporalTenant, untilWindow } from './given.ts';
import { newerProgram } from './newer-program.ts';
import { startByHand } from './by-hand.ts';

// A worker that is gone is noticed by its heartbeats, after 15 s.
vi.setConfig({ testTimeout: 600_000 });

/**
 * Points in the order in which a run passes them, one at least in each activity; after each one there is work for the
 * next worker. All points are in test/faults/kill.test.ts, for the steps themselves.
 */
const POINTS: Readonly<Record<'purge' | 'replace', readonly DebugPoint[]>> = {
  purge: ['mutation-sent', 'table-inserted', 'window-written', 'mutations-finished', 'range-swept', 'run-ending'],
  replace: ['epoch-kept', 'window-inserted', 'rows-proven', 'mutations-kept', 'delete-proven'],
};

/** Attempts of the steps that the server has at work or waiting, by the operator's command line. */
async function attempts(t: TemporalTenant): Promise<readonly number[]> {
  const { run } = await t.refill.status();
  const text = await t.operator('workflow', 'describe', '--workflow-id', run.workflow ?? '', '--output', 'json');
  return [...text.matchAll(/"attempt": (\d+)/gu)].map(([, n]) => Number(n));
}

/** Waits until the server has noticed that a worker is gone, and offers its step to another one. */
async function untilOffered(t: TemporalTenant): Promise<void> {
  await expect.poll(async () => Math.max(0, ...(await attempts(t))), { timeout: 60_000 }).toBeGreaterThan(1);
}

describe.skipIf(noTemporal())('over Temporal', () => {
  test.each(['purge', 'replace'] as const)(
    '%s: a worker killed -9 in each activity, one after another',
    async (strategy) => {
      const t = await filled();
      const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
      const running = ended(t.refill.run(plan.id));
      for (const point of POINTS[strategy]) {
        const worker = await t.worker({ REFILL_DEBUG_POINT: `${point}:kill` });
        expect([point, (await worker.end).signal]).toEqual([point, 'SIGKILL']);
      }
      await t.worker();
      expect((await running).result).toMatchObject({ state: 'succeeded', differences: 0 });
      await expectAsLocal(t, strategy);
    },
  );

  test('a fleet: a worker killed -9 when it has made the run of a tenant: another one goes on with that run', async () => {
    const fleet = await temporalFleet({ cards: [16], limits: { windowRows: 100 } });
    const { id } = await fleet.refill.planFleet({ range: RANGE });
    const running = fleetEnded(fleet.refill.runFleet(id));
    const first = await fleet.worker({ REFILL_DEBUG_POINT: 'run-created:kill' });
    expect((await first.end).signal).toBe('SIGKILL');
    await fleet.worker();
    expect((await running).result).toMatchObject({ state: 'succeeded', tenants: { total: 1, proven: 1 } });
    expect(await fleet.refill.runs()).toHaveLength(1);
    for (const tenant of fleet.tenants) await expectClean(tenant);
  });

  test('heartbeat timeout: a worker that wakes up after it overwrites nothing of its successor', async () => {
    const t = await filled();
    await keepApart(t);
    const zombie = await t.worker({ REFILL_DEBUG_POINT: 'table-inserted:sleep=12000' });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'purge' });
    const running = ended(t.refill.run(plan.id));
    const written = async () =>
      (await t.select(`SELECT 1 FROM scorecard WHERE update_time > '2026-06-01' LIMIT 1`)).length;
    await expect.poll(written, { timeout: 60_000 }).toBe(1);
    // Where it sends a delete as it stops, nobody else may do so before it has ended: that is another matter.
    const sending = async () =>
      (await t.refill.status()).deletes.filter((d) => ['pending', 'submitted'].includes(d.state));
    await expect.poll(sending, { timeout: 60_000 }).toEqual([]);
    zombie.child.kill('SIGSTOP');
    await t.worker();
    expect((await running).result).toMatchObject({ state: 'succeeded', differences: 0 });
    // Its step has slept meanwhile, and would write its second table now; it may, for the 10 s that a shutdown lasts.
    zombie.child.kill('SIGCONT');
    zombie.child.kill('SIGTERM');
    expect((await zombie.end).status).toBe(0);
    await expectOnce(t);
    await expectAsLocal(t, 'purge');
    const all = await (await t.refill.ledger()).attempts((await t.refill.status()).run.id);
    expect(all.filter((a) => a.state === 'abandoned')).toHaveLength(1);
  });

  test('all workers gone until the server has noticed, and the server restarted meanwhile', async () => {
    const server = await ownTemporal();
    const t = await filled({ temporal: { address: server.address } });
    const worker = await t.worker({ REFILL_DEBUG_POINT: 'table-inserted:sleep=60000@3' });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const running = ended(t.refill.run(plan.id));
    await untilWindow(t, 'written');
    // Killed before it has begun the next window, the worker would leave nothing that the server could miss.
    await untilWindow(t, 'writing');
    worker.child.kill('SIGKILL');
    server.kill();
    // Who follows it asks for 20 s before that is an error, and then goes on with what the ledger tells.
    await sleep(30_000);
    await server.startAgain();
    await untilOffered(t);
    await t.worker();
    expect((await running).result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectAsLocal(t, 'replace');
  });

  test('a worker with new code while a run goes on: it takes over what the old one had begun', async () => {
    const t = await filled();
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const { id } = await startByHand(t, plan.id, { sliceWindows: 2, sliceDeletes: 1 });
    const old = await t.worker({ REFILL_DEBUG_POINT: 'table-inserted:sleep=4000@3' });
    const running = ended(t.refill.resume());
    await untilWindow(t, 'written');
    const newer = await t.worker({}, await newerProgram());
    old.child.kill('SIGTERM');
    expect((await old.end).status).toBe(0);
    expect((await running).result).toMatchObject({ state: 'succeeded', differences: 0 });
    // The last execution is the newer code's, with its change; the first one was begun by the old code, without it.
    expect(await t.operator('workflow', 'show', '--workflow-id', id, '--output', 'json')).toContain('core_patch');
    expect(newer.child.exitCode).toBeNull();
    await expectAsLocal(t, 'replace');
  });

  test('history near its limit: slices of two windows, each an execution of its own', async () => {
    const t = await filled();
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const { id } = await startByHand(t, plan.id, { sliceWindows: 2, sliceDeletes: 1 });
    await t.worker();
    expect((await ended(t.refill.resume())).result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectAsLocal(t, 'replace');
    const query = `WorkflowId = "${id}" AND ExecutionStatus = "ContinuedAsNew"`;
    const list = async () =>
      (await t.operator('workflow', 'list', '--query', query, '--output', 'json')).match(/"workflowId"/gu);
    await expect
      .poll(async () => (await list())?.length ?? 0)
      .toBeGreaterThanOrEqual(Math.floor(plan.windows.length / 2) - 1);
  });
});
