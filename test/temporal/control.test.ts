import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createRefill } from '../../src/create-refill.ts';
import { Proxy } from '../ledger/proxy.ts';
import { ended, expectClean, fillCards, RANGE, thrown } from '../support/cards.ts';
import { noTemporal, temporalTenant, type TemporalTenant, untilWindow } from './given.ts';

async function filled(): Promise<TemporalTenant> {
  const t = await temporalTenant({ limits: { windowRows: 150, windows: 1 } });
  await fillCards(t);
  return t;
}

/** One window waits, so that there is time to do something meanwhile. */
const SLOW = { REFILL_DEBUG_POINT: 'table-inserted:sleep=15000@3' };

describe.skipIf(noTemporal())('a run over Temporal', () => {
  test('pause from elsewhere drains it, and resume goes on where it was', async () => {
    const t = await filled();
    await t.worker({ REFILL_DEBUG_POINT: 'window-written:sleep=15000@2' });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    let paused = false;
    const events = [];
    for await (const event of t.refill.run(plan.id)) {
      events.push(event);
      if (event.type !== 'window' || paused) continue;
      paused = true;
      const pause = await t.refillCli('pause', '--json');
      expect(await pause.end).toMatchObject({ status: 0 });
    }
    expect(events.at(-1)).toMatchObject({ type: 'result', state: 'paused' });
    const before = (await t.refill.status()).windows;
    expect(before.some((w) => w.state === 'pending')).toBe(true);
    const { result } = await ended(t.refill.resume());
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    const after = (await t.refill.status()).windows;
    for (const w of before.filter((one) => one.state !== 'pending'))
      expect(after.find((one) => one.id === w.id)?.attempts).toBe(w.attempts);
    await expectClean(t, RANGE);
  });

  test('cancel stops a window within seconds, and retry writes it again', async () => {
    const t = await filled();
    await t.worker({ REFILL_DEBUG_POINT: 'attempt-kept:sleep=8000' });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'purge' });
    const running = ended(t.refill.run(plan.id));
    await untilWindow(t, 'writing');
    const began = Date.now();
    await t.refill.cancel();
    const { result } = await running;
    expect(result.state).toBe('cancelled');
    expect(Date.now() - began).toBeLessThan(20_000);
    const again = await ended(t.refill.retry());
    expect(again.result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t, RANGE);
  });

  test('cancelled in Temporal itself it is cancelled, whatever it has done by then', async () => {
    const t = await filled();
    await t.worker(SLOW);
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const running = ended(t.refill.run(plan.id));
    await untilWindow(t, 'written');
    const { run } = await t.refill.status();
    await t.operator('workflow', 'cancel', '--workflow-id', run.workflow ?? '');
    expect((await running).result.state).toBe('cancelled');
    expect(await t.operator('workflow', 'describe', '--workflow-id', run.workflow ?? '')).toMatch(/CANCELED/iu);
  });

  test('an operator asks how far it is, and sets how much it does at once', async () => {
    const t = await temporalTenant({ limits: { windowRows: 60, windows: 3 } });
    await fillCards(t);
    await t.worker({ REFILL_DEBUG_POINT: 'window-written:sleep=10000@2' });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const running = ended(t.refill.run(plan.id));
    await untilWindow(t, 'written');
    const id = (await t.refill.status()).run.workflow ?? '';
    const query = ['workflow', 'query', '--workflow-id', id, '--type', 'refillProgress', '--output', 'json'];
    expect(await t.operator(...query)).toMatch(new RegExp(`"total"\\s*:\\s*${plan.windows.length}`, 'u'));
    const at = ['workflow', 'update', 'execute', '--workflow-id', id];
    const update = (input: string) => t.operator(...at, '--name', 'refillLimits', '--input', input, '--output', 'json');
    expect(await update('{"windows":1}')).toMatch(/"result"\s*:\s*1/u);
    // What cannot be done is refused, names the field, and changes nothing.
    for (const wrong of ['{"windows":"two"}', '{"windows":0}', '{}', 'null'])
      expect(await thrown(() => update(wrong))).toMatchObject({
        stderr: expect.stringMatching(/windows|JSON object/u),
      });
    expect((await running).result).toMatchObject({ state: 'succeeded', differences: 0 });
  });

  test('who follows it may stop: it goes on, and can be followed again', async () => {
    const t = await filled();
    await t.worker();
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const drain = new AbortController();
    const error = await thrown(async () => {
      for await (const event of t.refill.run(plan.id, { drain: drain.signal }))
        if (event.type === 'window') drain.abort();
    });
    expect(error).toMatchObject({ code: 'INTERRUPTED', exit: 130 });
    expect(String(error)).toContain('goes on in Temporal');
    const { result } = await ended(t.refill.resume());
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  });

  test('a duplicate start: two programs that resume it at once start one workflow', async () => {
    const t = await filled();
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const drain = AbortSignal.abort();
    await thrown(() => ended(t.refill.run(plan.id, { drain })));
    await t.worker();
    const other = await t.refillCli('resume', '--json');
    const [{ result }, program] = await Promise.all([ended(t.refill.resume()), other.end]);
    expect(result.state).toBe('succeeded');
    expect(program.status).toBe(0);
    const { windows } = await t.refill.status();
    expect(windows.every((w) => w.attempts === 1)).toBe(true);
    expect(await thrown(() => ended(t.refill.resume(result.run)))).toMatchObject({ code: 'RUN_STATE' });
  });

  test('an operator terminates the workflow: the state says so, and retry goes on', async () => {
    const t = await filled();
    const worker = await t.worker(SLOW);
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const running = ended(t.refill.run(plan.id));
    await untilWindow(t, 'written');
    const { run } = await t.refill.status();
    await t.operator('workflow', 'terminate', '--workflow-id', run.workflow ?? '', '--reason', 'a test');
    const { result } = await running;
    expect(result).toMatchObject({ state: 'failed', error: { code: 'WORKFLOW_ENDED' } });
    worker.child.kill('SIGKILL');
    await worker.end;
    await t.worker();
    expect((await ended(t.refill.retry(run.id))).result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t, RANGE);
  });

  test('Temporal is out of reach of who follows it: the ledger tells the rest, and the end', async () => {
    const t = await filled();
    await t.worker();
    const { temporal } = t.config;
    if (!temporal) throw new Error('no Temporal');
    const proxy = await Proxy.to(Number(temporal.address.split(':')[1]));
    const refill = createRefill({ ...t.config, temporal: { ...temporal, address: `127.0.0.1:${proxy.port}` } });
    onTestFinished(() => refill.close());
    const plan = await refill.plan({ tenant: t.name, range: RANGE });
    const { events, result } = await ended(refill.run(plan.id), (event) => {
      if (event.type === 'window') proxy.goAway();
    });
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect(events.filter((e) => e.type === 'window')).toHaveLength(plan.windows.length);
  });

  test('SIGTERM of the worker hands its work back, and another worker goes on', async () => {
    const t = await filled();
    const worker = await t.worker(SLOW);
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const running = ended(t.refill.run(plan.id));
    await untilWindow(t, 'written');
    await sleep(1000);
    worker.child.kill('SIGTERM');
    await t.worker();
    expect((await running).result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect((await worker.end).status).toBe(0);
    await expectClean(t, RANGE);
  });
});
