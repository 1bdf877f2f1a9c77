import { expect, test } from 'vitest';
import { ProgressTracker } from '../../src/executors/progress.ts';
import { UnitWatch } from '../../src/executors/temporal/watch-units.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { usePostgres } from '../ledger/postgres.ts';
import { FAILURE, newRun, VERSION, writeWindow } from '../ledger/samples.ts';

const server = usePostgres();

const refused = () => Promise.reject(new Error('all units are read'));

/** Watches a new run of that many days, a window each, through a ledger that does not let everything be read again. */
async function watched(days: number) {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger, { days: [1, 1 + days] });
  const known = await ledger.changes(run, null);
  const tracker = new ProgressTracker(run, known.windows, known.deletes);
  const read: number[] = [];
  const guarded: Ledger = {
    ...ledger,
    windows: refused,
    deletes: refused,
    changes: async (...of) => {
      const changes = await ledger.changes(...of);
      read.push(changes.windows.length + changes.deletes.length);
      return changes;
    },
  };
  return { ledger, run, tracker, read, units: new UnitWatch(guarded, run, tracker, known) };
}

test('a follower of 10,000 windows reads those that have changed, and tells of each once', async () => {
  const { ledger, run, tracker, read, units } = await watched(10_000);
  await units.look();
  await units.look();
  for (const window of [7, 9000]) await writeWindow(ledger, run, window);
  const events = [...(await units.look()), ...(await units.look())];
  expect(events.map((e) => (e.type === 'window' ? [e.window, e.state] : e))).toEqual([
    [7, 'written'],
    [9000, 'written'],
  ]);
  // What was at work just then may be read twice.
  expect(read.reduce((sum, n) => sum + n, 0)).toBeLessThan(10);
  expect(tracker.snapshot().windows).toMatchObject({ total: 10_000, written: 2 });
});

test('a follower counts the parts of a window that is cut', async () => {
  const { ledger, run, tracker, units } = await watched(4);
  await ledger.startAttempt(run, 2, VERSION, () => ({}));
  await units.look();
  tracker.rows(2, 'score', 40);
  expect(tracker.snapshot()).toMatchObject({ windows: { total: 4, active: 1 }, rowsWritten: 40 });
  await ledger.failAttempt(run, 2, 1, FAILURE, false);
  await ledger.cutWindow(run, 2, '2026-01-02T12:00:00.000Z');
  // The audit tells of it.
  expect(await units.look()).toEqual([]);
  expect(tracker.snapshot().windows).toMatchObject({ total: 5, active: 0 });
  // What was cut off is cut itself, and all of it is written, before anybody looks.
  await ledger.cutWindow(run, 5, '2026-01-02T18:00:00.000Z');
  for (const window of [1, 2, 3, 4, 5, 6]) await writeWindow(ledger, run, window);
  expect((await units.look()).flatMap((e) => (e.type === 'window' ? [e.window] : []))).toEqual([1, 2, 5, 6, 3, 4]);
  expect(tracker.snapshot()).toMatchObject({ windows: { total: 6, written: 6, active: 0 }, rowsWritten: 400 });
});
