import { expect, test } from 'vitest';
import type { Changes, Ledger } from '../../src/ledger/ledger.ts';
import { usePostgres } from './postgres.ts';
import { ACTOR, day, FAILURE, finishDelete, newRun, proof, VERSION, writeWindow } from './samples.ts';

const server = usePostgres();

/** A mark before which nothing is left to be seen: the server's own housekeeping may hold one back for a moment. */
async function quietMark(ledger: Ledger, run: string): Promise<string> {
  let mark = '';
  const seen = async () => {
    ({ mark } = await ledger.changes(run, null));
    return (await ledger.changes(run, mark)).windows;
  };
  await expect.poll(seen).toEqual([]);
  return mark;
}

const ids = ({ windows, deletes }: Changes) => ({
  windows: windows.map(({ id }) => id),
  deletes: deletes.map(({ id }) => id),
});

test('a look reads what has changed since the one before, and the first one everything', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger);
  const other = await newRun(ledger, { days: [9, 13] });
  const first = await ledger.changes(run, null);
  expect(first.windows).toEqual(await ledger.windows(run));
  expect(first.deletes).toEqual(await ledger.deletes(run));

  let mark = await quietMark(ledger, run);
  const look = async () => {
    const changes = await ledger.changes(run, mark);
    mark = await quietMark(ledger, run);
    return ids(changes);
  };
  await writeWindow(ledger, other.id, 1);
  expect(await look()).toEqual({ windows: [], deletes: [] });
  await ledger.startAttempt(run, 2, VERSION, () => ({}));
  expect(await look()).toEqual({ windows: [2], deletes: [] });
  await ledger.failAttempt(run, 2, 1, FAILURE, false);
  expect(await look()).toEqual({ windows: [2], deletes: [] });
  await ledger.cutWindow(run, 2, `${day(6).slice(0, 10)}T12:00:00.000Z`);
  expect(await look()).toEqual({ windows: [2, 5], deletes: [] });
  for (const window of [1, 2, 5]) await writeWindow(ledger, run, window);
  await finishDelete(ledger, run, 1);
  expect(await look()).toEqual({ windows: [1, 2, 5], deletes: [1] });
  await ledger.proveDelete(run, 1, [proof({ from: day(5), to: day(7) }, null, { missing: 1 })], [], 0);
  expect(await look()).toEqual({ windows: [1, 2, 5], deletes: [1] });
  await ledger.failWindow(run, 3, FAILURE);
  await ledger.setRunState(run, 'failed', ACTOR);
  await look();
  await ledger.retry(run, ACTOR);
  const { windows, deletes } = await look();
  expect(windows).toEqual(expect.arrayContaining([1, 2, 5, 3]));
  expect(deletes).toEqual([1]);
});

test('what was begun before a look and is committed after it, behind newer changes, is not missed', async () => {
  const database = await server.database();
  const ledger = await server.open(database);
  const { id: run } = await newRun(ledger);
  const mark = await quietMark(ledger, run);
  const slow = await server.connect(database);
  await slow.query('BEGIN');
  await slow.query('UPDATE refill.run_window SET attempts = attempts + 1 WHERE run = $1 AND id = 1', [run]);
  await writeWindow(ledger, run, 2);
  const look = await ledger.changes(run, mark);
  expect(ids(look).windows).toEqual([2]);
  await slow.query('COMMIT');
  expect(ids(await ledger.changes(run, look.mark)).windows).toContain(1);
});

test('windows of before the ledger knew of changes are read by a first look, and when they change', async () => {
  const database = await server.database();
  const ledger = await server.open(database);
  const { id: run } = await newRun(ledger);
  await server.query(database, 'ALTER TABLE refill.run_window DISABLE TRIGGER mark_change');
  await server.query(database, `UPDATE refill.run_window SET changed = '0'`);
  await server.query(database, 'ALTER TABLE refill.run_window ENABLE TRIGGER mark_change');
  const first = await ledger.changes(run, null);
  expect(ids(first).windows).toEqual([1, 2, 3, 4]);
  await writeWindow(ledger, run, 3);
  expect(ids(await ledger.changes(run, first.mark)).windows).toEqual([3]);
});
