import { RefillError, type ErrorRecord } from '../domain/errors.ts';
import { SMOOTHED_OVER, type WindowSample } from '../domain/pace.ts';
import type { Sql } from './connection.ts';
import { json } from './json.ts';
import type { AttemptRecord, SourceSums, UnitsOf } from './ledger.ts';
import { moveWindows } from './windows.ts';

type AttemptState = AttemptRecord['state'];

export async function startAttempt(
  sql: Sql,
  run: string,
  window: number,
  version: string,
  queries: (attempt: number) => Readonly<Record<string, string>>,
): Promise<AttemptRecord> {
  await moveWindows(sql, run, [window], 'writing');
  await sql.rows(
    `UPDATE refill.attempt SET state = 'abandoned', finished_at = clock_timestamp()
      WHERE run = $1 AND window_id = $2 AND state = 'started'`,
    [run, window],
  );
  const [row] = await sql.rows<{ attempt: number }>(
    'UPDATE refill.run_window SET attempts = attempts + 1 WHERE run = $1 AND id = $2 RETURNING attempts AS attempt',
    [run, window],
  );
  if (row === undefined) throw new RefillError('BUG', `Run ${run} has no window ${window}.`);
  const record: AttemptRecord = {
    window,
    attempt: row.attempt,
    state: 'started',
    version,
    queries: queries(row.attempt),
    failure: null,
  };
  await sql.rows(
    `INSERT INTO refill.attempt (run, window_id, attempt, state, version, queries) VALUES ($1, $2, $3, $4, $5, $6)`,
    [run, window, record.attempt, record.state, version, json(record.queries)],
  );
  return record;
}

/** Throws `RUN_STATE` unless the attempt is `started`, and so may become `to`. */
export async function checkAttempt(
  sql: Sql,
  run: string,
  window: number,
  attempt: number,
  to: Exclude<AttemptState, 'started'>,
  lock: 'FOR UPDATE' | '' = '',
): Promise<void> {
  const [row] = await sql.rows<{ state: AttemptState }>(
    `SELECT state FROM refill.attempt WHERE run = $1 AND window_id = $2 AND attempt = $3 ${lock}`,
    [run, window, attempt],
  );
  const name = `Attempt ${attempt} at window ${window} of run ${run}`;
  if (row === undefined) throw new RefillError('BUG', `${name} was never started.`);
  if (row.state !== 'started') {
    throw new RefillError('RUN_STATE', `${name} is ${row.state} and cannot become ${to}.`, {
      details: { from: row.state, to },
    });
  }
}

/**
 * The one function that ends an attempt. Only one that is `started` can be ended: a program that lost its lock, and
 * whose window was begun again by another, is refused here.
 */
async function endAttempt(
  sql: Sql,
  run: string,
  window: number,
  attempt: number,
  to: Exclude<AttemptState, 'started'>,
  result: { readonly rows: number | null; readonly error: ErrorRecord | null },
): Promise<void> {
  await checkAttempt(sql, run, window, attempt, to, 'FOR UPDATE');
  await sql.rows(
    `UPDATE refill.attempt SET state = $4, rows = $5, error = $6, finished_at = clock_timestamp()
      WHERE run = $1 AND window_id = $2 AND attempt = $3`,
    [run, window, attempt, to, result.rows, result.error === null ? null : json(result.error)],
  );
}

export async function finishAttempt(
  sql: Sql,
  run: string,
  window: number,
  attempt: number,
  result: { readonly rows: number; readonly sums: readonly SourceSums[] },
): Promise<void> {
  await lockWindow(sql, run, window);
  await endAttempt(sql, run, window, attempt, 'done', { rows: result.rows, error: null });
  await moveWindows(sql, run, [window], 'written');
  if (attempt > 1)
    await sql.rows(
      `UPDATE refill.run_tally t SET written_again = t.written_again + w.rows
         FROM refill.run_window w WHERE w.run = $1 AND w.id = $2 AND w.rows > 0 AND t.run = w.run`,
      [run, window],
    );
  await sql.rows('UPDATE refill.run_window SET rows = $3 WHERE run = $1 AND id = $2', [run, window, result.rows]);
  for (const [position, sums] of result.sums.entries()) {
    await sql.rows(
      `INSERT INTO refill.source_sums (run, window_id, attempt, position, table_name, rows, excluded, buckets)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
      [run, window, attempt, position, sums.table, sums.rows, json(sums.excluded), json(sums.buckets)],
    );
  }
}

export async function failAttempt(
  sql: Sql,
  run: string,
  window: number,
  attempt: number,
  error: ErrorRecord,
  final: boolean,
): Promise<void> {
  await lockWindow(sql, run, window);
  await endAttempt(sql, run, window, attempt, 'abandoned', { rows: null, error });
  await moveWindows(sql, run, [window], final ? 'failed' : 'pending', error);
}

/** Windows are locked before their attempts, everywhere: else two transactions could wait for each other. */
async function lockWindow(sql: Sql, run: string, window: number): Promise<void> {
  await sql.rows('SELECT FROM refill.run_window WHERE run = $1 AND id = $2 FOR UPDATE', [run, window]);
}

export async function readAttempts(sql: Sql, run: string, of: UnitsOf = {}): Promise<readonly AttemptRecord[]> {
  return await sql.rows<AttemptRecord>(
    `SELECT a.window_id AS "window", a.attempt, a.state, a.version, a.queries,
            CASE WHEN a.attempt > w.attempts_before_retry THEN a.error->>'code' END AS failure
       FROM refill.attempt a JOIN refill.run_window w ON w.run = a.run AND w.id = a.window_id
      WHERE a.run = $1 AND ($2::integer IS NULL OR a.window_id = $2) AND ($3::integer IS NULL OR w.delete_id = $3)
      ORDER BY a.window_id, a.attempt`,
    [run, of.window ?? null, of.delete ?? null],
  );
}

export async function readSums(
  sql: Sql,
  run: string,
  window: number,
): Promise<{ readonly snapshot: string; readonly tables: readonly SourceSums[] }> {
  const [last] = await sql.rows<{ attempt: number; version: string }>(
    `SELECT attempt, version FROM refill.attempt WHERE run = $1 AND window_id = $2 AND state = 'done'
      ORDER BY attempt DESC LIMIT 1`,
    [run, window],
  );
  if (last === undefined) throw new RefillError('BUG', `Window ${window} of run ${run} was never written.`);
  const tables = await sql.rows<SourceSums>(
    `SELECT table_name AS "table", rows, excluded, buckets FROM refill.source_sums
      WHERE run = $1 AND window_id = $2 AND attempt = $3 ORDER BY position`,
    [run, window, last.attempt],
  );
  return { snapshot: last.version, tables };
}

/** What the last windows of a run took, the newest last: as many as a pace is made of. */
export async function readPaces(sql: Sql, run: string): Promise<readonly WindowSample[]> {
  const rows = await sql.rows<WindowSample>(
    // The bound is for the index, which is of all runs: a run without a window of today has nothing to tell.
    `SELECT rows, extract(epoch FROM finished_at - started_at)::float8 AS seconds FROM refill.attempt
      WHERE run = $1 AND state = 'done' AND finished_at > clock_timestamp() - interval '1 day'
      ORDER BY finished_at DESC LIMIT $2`,
    [run, SMOOTHED_OVER],
  );
  return rows.toReversed();
}
