import { expect, test } from 'vitest';
import { ProgressTracker } from '../../src/executors/progress.ts';
import type { WindowRecord } from '../../src/ledger/ledger.ts';

function window(id: number, state: WindowRecord['state'], sourceRows: number): WindowRecord {
  const range = { from: '2026-01-01T00:00:00.000Z', to: '2026-01-02T00:00:00.000Z' };
  const untried = {
    attempts: 0,
    attemptsSinceRetry: 0,
    rehearsed: false,
    rehearsalFailures: [],
    startedAt: null,
    finishedAt: null,
    error: null,
  };
  return { id, delete: 1, state, sourceRows, ...range, ...untried };
}

test('a window that fails and begins again takes nothing back from what was told', () => {
  const tracker = new ProgressTracker('r-1', [window(1, 'done', 200), window(2, 'pending', 800)], []);
  expect(tracker.snapshot()).toMatchObject({ rowsWritten: 200, windows: { total: 2, done: 1 } });
  tracker.windowBegins(2);
  tracker.rows(2, 'score', 500);
  expect(tracker.snapshot()).toMatchObject({ rowsWritten: 700, windows: { active: 1 } });
  tracker.windowEnds(2, 'failed', 0);
  expect(tracker.snapshot().rowsWritten).toBe(700);
  tracker.windowBegins(2);
  tracker.rows(2, 'score', 100);
  expect(tracker.snapshot().rowsWritten).toBe(700);
  tracker.windowEnds(2, 'written', 790);
  expect(tracker.snapshot()).toMatchObject({ rowsWritten: 990, windows: { active: 0, written: 1 } });
});

test('no time left is told before 1 % is done', () => {
  const tracker = new ProgressTracker('r-1', [window(1, 'pending', 100_000)], []);
  expect(tracker.snapshot().secondsLeft).toBeNull();
  tracker.windowBegins(1);
  const wait = performance.now() + 5;
  while (performance.now() < wait);
  tracker.rows(1, 'score', 999);
  expect(tracker.snapshot()).toMatchObject({ rowsWritten: 999, secondsLeft: null });
  tracker.rows(1, 'score', 1000);
  expect(tracker.snapshot().secondsLeft).toBeGreaterThanOrEqual(0);
});

test('what holds a run is news once, and again when it is something else: not with every number of it', () => {
  const tracker = new ProgressTracker('r-1', [], []);
  const said = [
    'held: 5 sessions on a',
    'held: 1,200 sessions on a',
    null,
    null,
    'held: 5 sessions on a',
    'slowed: 5 sessions on a',
  ];
  expect(said.map((reason) => tracker.governed(reason))).toEqual([true, false, true, false, true, true]);
  expect(tracker.snapshot().doing).toBe('slowed: 5 sessions on a');
});

test('a source that has grown or shrunk since the plan leads to the end, and never past it', () => {
  const tracker = new ProgressTracker('r-1', [window(1, 'pending', 100), window(2, 'pending', 100)], []);
  tracker.windowBegins(1);
  tracker.rows(1, 'score', 160);
  expect(tracker.snapshot()).toMatchObject({ rowsWritten: 160, rowsTotal: 260 });
  tracker.windowEnds(1, 'written', 170);
  tracker.windowBegins(2);
  tracker.rows(2, 'score', 20);
  expect(tracker.snapshot()).toMatchObject({ rowsWritten: 190, rowsTotal: 270 });
  tracker.windowEnds(2, 'written', 30);
  expect(tracker.snapshot()).toMatchObject({ rowsWritten: 200, rowsTotal: 200 });
});
