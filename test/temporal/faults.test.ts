import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { signal } from '../../src/embedded/process.ts';
import { startTemporal, stopTemporal } from '../../src/embedded/temporal.ts';
import type { DebugPoint } from '../../src/steps/debug-points.ts';
import { ended, expectClean, fillCards, RANGE, thrown } from '../support/cards.ts';
import { noTemporal, type TemporalTenant, temporalTenant, untilWindow } from './given.ts';

// A worker that is gone is noticed by its heartbeats, after 15 s.
vi.setConfig({ testTimeout: 600_000 });

async function filled(options: Parameters<typeof temporalTenant>[0] = {}): Promise<TemporalTenant> {
  const t = await temporalTenant({ ...options, limits: { windowRows: 120, windows: 1, ...options.limits } });
  await fillCards(t);
  return t;
}

/**
 * Points in the order in which a run passes them, one at least in each activity; after each one there is work for the
 * next worker. All points are in test/faults/kill.test.ts, for the steps themselves.
 */
const POINTS: Readonly<Record<'purge' | 'replace', readonly DebugPoint[]>> = {
  purge: ['mutation-sent', 'table-inserted', 'window-written', 'mutations-finished', 'run-ending'],
  replace: ['epoch-kept', 'window-inserted', 'rows-proven', 'mutations-kept', 'delete-proven'],
};

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
      await expectClean(t, RANGE);
    },
  );

  test('a worker that is thought dead and wakes up again overwrites nothing of its successor', async () => {
    const t = await filled();
    const zombie = await t.worker({ REFILL_DEBUG_POINT: 'table-inserted:sleep=12000' });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'purge' });
    const running = ended(t.refill.run(plan.id));
    await untilWindow(t, 'writing');
    await sleep(1000);
    zombie.child.kill('SIGSTOP');
    await t.worker();
    expect((await running).result).toMatchObject({ state: 'succeeded', differences: 0 });
    zombie.child.kill('SIGCONT');
    // Its step sleeps yet; then it would write its second table.
    await sleep(15_000);
    zombie.child.kill('SIGTERM');
    await zombie.end;
    await expectClean(t, RANGE);
    const attempts = await (await t.refill.ledger()).attempts((await t.refill.status()).run.id);
    expect(attempts.filter((a) => a.state === 'abandoned')).toHaveLength(1);
  });

  test('all workers gone for a while, and the server restarted meanwhile', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'refill-own-temporal-'));
    let server = await startTemporal({ dir, namespace: 'ingestion', attached: true });
    onTestFinished(async () => {
      await stopTemporal(server);
      await rm(dir, { recursive: true, force: true });
    });
    const t = await filled({ address: server.address });
    const worker = await t.worker();
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const running = ended(t.refill.run(plan.id));
    await untilWindow(t, 'written');
    worker.child.kill('SIGKILL');
    signal(server.process, 'SIGKILL');
    await sleep(20_000);
    server = await startTemporal({
      dir,
      namespace: 'ingestion',
      attached: true,
      port: Number(server.address.split(':')[1]),
    });
    await t.worker();
    expect((await running).result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t, RANGE);
  });

  test('history near its limit: slices of two windows, each an execution of its own', async () => {
    const t = await filled();
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    await thrown(() => ended(t.refill.run(plan.id, { drain: AbortSignal.abort() })));
    const { run } = await t.refill.status();
    const id = run.workflow ?? '';
    await t.operator('workflow', 'terminate', '--workflow-id', id);
    // As a person starts it by hand.
    const input = JSON.stringify({ v: 1, run: run.id, sliceWindows: 2, sliceDeletes: 1 });
    const at = ['--task-queue', `${t.taskQueue}-test`, '--workflow-id', id];
    await t.operator('workflow', 'start', '--type', 'refillTenant', ...at, '--input', input);
    await t.worker();
    expect((await ended(t.refill.resume())).result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t, RANGE);
    const query = `WorkflowId = "${id}" AND ExecutionStatus = "ContinuedAsNew"`;
    const list = async () =>
      (await t.operator('workflow', 'list', '--query', query, '--output', 'json')).match(/"workflowId"/gu);
    await expect
      .poll(async () => (await list())?.length ?? 0)
      .toBeGreaterThanOrEqual(Math.floor(plan.windows.length / 2) - 1);
  });

  test.each([
    ['an unknown version', '{"v":7,"run":"r-x"}', '`v`'],
    ['no run', '{"v":1}', '`run`'],
    ['a field of the wrong kind', '{"v":1,"run":5}', '`run`'],
    ['a list', '[]', 'expected a JSON object'],
    ['an unknown run', '{"v":1,"run":"r-nothing"}', 'r-nothing'],
  ])('a payload with %s fails at once, and says what is wrong', async (_, input, said) => {
    const t = await temporalTenant();
    await t.worker();
    const id = `payload-${t.taskQueue}`;
    const at = ['--task-queue', `${t.taskQueue}-test`, '--workflow-id', id];
    await t.operator('workflow', 'start', '--type', 'refillTenant', ...at, '--input', input);
    const described = () => t.operator('workflow', 'describe', '--workflow-id', id);
    await expect.poll(described, { timeout: 60_000 }).toMatch(/FAILED/u);
    expect(await described()).toContain(said);
  });
});
