import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import type { Limits } from '../../src/domain/limits.ts';
import { onDebugPoint } from '../../src/steps/debug-points.ts';
import { checksum, ended, expectClean, fillCards, type Table, thrown } from '../support/cards.ts';
import { slowSource } from '../support/slow-source.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';

// What keeps a run from starting, or from continuing, shown quickly; test/run/governor.test.ts has the other reasons.

const RANGE = { from: '2026-01-29T00:00:00.000Z', to: '2026-02-01T00:00:00.000Z' };
const TABLES: readonly Table[] = ['scorecard', 'score'];
/** Far longer than a run takes from its start to its first statement. */
const LATE_MS = 3_000;

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
    await sleep(LATE_MS);
    expect([event.message, await sums(t)]).toEqual(['held: no windows are allowed, by `refill limits`', before]);
    held = false;
    await t.refill.setLimit('test', null);
  });
  expect([held, early]).toEqual([false, []]);
  expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  await expectClean(t, RANGE);
});

test('a run that is cancelled ends the window that it is reading, and claims nothing of it', async () => {
  const t = await filled({ windows: 1 });
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'replace' });
  // Eight seconds for each table: the window would be written long after the cancel.
  const normal = await slowSource(t, 100);
  let cancelled: Promise<unknown> | undefined;
  onDebugPoint((point) => {
    if (point === 'attempt-kept') cancelled ??= t.refill.cancel();
  });
  const { result } = await ended(t.refill.run(plan.id, { recount: false }));
  await cancelled;
  expect(result).toMatchObject({ state: 'cancelled', rowsDeleted: 0 });
  const ledger = await t.refill.ledger();
  expect((await ledger.attempts(result.run)).map(({ state }) => state)).toEqual(['started']);
  expect((await ledger.windows(result.run)).map(({ state }) => state)).not.toContain('written');
  await normal();
  onDebugPoint(undefined);
  expect((await ended(t.refill.retry(result.run))).result).toMatchObject({ state: 'succeeded', differences: 0 });
});
