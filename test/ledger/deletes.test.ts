import { expect, test } from 'vitest';
import { usePostgres } from './postgres.ts';
import { day, drift, FAILURE, finishDelete, newRun, proof, writeWindow } from './samples.ts';

const server = usePostgres();
const RANGE = { from: day(5), to: day(6) };
const IDS = [
  { shard: '1', id: 'mutation_7.txt' },
  { shard: '2', id: '0000000003' },
];
const PLANNED = [
  { table: 'scorecard', nonce: 'a1', statement: 'ALTER TABLE scorecard …', rows: 4 },
  { table: 'score', nonce: 'a2', statement: 'ALTER TABLE score …', rows: null },
];

test('a delete follows its mutations when the last of them has come as far', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger);
  const state = async () => (await ledger.deletes(run))[0]?.state;
  expect(await ledger.deletes(run)).toMatchObject([
    { id: 1, from: day(5), to: day(7), state: 'pending', error: null },
    { id: 2, from: day(7), to: day(9), state: 'pending' },
  ]);
  await ledger.planMutations(run, 1, PLANNED);
  expect(await state()).toBe('submitted');
  expect(await ledger.mutations(run)).toEqual(
    PLANNED.map((mutation) => ({ ...mutation, delete: 1, ids: [], state: 'planned' })),
  );
  await ledger.setMutation(run, 'a1', 'assigned', IDS);
  expect(await state()).toBe('submitted');
  await ledger.setMutation(run, 'a2', 'assigned', IDS);
  expect(await state()).toBe('assigned');
  await ledger.setMutation(run, 'a2', 'finished', IDS);
  expect(await state()).toBe('assigned');
  await ledger.setMutation(run, 'a1', 'finished', IDS);
  expect(await state()).toBe('finished');
  expect(await ledger.mutations(run, 1)).toEqual(
    PLANNED.map((mutation) => ({ ...mutation, delete: 1, ids: IDS, state: 'finished' })),
  );
  expect(await ledger.mutations(run, 2)).toEqual([]);
});

test('two mutations that finish at the same instant take the delete along, every time', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger, { days: [1, 31] });
  for (let del = 1; del <= 15; del++) {
    await ledger.planMutations(run, del, [
      { table: 'scorecard', nonce: `x${del}`, statement: 'ALTER …', rows: 1 },
      { table: 'score', nonce: `y${del}`, statement: 'ALTER …', rows: 1 },
    ]);
    await Promise.all([
      ledger.setMutation(run, `x${del}`, 'finished', IDS),
      ledger.setMutation(run, `y${del}`, 'finished', IDS),
    ]);
  }
  expect((await ledger.deletes(run)).map((del) => del.state)).toEqual(Array.from({ length: 15 }, () => 'finished'));
});

test('mutations are planned again only as they were, and only before one was assigned', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger);
  await ledger.planMutations(run, 1, PLANNED);
  await ledger.planMutations(
    run,
    1,
    PLANNED.map((mutation) => ({ ...mutation, rows: 9 })),
  );
  expect((await ledger.mutations(run, 1)).map((mutation) => mutation.rows)).toEqual([9, 9]);
  const others = PLANNED.map((mutation) => ({ ...mutation, nonce: `${mutation.nonce}b` }));
  await expect(ledger.planMutations(run, 1, others)).rejects.toMatchObject({ code: 'RUN_STATE' });
  await ledger.setMutation(run, 'a1', 'assigned', IDS);
  await expect(ledger.planMutations(run, 1, PLANNED)).rejects.toMatchObject({ code: 'RUN_STATE' });
  expect(await ledger.mutations(run, 1)).toMatchObject([{ state: 'assigned', rows: 9 }, { state: 'planned' }]);
});

test('a mutation never goes back, and an unknown nonce is a bug', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger);
  await finishDelete(ledger, run, 1, 'n');
  await ledger.setMutation(run, 'n', 'finished', IDS);
  await expect(ledger.setMutation(run, 'n', 'assigned', [])).rejects.toMatchObject({ code: 'RUN_STATE' });
  expect(await ledger.mutations(run, 1)).toMatchObject([{ state: 'finished', ids: IDS }]);
  await expect(ledger.setMutation(run, 'strange', 'assigned', [])).rejects.toMatchObject({ code: 'BUG' });
});

test('a delete without mutations is finished at once', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger);
  await ledger.planMutations(run, 1, []);
  expect((await ledger.deletes(run))[0]?.state).toBe('finished');
});

test('a failed delete stays failed when its other mutation finishes', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger);
  await ledger.planMutations(run, 1, PLANNED);
  await ledger.failDelete(run, 1, FAILURE);
  await ledger.setMutation(run, 'a1', 'finished', IDS);
  await ledger.setMutation(run, 'a2', 'finished', IDS);
  expect((await ledger.deletes(run))[0]).toMatchObject({ state: 'failed', error: FAILURE });
});

test('a proven delete keeps proofs, drift and numbers, and its windows are done', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger, { days: [5, 7] });
  await writeWindow(ledger, run, 1);
  await writeWindow(ledger, run, 2);
  await finishDelete(ledger, run, 1);
  const proofs = [proof(RANGE, 1, { missing: 1, stale: 2, unsettled: 9 }), proof({ from: day(6), to: day(7) }, 2)];
  const found = [drift('k2', { kind: 'stale', time: null }), drift('k1'), drift('k3', { kind: 'stale' })];
  await ledger.proveDelete(run, 1, proofs, found, 12);
  expect(await ledger.deletes(run)).toMatchObject([{ state: 'proven' }]);
  expect((await ledger.windows(run)).map((window) => window.state)).toEqual(['done', 'done']);
  expect(await ledger.proofs(run)).toEqual(proofs);
  expect(await ledger.drift(run, { limit: 10 })).toEqual([found[1], found[0], found[2]]);
  expect(await ledger.run(run)).toMatchObject({ rowsDeleted: 12, rowsWritten: 200, differences: 12 });
  await expect(ledger.proveDelete(run, 1, proofs, found, 12)).rejects.toMatchObject({ code: 'RUN_STATE' });
  await expect(ledger.failDelete(run, 1, FAILURE)).rejects.toMatchObject({ code: 'RUN_STATE' });
  expect((await ledger.run(run)).rowsDeleted).toBe(12);
});

test('nothing of a proof is kept when a part of it cannot be', async () => {
  const database = await server.database();
  const ledger = await server.open(database);
  const { id: run } = await newRun(ledger, { days: [5, 7] });
  await writeWindow(ledger, run, 1);
  await finishDelete(ledger, run, 1);
  // The second window is not written.
  await expect(ledger.proveDelete(run, 1, [proof(RANGE, 1)], [drift('k')], 12)).rejects.toMatchObject({
    code: 'RUN_STATE',
  });
  await writeWindow(ledger, run, 2);
  // A proof of a window that is another delete's.
  await expect(ledger.proveDelete(run, 1, [proof(RANGE, 77)], [], 12)).rejects.toMatchObject({ code: 'BUG' });
  // The last statement fails: proofs and drift before it were inserted already.
  await expect(ledger.proveDelete(run, 1, [proof(RANGE, 1)], [drift('k')], Number.MAX_VALUE)).rejects.toMatchObject({
    code: 'LEDGER_FAILED',
  });
  expect(await ledger.deletes(run)).toMatchObject([{ state: 'finished' }]);
  expect((await ledger.windows(run)).map((window) => window.state)).toEqual(['written', 'written']);
  expect(await ledger.proofs(run)).toEqual([]);
  expect(await ledger.drift(run, { limit: 10 })).toEqual([]);
  expect(await server.query(database, 'SELECT count(*)::integer AS n FROM refill.proof')).toEqual([{ n: 0 }]);
  expect(await ledger.run(run)).toMatchObject({ rowsDeleted: 0, differences: null });
});
