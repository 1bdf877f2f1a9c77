import { expect, test } from 'vitest';
import { usePostgres } from './postgres.ts';
import { FAILURE, newRun, proof, VERSION, finishDelete, writeWindow, day } from './samples.ts';

const server = usePostgres();

test('a window goes from pending through writing to written, and its attempt and sums are kept', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger);
  const attempt = await ledger.startAttempt(run, 1, VERSION, (number) => ({ score: `query-${number}` }));
  expect(attempt).toEqual({
    window: 1,
    attempt: 1,
    state: 'started',
    version: VERSION,
    queries: { score: 'query-1' },
    failure: null,
  });
  expect((await ledger.windows(run))[0]).toMatchObject({ state: 'writing', attempts: 1, finishedAt: null });

  const sums = [
    { table: 'scorecard', rows: 10, excluded: { appeal: 2 }, buckets: { '0': [4, '99'], '7': [6, '-1'] } as const },
    { table: 'score', rows: 90, excluded: {}, buckets: {} },
  ];
  await ledger.finishAttempt(run, 1, 1, { rows: 100, sums });
  expect(await ledger.attempts(run)).toEqual([{ ...attempt, state: 'done' }]);
  expect(await ledger.sums(run, 1)).toEqual({ snapshot: VERSION, tables: sums });
  const [window, next] = await ledger.windows(run);
  expect(window).toMatchObject({ id: 1, delete: 1, from: day(5), to: day(6), sourceRows: 100, state: 'written' });
  expect(window?.startedAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/u);
  expect(window?.finishedAt).not.toBeNull();
  expect(next).toMatchObject({ id: 2, state: 'pending', attempts: 0, startedAt: null });
  expect((await ledger.run(run)).rowsWritten).toBe(100);
});

test('an attempt that was killed is abandoned by the next, and can no longer be ended', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger);
  await ledger.startAttempt(run, 1, VERSION, () => ({ score: 'a' }));
  const second = await ledger.startAttempt(run, 1, '2026-01-15 07:00:00.000001', () => ({ score: 'b' }));
  expect(second.attempt).toBe(2);
  const late = { rows: 5, sums: [] };
  await expect(ledger.checkAttempt(run, 1, 1)).rejects.toMatchObject({ code: 'RUN_STATE' });
  await ledger.checkAttempt(run, 1, 2);
  await expect(ledger.finishAttempt(run, 1, 1, late)).rejects.toMatchObject({ code: 'RUN_STATE' });
  await expect(ledger.failAttempt(run, 1, 1, FAILURE, true)).rejects.toMatchObject({ code: 'RUN_STATE' });
  expect((await ledger.windows(run))[0]).toMatchObject({ state: 'writing', attempts: 2, error: null });
  await ledger.finishAttempt(run, 1, 2, { rows: 70, sums: [] });
  expect(await ledger.attempts(run, { window: 1 })).toMatchObject([
    { attempt: 1, state: 'abandoned', version: VERSION },
    { attempt: 2, state: 'done', version: '2026-01-15 07:00:00.000001' },
  ]);
  expect((await ledger.sums(run, 1)).snapshot).toBe('2026-01-15 07:00:00.000001');
  expect(await ledger.attempts(run, { window: 2 })).toEqual([]);
});

test('an attempt that fails leaves the window pending, and the last one leaves it failed', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger);
  await ledger.startAttempt(run, 1, VERSION, () => ({}));
  await ledger.failAttempt(run, 1, 1, FAILURE, false);
  expect((await ledger.windows(run))[0]).toMatchObject({ state: 'pending', error: FAILURE, finishedAt: null });
  await ledger.startAttempt(run, 1, VERSION, () => ({}));
  expect((await ledger.windows(run))[0]).toMatchObject({ state: 'writing', error: null });
  await ledger.failAttempt(run, 1, 2, FAILURE, true);
  expect((await ledger.windows(run))[0]).toMatchObject({ state: 'failed', attempts: 2, error: FAILURE });
  await expect(ledger.startAttempt(run, 1, VERSION, () => ({}))).rejects.toMatchObject({ code: 'RUN_STATE' });
  expect(await ledger.attempts(run)).toHaveLength(2);
});

test('a window that is proven incomplete fails; one that is done does not', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger, { days: [5, 6] });
  await writeWindow(ledger, run, 1);
  await ledger.failWindow(run, 1, FAILURE);
  expect((await ledger.windows(run))[0]).toMatchObject({ state: 'failed', error: FAILURE });
  await ledger.setRunState(run, 'failed', { user: 'ada', host: 'desk', pid: 1 }, { error: FAILURE });
  await ledger.retry(run, { user: 'ada', host: 'desk', pid: 1 });
  await writeWindow(ledger, run, 1);
  await finishDelete(ledger, run, 1);
  await ledger.proveDelete(run, 1, [proof({ from: day(5), to: day(6) }, 1)], [], 10);
  await expect(ledger.failWindow(run, 1, FAILURE)).rejects.toMatchObject({ code: 'RUN_STATE' });
  await expect(ledger.startAttempt(run, 1, VERSION, () => ({}))).rejects.toMatchObject({ code: 'RUN_STATE' });
});

test('failing a window abandons the attempt at work on it', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger);
  await ledger.startAttempt(run, 1, VERSION, () => ({}));
  await ledger.failWindow(run, 1, FAILURE);
  expect(await ledger.attempts(run)).toMatchObject([{ state: 'abandoned' }]);
});

test('a window written twice counts its last rows only', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger);
  await writeWindow(ledger, run, 1, 100);
  await writeWindow(ledger, run, 2, 50);
  await ledger.failWindow(run, 1, FAILURE);
  await ledger.setRunState(run, 'failed', { user: 'ada', host: 'desk', pid: 1 });
  await ledger.retry(run, { user: 'ada', host: 'desk', pid: 1 });
  expect((await ledger.run(run)).rowsWritten).toBe(150);
  await writeWindow(ledger, run, 1, 103);
  expect((await ledger.run(run)).rowsWritten).toBe(153);
});

test('what does not exist is a bug, and a version without microseconds is refused', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger);
  await expect(ledger.startAttempt(run, 99, VERSION, () => ({}))).rejects.toMatchObject({ code: 'BUG' });
  await expect(ledger.finishAttempt(run, 1, 1, { rows: 1, sums: [] })).rejects.toMatchObject({ code: 'BUG' });
  await expect(ledger.sums(run, 1)).rejects.toMatchObject({ code: 'BUG' });
  await expect(ledger.startAttempt(run, 1, '2026-01-15T06:00:00Z', () => ({}))).rejects.toMatchObject({
    code: 'LEDGER_FAILED',
  });
  expect((await ledger.windows(run))[0]).toMatchObject({ state: 'pending', attempts: 0 });
});

test('ten windows are worked on at once without waiting for each other for ever', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger, { days: [1, 11] });
  await Promise.all(Array.from({ length: 10 }, (_, index) => writeWindow(ledger, run, index + 1, 10)));
  expect((await ledger.windows(run)).every((window) => window.state === 'written')).toBe(true);
  expect((await ledger.run(run)).rowsWritten).toBe(100);
});

test('the measured rate is all rows over the time in which windows were at work', async () => {
  const database = await server.database();
  const ledger = await server.open(database);
  const { id: run } = await newRun(ledger, { days: [1, 25] });
  expect(await ledger.measuredRate('north', 'scorecards')).toBeNull();
  for (let window = 1; window <= 24; window++) await writeWindow(ledger, run, window, 1_000);
  // Pairs side by side, 10 s each, an hour apart; the oldest three are slow, and too old to count.
  await server.query(
    database,
    `UPDATE refill.attempt SET
       started_at = timestamptz '2026-01-15 06:00Z' + (window_id / 2) * interval '1 hour',
       finished_at = timestamptz '2026-01-15 06:00Z' + (window_id / 2) * interval '1 hour'
         + CASE WHEN window_id < 4 THEN interval '50 min' ELSE interval '10 s' END`,
  );
  // The newest twenty: one of (4,5), then (6,7) to (22,23), then 24 alone: 11 spans of 10 s.
  expect(await ledger.measuredRate('north', 'scorecards')).toBeCloseTo(20_000 / 110, 6);
  expect(await ledger.measuredRate('south', 'scorecards')).toBeNull();
  expect(await ledger.measuredRate('north', 'other')).toBeNull();
});

test('a window that is cut keeps its id and attempts and what lies before, and failures before count no longer', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger);
  await ledger.startAttempt(run, 1, VERSION, () => ({ score: 'query-1' }));
  await ledger.failAttempt(run, 1, 1, FAILURE, false);
  expect(await ledger.attempts(run, { window: 1 })).toMatchObject([
    { attempt: 1, state: 'abandoned', failure: 'CH_BUSY' },
  ]);
  const [whole, ...others] = await ledger.windows(run);
  const at = '2026-01-05T06:00:00.000Z';
  await ledger.cutWindow(run, 1, at);
  const [first, rest, ...after] = await ledger.windows(run);
  expect(first).toMatchObject({ id: 1, to: at, state: 'pending', attempts: 1, attemptsSinceRetry: 0, sourceRows: 25 });
  expect(rest).toMatchObject({ from: at, to: whole?.to, delete: 1, state: 'pending', attempts: 0, sourceRows: 75 });
  expect(after).toEqual(others);
  expect(await ledger.attempts(run, { window: 1 })).toMatchObject([{ attempt: 1, failure: null }]);
  // Only inside of it, and not once it is written.
  await expect(ledger.cutWindow(run, 1, at)).rejects.toMatchObject({ code: 'BUG' });
  await ledger.startAttempt(run, 1, VERSION, () => ({}));
  await ledger.finishAttempt(run, 1, 2, { rows: 1, sums: [] });
  await expect(ledger.cutWindow(run, 1, '2026-01-05T03:00:00.000Z')).rejects.toMatchObject({ code: 'RUN_STATE' });
});

test('windows that are cut at once get ids of their own', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger);
  const before = await ledger.windows(run);
  await Promise.all(before.map(({ id, from }) => ledger.cutWindow(run, id, from.replace('T00', 'T12'))));
  const after = await ledger.windows(run);
  expect(after.map((w) => w.id).sort((a, b) => a - b)).toEqual(after.map((_, n) => n + 1));
  expect(after).toHaveLength(2 * before.length);
  expect(after.map((w) => w.to).slice(0, -1)).toEqual(after.map((w) => w.from).slice(1));
});

test('paces are those of the attempts that were done, the newest last', async () => {
  const ledger = await server.ledger();
  const { id: run } = await newRun(ledger);
  expect(await ledger.paces(run)).toEqual([]);
  for (const [window, rows] of [
    [2, 20],
    [1, 10],
  ] as const) {
    const { attempt } = await ledger.startAttempt(run, window, VERSION, () => ({}));
    await ledger.finishAttempt(run, window, attempt, { rows, sums: [] });
  }
  await ledger.startAttempt(run, 3, VERSION, () => ({}));
  const paces = await ledger.paces(run);
  expect(paces.map((p) => p.rows)).toEqual([20, 10]);
  for (const { seconds } of paces) expect(seconds).toBeGreaterThan(0);
});
