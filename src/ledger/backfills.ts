import { addTallies, type BackfillChunk, type BackfillPlan, type BackfillState } from '../domain/backfill.ts';
import { RefillError } from '../domain/errors.ts';
import type { Unjudged } from '../domain/scorer.ts';
import type { Wanted } from '../domain/states.ts';
import { writeAudit } from './audit.ts';
import type { BackfillLedger, BackfillRecord, PendingChunk } from './backfill-ledger.ts';
import type { Sql } from './connection.ts';
import { findId } from './find-id.ts';
import { type Actor, BACKFILL_LOCK, holderOf, type HolderRow, joinHeld } from './holder.ts';
import { batches, json } from './json.ts';
import { BACKFILL_MOVES, checkMove } from './moves.ts';

interface BackfillRow extends HolderRow, Omit<BackfillRecord, 'holder' | 'plan' | 'run' | 'createdAt' | 'finishedAt'> {
  body: BackfillPlan;
  reindex_run: string | null;
  created_at: string;
  finished_at: string | null;
}

const SELECT_BACKFILLS = `
SELECT b.*, coalesce(r.id, b.run) AS reindex_run, l.pid IS NOT NULL AS held
  FROM refill.backfill b
  LEFT JOIN LATERAL (
    SELECT id FROM refill.run WHERE plan = b.reindex_plan ORDER BY created_at DESC, id LIMIT 1
  ) r ON true
  ${joinHeld(BACKFILL_LOCK, 'b')}`;

function recordOf(row: BackfillRow): BackfillRecord {
  const { id, state, wanted, cursor, tally, touched, pending, after, seconds, error } = row;
  return {
    id,
    plan: row.body,
    state,
    wanted,
    cursor,
    tally,
    touched,
    pending,
    after,
    run: row.reindex_run,
    seconds,
    error,
    createdAt: row.created_at,
    finishedAt: row.finished_at,
    holder: holderOf(row),
  };
}

export async function saveBackfill(sql: Sql, plan: BackfillPlan, actor: Actor): Promise<void> {
  await sql.rows('INSERT INTO refill.backfill (id, created_at, body) VALUES ($1, $2, $3)', [
    plan.id,
    plan.createdAt,
    json(plan),
  ]);
  await writeAudit(sql, { actor, action: 'backfill.save', subject: plan.id, details: {} });
}

export async function readBackfill(sql: Sql, beginning: string): Promise<BackfillRecord> {
  const id = await findId(sql, BACKFILL_LOCK, beginning);
  const [row] = await sql.rows<BackfillRow>(`${SELECT_BACKFILLS} WHERE b.id = $1`, [id]);
  if (row === undefined) throw new Error(`backfill ${id} is gone`);
  return recordOf(row);
}

export async function readBackfills(sql: Sql, limit: number): Promise<readonly BackfillRecord[]> {
  const rows = await sql.rows<BackfillRow>(`${SELECT_BACKFILLS} ORDER BY b.created_at DESC, b.id LIMIT $1`, [limit]);
  return rows.map(recordOf);
}

export async function openChunk(sql: Sql, id: string, chunk: PendingChunk): Promise<void> {
  await sql.rows('UPDATE refill.backfill SET pending = $2 WHERE id = $1', [id, json(chunk)]);
}

/** From the first of both to the last of both. */
function widened(a: BackfillChunk['touched'], b: BackfillChunk['touched']): BackfillChunk['touched'] {
  if (a === null || b === null) return a ?? b;
  return { first: a.first < b.first ? a.first : b.first, last: a.last > b.last ? a.last : b.last };
}

export async function closeChunk(sql: Sql, id: string, actor: Actor): Promise<void> {
  const [row] = await sql.rows<Pick<BackfillRecord, 'tally' | 'touched' | 'pending'>>(
    'SELECT tally, touched, pending FROM refill.backfill WHERE id = $1 FOR UPDATE',
    [id],
  );
  // Closed already: the answer was lost.
  if (!row?.pending) return;
  const { cursor, tally, touched, unjudged, transaction } = row.pending;
  const sum = widened(row.touched, touched);
  await sql.rows('UPDATE refill.backfill SET cursor = $2, tally = $3, touched = $4, pending = NULL WHERE id = $1', [
    id,
    json(cursor),
    json(addTallies(row.tally, tally)),
    sum === null ? null : json(sum),
  ]);
  for (const some of batches(unjudged)) {
    await sql.rows(
      `INSERT INTO refill.backfill_unjudged (backfill, item, code, message)
       SELECT $1, id, code, message FROM jsonb_to_recordset($2) AS u (id text, code text, message text)
           ON CONFLICT DO NOTHING`,
      [id, json(some)],
    );
  }
  await writeAudit(sql, { actor, action: 'backfill.write', subject: id, details: { transaction, ...tally, touched } });
}

export async function readUnjudged(sql: Sql, id: string, limit: number): Promise<readonly Unjudged[]> {
  return await sql.rows<Unjudged>(
    'SELECT item AS id, code, message FROM refill.backfill_unjudged WHERE backfill = $1 ORDER BY item LIMIT $2',
    [id, limit],
  );
}

export async function setBackfillState(
  sql: Sql,
  id: string,
  state: BackfillState,
  actor: Actor,
  extra: Parameters<BackfillLedger['setBackfillState']>[3] = {},
): Promise<void> {
  const [row] = await sql.rows<{ state: BackfillState }>('SELECT state FROM refill.backfill WHERE id = $1 FOR UPDATE', [
    id,
  ]);
  const from = row?.state ?? 'planned';
  checkMove(BACKFILL_MOVES, `Backfill ${id}`, from, state);
  const ended = state === 'succeeded' || state === 'incomplete' || state === 'cancelled';
  await sql.rows(
    `UPDATE refill.backfill
        SET state = $2::text, error = $3, seconds = seconds + $4, after = coalesce($5, after),
            wanted = CASE WHEN $2 = 'running' THEN 'run' ELSE wanted END,
            finished_at = CASE WHEN $6 THEN clock_timestamp() END
      WHERE id = $1`,
    [
      id,
      state,
      extra.error === undefined ? null : json(extra.error),
      extra.seconds ?? 0,
      extra.after === undefined ? null : json(extra.after),
      ended,
    ],
  );
  const error = extra.error === undefined ? {} : { error: extra.error.code };
  await writeAudit(sql, {
    actor,
    action: 'backfill.state',
    subject: id,
    details: { from, to: state, ...error },
  });
}

export async function setReindexPlan(sql: Sql, id: string, plan: string): Promise<void> {
  await sql.rows('UPDATE refill.backfill SET reindex_plan = $2 WHERE id = $1', [id, plan]);
}

export async function requestBackfill(sql: Sql, id: string, wanted: Wanted, actor: Actor): Promise<void> {
  const [row] = await sql.rows<{ state: BackfillState }>('SELECT state FROM refill.backfill WHERE id = $1 FOR UPDATE', [
    id,
  ]);
  if (row?.state !== 'running' && row?.state !== 'paused')
    throw new RefillError('RUN_STATE', `Backfill ${id} is ${row?.state ?? 'gone'}: there is nothing to ${wanted}.`, {
      details: { state: row?.state, wanted },
    });
  await sql.rows('UPDATE refill.backfill SET wanted = $2 WHERE id = $1', [id, wanted]);
  await writeAudit(sql, { actor, action: 'backfill.request', subject: id, details: { wanted } });
}

export async function readBackfillWanted(sql: Sql, id: string): Promise<Wanted> {
  const [row] = await sql.rows<{ wanted: Wanted }>('SELECT wanted FROM refill.backfill WHERE id = $1', [id]);
  return row?.wanted ?? 'run';
}
