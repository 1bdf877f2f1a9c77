import { addTallies, type BackfillChunk, type BackfillPlan, type BackfillState } from '../domain/backfill.ts';
import type { Unjudged } from '../domain/scorer.ts';
import { writeAudit } from './audit.ts';
import type { BackfillLedger, BackfillRecord, PendingChunk } from './backfill-ledger.ts';
import type { Sql } from './connection.ts';
import { findId } from './find-id.ts';
import { type Actor, BACKFILL_LOCK, holderOf, type HolderRow, joinHeld } from './holder.ts';
import { batches, json } from './json.ts';
import { BACKFILL_MOVES, checkMove } from './moves.ts';

interface BackfillRow extends HolderRow, Omit<BackfillRecord, 'holder' | 'plan' | 'createdAt' | 'finishedAt'> {
  body: BackfillPlan;
  created_at: string;
  finished_at: string | null;
}

const SELECT_BACKFILLS = `
SELECT b.*, l.pid IS NOT NULL AS held FROM refill.backfill b ${joinHeld(BACKFILL_LOCK, 'b')}`;

function recordOf(row: BackfillRow): BackfillRecord {
  const { id, state, cursor, tally, touched, pending, after, run, seconds, error } = row;
  return {
    id,
    plan: row.body,
    state,
    cursor,
    tally,
    touched,
    pending,
    after,
    run,
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
  const ended = state === 'succeeded' || state === 'incomplete';
  await sql.rows(
    `UPDATE refill.backfill
        SET state = $2, error = $3, seconds = seconds + $4, run = coalesce($5, run), after = coalesce($6, after),
            finished_at = CASE WHEN $7 THEN clock_timestamp() END
      WHERE id = $1`,
    [
      id,
      state,
      extra.error === undefined ? null : json(extra.error),
      extra.seconds ?? 0,
      extra.run ?? null,
      extra.after === undefined ? null : json(extra.after),
      ended,
    ],
  );
  const run = extra.run === undefined ? {} : { run: extra.run };
  const error = extra.error === undefined ? {} : { error: extra.error.code };
  await writeAudit(sql, {
    actor,
    action: 'backfill.state',
    subject: id,
    details: { from, to: state, ...run, ...error },
  });
}
