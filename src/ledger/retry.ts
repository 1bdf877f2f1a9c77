import { RefillError } from '../domain/errors.ts';
import type { Strategy } from '../domain/words.ts';
import { writeAudit } from './audit.ts';
import type { Sql } from './connection.ts';
import { moveDelete } from './deletes.ts';
import type { Actor } from './ledger.ts';
import { reopenRun } from './runs.ts';
import { moveWindows } from './windows.ts';

/**
 * Makes pending again: windows that failed; deletes that failed; and deletes whose proofs show drift, with all their
 * windows. Where rows are deleted before they are written (`purge`), the windows of a delete that failed are written
 * again as well: its second mutation may remove what they wrote.
 */
export async function retry(sql: Sql, run: string, actor: Actor): Promise<number> {
  const { from, purge } = await reopenRun(sql, run);
  const deletes = await sql.rows<{ id: number }>(
    `SELECT id FROM refill.run_delete
      WHERE run = $1 AND (state = 'failed' OR (state = 'proven' AND differences > 0)) ORDER BY id`,
    [run],
  );
  const windows = await sql.rows<{ id: number }>(
    `SELECT w.id FROM refill.run_window w JOIN refill.run_delete d ON d.run = w.run AND d.id = w.delete_id
      WHERE w.run = $1
        AND (w.state = 'failed'
             OR (w.state = 'done' AND d.state = 'proven' AND d.differences > 0)
             OR (w.state = 'written' AND d.state = 'failed' AND $2))
      ORDER BY w.id`,
    [run, purge],
  );
  for (const { id } of deletes) await moveDelete(sql, run, id, 'pending', null, 'retry');
  await sql.rows('UPDATE refill.run_delete SET round = round + 1, differences = 0 WHERE run = $1 AND id = ANY ($2)', [
    run,
    deletes.map((del) => del.id),
  ]);
  await moveWindows(
    sql,
    run,
    windows.map((window) => window.id),
    'pending',
    null,
    'retry',
  );
  // The source may have changed since, so that what is deleted from now on is rehearsed anew.
  await sql.rows(
    `UPDATE refill.run_window
        SET attempts_before_retry = attempts, rehearsed = false, rehearsal_failures = '{}'
      WHERE run = $1 AND state <> 'done'`,
    [run],
  );
  const details = { from, windows: windows.length, deletes: deletes.length };
  await writeAudit(sql, { actor, action: 'run.retry', subject: run, details });
  return windows.length + deletes.length;
}

export async function repeatDeletes(sql: Sql, run: string, nonces: readonly string[], actor: Actor): Promise<void> {
  const deletes = await sql.rows<{ id: number; strategy: Strategy }>(
    `SELECT DISTINCT d.id, r.strategy
       FROM refill.run_delete d JOIN refill.run r ON r.id = d.run
       JOIN refill.mutation m ON m.run = d.run AND m.delete_id = d.id AND m.round = d.round
      WHERE d.run = $1 AND m.nonce = ANY ($2) AND d.state IN ('submitted', 'assigned', 'finished') ORDER BY d.id`,
    [run, nonces],
  );
  const taken = new RefillError('MUTATION_VANISHED', 'the mutation was taken back').toJSON();
  for (const { id, strategy } of deletes) {
    await moveDelete(sql, run, id, 'failed', taken);
    await moveDelete(sql, run, id, 'pending', null, 'retry');
    await sql.rows('UPDATE refill.run_delete SET round = round + 1 WHERE run = $1 AND id = $2', [run, id]);
    const written = await sql.rows<{ id: number }>(
      `SELECT id FROM refill.run_window WHERE run = $1 AND delete_id = $2 AND state = 'written' AND $3 ORDER BY id`,
      [run, id, strategy === 'purge'],
    );
    await moveWindows(
      sql,
      run,
      written.map((window) => window.id),
      'pending',
      null,
      'retry',
    );
  }
  const ids = deletes.map((del) => del.id);
  if (ids.length > 0)
    await writeAudit(sql, { actor, action: 'run.repeat-deletes', subject: run, details: { deletes: ids } });
}
