import { expect, test } from 'vitest';
import { ProgressTracker } from '../../src/executors/progress.ts';
import { UnitWatch } from '../../src/executors/temporal/watch-units.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { usePostgres } from '../ledger/postgres.ts';
import { newRun, writeWindow } from '../ledger/samples.ts';

const server = usePostgres();

const refused = () => Promise.reject(new Error('all units are read'));

/** Watches a new run of that many days, a window each, through a ledger that does not let everything be read again. */
async function watched(days: number) {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger, { days: [1, 1 + days] });
  const known = await ledger.changes(run, null);
  const tracker = new ProgressTracker(run, 0, known.windows, known.deletes);
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
