import { afterEach, expect, test } from 'vitest';
import type { Limits } from '../../src/domain/limits.ts';
import { onDebugPoint } from '../../src/steps/debug-points.ts';
import { checksum, ended, expectClean, fillCards, type Table, thrown } from '../support/cards.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';

// What keeps a run from starting, or from continuing, shown quickly; test/run/governor.test.ts has the other reasons.

const RANGE = { from: '2026-01-29T00:00:00.000Z', to: '2026-02-01T00:00:00.000Z' };
const TABLES: readonly Table[] = ['scorecard', 'score'];

afterEach(() => onDebugPoint(undefined));

async function filled(limits: Partial<Limits>): Promise<TestTenant> {
  const t = await createTenant({ limits });
  await fillCards(t, { cards: 80 });
  return t;
}

const sums = (t: TestTenant) => Promise.all(TABLES.map((table) => checksum(t, table, '1')));

test('a plan that deletes more than limits.blastRows runs only if exactly its number of rows is confirmed', async () => {
  const t = await filled({ blastRows: 10 });
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
  const { rowsToDelete } = plan.cost;
  expect(rowsToDelete).toBeGreaterThan(10);
  const before = await sums(t);
  for (const confirmRows of [undefined, 0, rowsToDelete - 1, rowsToDelete + 1]) {
    const options = confirmRows === undefined ? {} : { confirmRows };
    expect(await thrown(() => ended(t.refill.run(plan.id, options)))).toMatchObject({
      code: 'ROWS_NOT_CONFIRMED',
      exit: 3,
      details: { rowsToDelete },
    });
  }
  expect([await sums(t), await t.refill.runs()]).toEqual([before, []]);
  const { result } = await ended(t.refill.run(plan.id, { confirmRows: rowsToDelete }));
  expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
});

test('a run on a cluster whose limit is 0 sends nothing and writes nothing until the limit is lifted', async () => {
  const t = await filled({ healthSeconds: 0.1 });
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'purge' });
  await t.refill.setLimit('test', 0);
  let held = true;
  const early: string[] = [];
  onDebugPoint((point) => {
    if (held && ['mutations-kept', 'attempt-kept'].includes(point)) early.push(point);
  });
  const before = await sums(t);
  const { result } = await ended(t.refill.run(plan.id), async (event) => {
    if (!held || event.type !== 'notice' || !event.message.startsWith('held')) return;
    expect([event.message, await sums(t)]).toEqual(['held: no windows are allowed, by `refill limits`', before]);
    held = false;
    await t.refill.setLimit('test', null);
  });
  expect([held, early]).toEqual([false, []]);
  expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  await expectClean(t, RANGE);
});
