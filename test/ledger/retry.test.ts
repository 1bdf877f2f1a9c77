import { expect, test } from 'vitest';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { usePostgres } from './postgres.ts';
import { ACTOR, day, drift, FAILURE, finishDelete, newRun, OTHER, proof, VERSION, writeWindow } from './samples.ts';

const server = usePostgres();

const states = async (ledger: Ledger, run: string) => ({
  windows: (await ledger.windows(run)).map((window) => window.state),
  deletes: (await ledger.deletes(run)).map((del) => del.state),
});

/** A run of two deletes with two windows each: all are proven, and the second delete's windows with drift. */
async function runWithDrift(ledger: Ledger, { unsettled = 0 } = {}): Promise<string> {
  const { id: run } = await newRun(ledger, { days: [5, 9] });
  for (let window = 1; window <= 4; window++) await writeWindow(ledger, run, window);
  await finishDelete(ledger, run, 1, 'a1');
  await finishDelete(ledger, run, 2, 'b1');
  const range = (number: number) => ({ from: day(number), to: day(number + 1) });
  await ledger.proveDelete(run, 1, [proof(range(5), 1), proof(range(6), 2, { unsettled })], [], 10);
  await ledger.proveDelete(
    run,
    2,
    [proof(range(7), 3, { extra: 2 }), proof(range(8), 4)],
    [drift('k1'), drift('k2')],
    20,
  );
  await ledger.setRunState(run, 'differences', ACTOR);
  return run;
}

test('failed windows and deletes become pending, the run running, and tries are counted anew', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger, { days: [5, 11] });
  await writeWindow(ledger, run, 1);
  await ledger.startAttempt(run, 2, VERSION, () => ({}));
  await ledger.failAttempt(run, 2, 1, FAILURE, false);
  await ledger.startAttempt(run, 2, VERSION, () => ({}));
  await ledger.failAttempt(run, 2, 2, FAILURE, true);
  await finishDelete(ledger, run, 2, 'old');
  await ledger.failDelete(run, 2, FAILURE);
  await ledger.request(run, 'cancel', OTHER);
  await ledger.setRunState(run, 'failed', ACTOR, { error: FAILURE });

  expect(await ledger.retry(run, OTHER)).toBe(2);
  expect(await ledger.run(run)).toMatchObject({ state: 'running', wanted: 'run', error: null, finishedAt: null });
  expect(await states(ledger, run)).toEqual({
    windows: ['written', 'pending', 'pending', 'pending', 'pending', 'pending'],
    deletes: ['pending', 'pending', 'pending'],
  });
  expect((await ledger.windows(run))[1]).toMatchObject({ attempts: 2, attemptsSinceRetry: 0, error: null });
  expect((await ledger.deletes(run))[1]).toMatchObject({ error: null });
  expect((await ledger.startAttempt(run, 2, VERSION, () => ({}))).attempt).toBe(3);
  expect((await ledger.windows(run))[1]).toMatchObject({ attempts: 3, attemptsSinceRetry: 1 });
  // Mutations of before are history: the delete begins again with others.
  expect(await ledger.mutations(run, 2)).toEqual([]);
  await finishDelete(ledger, run, 2, 'new');
  expect(await ledger.mutations(run)).toMatchObject([{ nonce: 'new', state: 'finished' }]);
  const [entry] = (await ledger.auditEntries({ subject: run, limit: 1 })) ?? [];
  expect(entry).toMatchObject({
    actor: OTHER,
    action: 'run.retry',
    details: { from: 'failed', windows: 1, deletes: 1 },
  });
});

test('rows that changed at every look are not proven either: retry does them again', async () => {
  const ledger = await server.ledger();
  const run = await runWithDrift(ledger, { unsettled: 3 });
  expect(await ledger.run(run)).toMatchObject({ differences: 5 });
  await ledger.retry(run, ACTOR);
  expect((await states(ledger, run)).deletes).toEqual(['pending', 'pending']);
});

test('deletes with drift and their windows become pending; what is proven stays', async () => {
  const ledger = await server.ledger();
  const run = await runWithDrift(ledger);
  expect(await ledger.run(run)).toMatchObject({ differences: 2, rowsDeleted: 30 });
  expect(await ledger.retry(run, ACTOR)).toBe(3);
  expect(await states(ledger, run)).toEqual({
    windows: ['done', 'done', 'pending', 'pending'],
    deletes: ['proven', 'pending'],
  });
  expect((await ledger.proofs(run)).map((one) => one.window)).toEqual([1, 2]);
  expect(await ledger.drift(run, { limit: 10 })).toEqual([]);
  expect((await ledger.run(run)).differences).toBe(0);
});

test('a delete that is proven again has its newest proofs and drift only, and the old ones are kept', async () => {
  const database = await server.database();
  const ledger = await server.open(database);
  const run = await runWithDrift(ledger);
  await ledger.retry(run, ACTOR);
  await writeWindow(ledger, run, 3, 90);
  await writeWindow(ledger, run, 4, 90);
  await finishDelete(ledger, run, 2, 'b2');
  // A late look at a mutation of before changes nothing.
  await ledger.setMutation(run, 'b1', 'finished', []);
  const again = [proof({ from: day(7), to: day(8) }, 3, { missing: 1 }), proof({ from: day(8), to: day(9) }, 4)];
  await ledger.proveDelete(run, 2, again, [drift('k3')], 5);
  expect((await ledger.proofs(run)).slice(2)).toEqual(again);
  expect((await ledger.drift(run, { limit: 10 })).map((one) => one.key)).toEqual(['k3']);
  expect(await ledger.run(run)).toMatchObject({
    differences: 1,
    rowsDeleted: 30,
    rowsDeletedAgain: 5,
    rowsWritten: 380,
    rowsWrittenAgain: 200,
  });
  expect(await server.query(database, 'SELECT count(*)::integer AS n FROM refill.drift')).toEqual([{ n: 3 }]);
  expect(await server.query(database, 'SELECT count(*)::integer AS n FROM refill.proof')).toEqual([{ n: 6 }]);
});

test.for([
  ['purge', 'pending'],
  ['replace', 'written'],
] as const)(
  'in a %s the windows that were written under a failed delete become or stay %s',
  async ([strategy, state]) => {
    const ledger = await server.ledger();
    const { id: run } = await newRun(ledger, { days: [5, 9], strategy });
    await writeWindow(ledger, run, 1);
    await writeWindow(ledger, run, 3);
    await ledger.failDelete(run, 1, FAILURE);
    await ledger.setRunState(run, 'failed', ACTOR);
    await ledger.retry(run, ACTOR);
    expect(await states(ledger, run)).toEqual({
      windows: [state, 'pending', 'written', 'pending'],
      deletes: ['pending', 'pending'],
    });
  },
);

test('cancelled and paused runs go on, running and succeeded ones are refused', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger);
  const refused = { code: 'RUN_STATE', exit: 3 };
  await expect(ledger.retry(run, ACTOR)).rejects.toMatchObject(refused);
  for (const state of ['cancelled', 'paused'] as const) {
    await ledger.request(run, state === 'paused' ? 'pause' : 'cancel', ACTOR);
    await ledger.setRunState(run, state, ACTOR);
    expect(await ledger.retry(run, ACTOR)).toBe(0);
    expect(await ledger.run(run)).toMatchObject({ state: 'running', wanted: 'run' });
  }
  await ledger.setRunState(run, 'succeeded', ACTOR);
  await expect(ledger.retry(run, ACTOR)).rejects.toMatchObject(refused);
  expect((await ledger.run(run)).state).toBe('succeeded');
});
