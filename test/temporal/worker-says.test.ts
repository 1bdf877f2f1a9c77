import { describe, expect, onTestFinished, test } from 'vitest';
import { TemporalClient } from '../../src/executors/temporal/client.ts';
import { fillCards, RANGE } from '../support/cards.ts';
import { startByHand } from './by-hand.ts';
import { noTemporal, temporalTenant } from './given.ts';

describe.skipIf(noTemporal())('why something has failed', () => {
  test('a workflow that failed of itself: the run says of what, and not that somebody ended it', async () => {
    const t = await temporalTenant({ limits: { windowRows: 150, windows: 1 } });
    await fillCards(t);
    const worker = await t.worker();
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const { id } = await startByHand(t, plan.id, { sliceWindows: 0, sliceDeletes: 1 });
    const describe = () => t.operator('workflow', 'describe', '--workflow-id', id);
    await expect.poll(describe, { timeout: 60_000 }).toContain('FAILED');
    const { run } = await t.refill.status();
    expect(run).toMatchObject({ state: 'failed', error: { code: 'PAYLOAD_INVALID' } });
    expect(run.error?.message).toContain('sliceWindows');

    // Somebody has started it again meanwhile, and nobody is at work on that.
    const { temporal } = t.config;
    if (!temporal) throw new Error('no Temporal');
    const { address, namespace } = temporal;
    const client = await TemporalClient.open({ address, namespace, taskQueue: t.taskQueue, tls: false, codecs: [] });
    onTestFinished(() => client.close());
    const failed = (await client.describe(id))?.runId ?? '';
    worker.child.kill('SIGTERM');
    await worker.end;
    const at = ['--task-queue', `${t.taskQueue}-test`, '--workflow-id', id];
    await t.operator('workflow', 'start', '--type', 'refillTenant', ...at, '--input', '{}');
    expect(await client.failureOf(id, failed)).toMatchObject({ code: 'PAYLOAD_INVALID' });
    await t.operator('workflow', 'terminate', '--workflow-id', id);
  });

  test('an activity that failed: the log of its worker names it, its workflow and the error', async () => {
    const t = await temporalTenant();
    const log: string[] = [];
    const stop = new AbortController();
    let work: Promise<void> | undefined;
    const onLog = (_: string, message: string) => void log.push(message);
    await new Promise<void>((resolve, reject) => {
      work = t.refill.work({ stop: stop.signal, onReady: () => resolve(), onLog });
      work.catch(reject);
    });
    onTestFinished(async () => {
      stop.abort();
      await work;
    });
    const id = `verify-${t.taskQueue}`;
    const input = JSON.stringify({ v: 1, customer: 'nobody', profile: 'x', hours: 2 });
    const at = ['--task-queue', `${t.taskQueue}-test`, '--workflow-id', id];
    await t.operator('workflow', 'start', '--type', 'refillVerify', ...at, '--input', input);
    const said = () => log.find((line) => line.includes('refillVerifyRange')) ?? log.join('\n');
    await expect.poll(said, { timeout: 60_000 }).toContain(id);
    expect(said()).toContain('nobody/x');
  });
});
