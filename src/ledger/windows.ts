import type { ErrorCode } from '../domain/catalogue.ts';
import { RefillError, type ErrorRecord } from '../domain/errors.ts';
import type { WindowState } from '../domain/states.ts';
import type { Instant } from '../domain/words.ts';
import type { Sql } from './connection.ts';
import { json } from './json.ts';
import type { UnitsOf, WindowRecord } from './ledger.ts';
import { checkMove, WINDOW_MOVES, WINDOW_RETRY_MOVES } from './moves.ts';

/**
 * The one function that changes a window's state. The windows are locked first, in the order of their ids, so that two
 * transactions never wait for each other. `how` says whether it is `retry` that asks.
 */
export async function moveWindows(
  sql: Sql,
  run: string,
  windows: readonly number[],
  to: WindowState,
  error: ErrorRecord | null = null,
  how: 'work' | 'retry' = 'work',
): Promise<void> {
  const locked = await sql.rows<{ id: number; state: WindowState }>(
    'SELECT id, state FROM refill.run_window WHERE run = $1 AND id = ANY ($2) ORDER BY id FOR UPDATE',
    [run, windows],
  );
  if (locked.length !== windows.length) {
    const missing = windows.filter((id) => locked.every((row) => row.id !== id));
    throw new RefillError('BUG', `Run ${run} has no window ${missing.join(', ')}.`);
  }
  const moves = how === 'work' ? WINDOW_MOVES : WINDOW_RETRY_MOVES;
  for (const { id, state } of locked) checkMove(moves, `Window ${id} of run ${run}`, state, to);
  await sql.rows(
    `UPDATE refill.run_window
        SET state = $3::text,
            error = $4,
            started_at = CASE WHEN $3 = 'writing' THEN clock_timestamp() ELSE started_at END,
            finished_at = CASE WHEN $3 IN ('written', 'failed') THEN clock_timestamp()
                               WHEN $3 = 'done' THEN finished_at END
      WHERE run = $1 AND id = ANY ($2)`,
    [run, windows, to, error === null ? null : json(error)],
  );
}

export async function failWindow(sql: Sql, run: string, window: number, error: ErrorRecord): Promise<void> {
  await moveWindows(sql, run, [window], 'failed', error);
  await sql.rows(
    `UPDATE refill.attempt SET state = 'abandoned', finished_at = clock_timestamp(), error = $3
      WHERE run = $1 AND window_id = $2 AND state = 'started'`,
    [run, window, json(error)],
  );
}

/**
 * Cuts a window at an instant: it keeps its id, its attempts and what lies before, a new one takes the rest. The source's
 * rows are shared out by time. Failures before count no longer.
 */
export async function cutWindow(sql: Sql, run: string, window: number, at: Instant): Promise<void> {
  // Of two that are cut at once the second one has to see the id of the first.
  await sql.rows('SELECT pg_advisory_xact_lock(hashtextextended($1, 3))', [run]);
  await moveWindows(sql, run, [window], 'pending');
  const made = await sql.rows(
    `WITH whole AS (
       SELECT *, round(source_rows * extract(epoch FROM range_to - $3::timestamptz)
                       / extract(epoch FROM range_to - range_from))::bigint AS rest
         FROM refill.run_window WHERE run = $1 AND id = $2 AND range_from < $3 AND range_to > $3
     ), first AS (
       UPDATE refill.run_window w
          SET range_to = $3, source_rows = w.source_rows - whole.rest, attempts_before_retry = w.attempts,
              rehearsed = false, rehearsal_failures = '{}'
         FROM whole WHERE w.run = whole.run AND w.id = whole.id
     )
     INSERT INTO refill.run_window (run, id, delete_id, range_from, range_to, source_rows, state)
     SELECT run, (SELECT max(id) + 1 FROM refill.run_window WHERE run = $1), delete_id, $3, range_to, rest, 'pending'
       FROM whole RETURNING id`,
    [run, window, at],
  );
  if (made.length !== 1) throw new RefillError('BUG', `Window ${window} of run ${run} cannot be cut at ${at}.`);
}

/** Keeps what became of a rehearsal: null where it went well, else the code of why it failed. */
export async function keepRehearsal(sql: Sql, run: string, window: number, failure: ErrorCode | null): Promise<void> {
  const kept = await sql.rows(
    `UPDATE refill.run_window
        SET rehearsed = $3::text IS NULL, rehearsal_failures = array_remove(rehearsal_failures || $3::text, NULL)
      WHERE run = $1 AND id = $2 RETURNING id`,
    [run, window, failure],
  );
  if (kept.length !== 1) throw new RefillError('BUG', `Run ${run} has no window ${window}.`);
}

/** @param since A transaction: only what it or a later one has changed. */
export async function readWindows(
  sql: Sql,
  run: string,
  of: UnitsOf = {},
  since: string | null = null,
): Promise<readonly WindowRecord[]> {
  return await sql.rows<WindowRecord>(
    `SELECT id, delete_id AS "delete", range_from AS "from", range_to AS "to", source_rows AS "sourceRows", state,
            attempts, attempts - attempts_before_retry AS "attemptsSinceRetry",
            rehearsed, rehearsal_failures AS "rehearsalFailures",
            started_at AS "startedAt", finished_at AS "finishedAt", error
       FROM refill.run_window
      WHERE run = $1 AND ($2::integer IS NULL OR id = $2) AND ($3::integer IS NULL OR delete_id = $3)
        AND ($4::xid8 IS NULL OR changed >= $4)
      ORDER BY range_from`,
    [run, of.window ?? null, of.delete ?? null, since],
  );
}
