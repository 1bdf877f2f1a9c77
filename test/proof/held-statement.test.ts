import { afterEach, describe, expect, inject, onTestFinished, test } from 'vitest';
import { onDebugPoint } from '../../src/steps/debug-points.ts';
import { ended } from '../support/cards.ts';
import { openRefill } from '../support/executor.ts';
import { HoldingProxy } from './holding-proxy.ts';
import { createThings, fillTarget, RANGE, ROWS, rowsOf } from './things.ts';

// A network that breaks may hold a statement and pass it on long after its sender has ended: it must do no harm.

afterEach(() => onDebugPoint(undefined));

/** Seconds within which a server takes a statement here. `REFILL_TEST_HOLD_SECONDS=60` holds it for longer than any test. */
const SECONDS = Number(process.env['REFILL_TEST_HOLD_SECONDS'] ?? 2);

/** A tenant whose ClickHouse is reached through a network that holds statements. */
async function held(version: boolean) {
  const t = await createThings({ version }, { limits: { statementSeconds: SECONDS } });
  await fillTarget(t, version);
  const proxy = await HoldingProxy.to(inject('stack').clickhouse.http);
  const { test: cluster } = t.config.clusters;
  if (!cluster) throw new Error('no cluster');
  const clusters = { test: { ...cluster, clickhouse: { ...cluster.clickhouse, urls: [proxy.url] } } };
  const refill = openRefill({ ...t.config, clusters });
  onTestFinished(() => refill.close());
  const plan = await refill.plan({ tenant: t.name, range: RANGE, strategy: 'purge' });
  /** What is held arrives; what it begins is over when this returns. */
  const late = async () => {
    expect(proxy.held).toBe(1);
    const answers = await proxy.release();
    await expect
      .poll(() => t.select('SELECT 1 FROM system.mutations WHERE database = currentDatabase() AND NOT is_done'))
      .toEqual([]);
    return answers.join();
  };
  return { t, proxy, refill, plan, late };
}

describe.each([
  ['with a version column', true],
  ['without a version column', false],
])('%s', (_, version) => {
  test('a delete that arrives after its run has succeeded removes nothing', async () => {
    const { t, proxy, refill, plan, late } = await held(version);
    proxy.holdNext('ALTER TABLE');
    const { result, events } = await ended(refill.run(plan.id));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect(JSON.stringify(events)).toContain('that was sent and not answered');
    const answers = await late();
    expect(await rowsOf(t, `name != 'old'`)).toBe(ROWS);
    expect(answers).toMatch(/^500 .*refill: sent too long ago/u);
  });

  test('a delete that arrives while the run waits for it removes nothing of what is written', async () => {
    const { t, proxy, refill, plan, late } = await held(version);
    proxy.holdNext('ALTER TABLE');
    let answers = '';
    const { result } = await ended(refill.run(plan.id), async (event) => {
      if (event.type !== 'progress' || !event.doing.includes('sent and not answered') || proxy.held === 0) return;
      answers = await late();
    });
    expect(answers).toMatch(/^200/u);
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect(await rowsOf(t, `name != 'old'`)).toBe(ROWS);
  });

  test('what a retry clears of an attempt is not cleared once more', async () => {
    const { t, proxy, refill, plan, late } = await held(version);
    onDebugPoint((point) => {
      if (point === 'window-inserted') throw new Error('a test says so');
    });
    const first = await ended(refill.run(plan.id));
    expect(first.result.state).toBe('failed');
    onDebugPoint(undefined);
    proxy.holdNext('window 1 thing');
    const { result } = await ended(refill.retry(first.result.run));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    await late();
    expect(await rowsOf(t, `name != 'old'`)).toBe(ROWS);
  });

  test('a delete of a run that was given up does no harm to the next one', async () => {
    const { t, proxy, refill, plan, late } = await held(version);
    proxy.holdNext('ALTER TABLE');
    const force = new AbortController();
    onDebugPoint((point) => {
      if (point === 'mutations-kept') setTimeout(() => force.abort(), 300);
    });
    const { result: given } = await ended(refill.run(plan.id, { force: force.signal }));
    onDebugPoint(undefined);
    expect(given.state).toBe('paused');
    await refill.cancel(given.run);
    const again = await refill.plan({ tenant: t.name, range: RANGE, strategy: 'purge' });
    const { result } = await ended(refill.run(again.id));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    await late();
    expect(await rowsOf(t, `name != 'old'`)).toBe(ROWS);
  });
});
