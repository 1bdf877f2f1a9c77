import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { onDebugPoint } from '../../src/steps/debug-points.ts';
import { ended, expectClean, fillCards, RANGE } from '../support/cards.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';

afterEach(() => onDebugPoint(undefined));

async function filled(): Promise<TestTenant> {
  const t = await createTenant({ limits: { windowRows: 120 } });
  await fillCards(t);
  return t;
}

/** Does something the first time that a point is passed. */
function firstTime(wanted: string, task: () => Promise<void>): () => boolean {
  let passed = false;
  onDebugPoint(async (point) => {
    if (point !== wanted || passed) return;
    passed = true;
    await task();
  });
  return () => passed;
}

const LEFT = `FROM scorecard WHERE agent_user_id = 'agent-left'`;

test.each(['purge', 'replace'] as const)(
  '%s: old rows that are there when the servers say that their delete is done are deleted before its proof',
  async (strategy) => {
    const t = await filled();
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
    await t.command('CREATE TABLE before ENGINE = Memory AS SELECT * FROM scorecard');
    // As a mutation leaves them that has passed over their part: old, in its range, and it is never done again.
    const wrote = firstTime('mutations-assigned', async () => {
      for (const day of ['2026-01-30', '2026-02-02'])
        await t.command(
          `INSERT INTO scorecard SELECT * REPLACE ('agent-left' AS agent_user_id, toDateTime64('2026-02-10', 6, 'UTC') AS update_time)
           FROM before WHERE toDate(scorecard_time) = '${day}' ORDER BY scorecard_id LIMIT 1 BY scorecard_id LIMIT 2`,
        );
      expect(await t.select(`SELECT 1 ${LEFT}`)).toHaveLength(4);
    });
    const { events, result } = await ended(t.refill.run(plan.id));
    expect(wrote()).toBe(true);
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect(await t.select(`SELECT 1 ${LEFT}`)).toEqual([]);
    // The other delete may have been sent after them, and have removed its own.
    expect(JSON.stringify(events)).toContain(
      '2 rows of scorecard from before the run were there when its servers said',
    );
    await expectClean(t);
  },
);

test('mutations of a plain table are sent one at a time: the server may skip one of two that come at once', async () => {
  const t = await filled();
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'purge' });
  expect(plan.deletes.length).toBeGreaterThan(1);
  let sent: unknown;
  const passed = firstTime('mutation-sent', async () => {
    // Time for the other delete to send its own.
    await sleep(1500);
    [sent] = await t.select(
      `SELECT toUInt32(count()) AS n FROM system.mutations WHERE database = currentDatabase() AND table = 'scorecard'`,
    );
  });
  const { result } = await ended(t.refill.run(plan.id));
  expect(passed()).toBe(true);
  expect(sent).toEqual({ n: 1 });
  expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
});
