import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { onDebugPoint } from '../../src/steps/debug-points.ts';
import { ended, expectClean, fillCards, RANGE } from '../support/cards.ts';
import { InProcess } from '../support/executor.ts';
import { noTemporal, temporalTenant } from './given.ts';

describe.skipIf(noTemporal())('rows that a delete has left, over Temporal', () => {
  test('are deleted when the run may delete, and not before: a pause ends the waiting, and resume goes on', async () => {
    const t = await temporalTenant({ limits: { windowRows: 10_000, healthSeconds: 0.1 } });
    await fillCards(t);
    const worker = new InProcess(t.refill);
    onTestFinished(() => worker.stop());
    await worker.start();
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    await t.command('CREATE TABLE before ENGINE = Memory AS SELECT * FROM scorecard');
    let wrote = false;
    onDebugPoint(async (point) => {
      if (point !== 'mutations-assigned' || wrote) return;
      wrote = true;
      await t.refill.setLimit('test', 0);
      // In the range of each delete: of the other one, which may not have been sent yet, they may go by its own mutation.
      for (const day of ['2026-01-30', '2026-02-02'])
        await t.command(
          `INSERT INTO scorecard SELECT * REPLACE ('agent-left' AS agent_user_id, toDateTime64('2026-02-10', 6, 'UTC') AS update_time)
           FROM before WHERE toDate(scorecard_time) = '${day}' ORDER BY scorecard_id LIMIT 1 BY scorecard_id LIMIT 2`,
        );
      // The governor looks often; it is to know.
      await sleep(1000);
    });
    onTestFinished(() => onDebugPoint(undefined));
    const left = async () => (await t.select(`SELECT 1 FROM scorecard WHERE agent_user_id = 'agent-left'`)).length;
    const described = async () => {
      const { run } = await t.refill.status();
      return await t.operator('workflow', 'describe', '--workflow-id', run.workflow ?? '', '--output', 'json');
    };

    const running = ended(t.refill.run(plan.id));
    await expect.poll(() => wrote, { timeout: 60_000 }).toBe(true);
    await expect.poll(() => described().catch(String), { timeout: 30_000 }).toMatch(/refillAwaitDelete[^]*held/u);
    await sleep(2000);
    expect(await left()).toBeGreaterThanOrEqual(2);
    await t.refill.pause();
    expect((await running).result).toMatchObject({ state: 'paused' });
    expect(await left()).toBeGreaterThanOrEqual(2);

    await t.refill.setLimit('test', null);
    expect((await ended(t.refill.resume())).result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect(await left()).toBe(0);
    await expectClean(t);
  });
});
