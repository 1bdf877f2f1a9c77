import { addTallies, type BackfillPlan, type BackfillState, widened } from '../domain/backfill.ts';
import { RefillError } from '../domain/errors.ts';
import type { Unjudged } from '../domain/scorer.ts';
import type { Wanted } from '../domain/states.ts';
import { writeAudit } from './audit.ts';
import type { BackfillLedger, BackfillRecord, PendingChunk } from './backfill-ledger.ts';
import type { Sql } from './connection.ts';
import { findId } from './find-id.ts';
import { type Actor, BACKFILL_LOCK, holderOf, type HolderRow, joinHeld, NEW_STRETCH, secondsOf } from './holder.ts';
import { batches, json } from './json.ts';
import { BACKFILL_MOVES, checkMove } from './moves.ts';

interface BackfillRow extends HolderRow, Omit<BackfillRecord, 'holder' | 'plan' | 'run' | 'createdAt' | 'finishedAt'> {
  body: BackfillPlan;
  at_work: number;
  reindex_run: string | null;
  created_at: string;
  finished_at: string | null;
}

const SELECT_BACKFILLS = `
SELECT b.*, ${secondsOf('b')} AS at_work, coalesce(r.id, b.run) AS reindex_run, l.pid IS NOT NULL AS held
  FROM refill.backfill b
  LEFT JOIN LATERAL (
    SELECT id FROM refill.run WHERE plan = b.reindex_plan ORDER BY created_at DESC, id LIMIT 1
  ) r ON true
  ${joinHeld(BACKFILL_LOCK, 'b')}`;

function recordOf(row: BackfillRow): BackfillRecord {
  const { id, state, wanted, cursor, tally, touched, pending, after, at_work: seconds, error } = row;
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
        SET state = $2::text, error = $3, ${extra.seconds === undefined ? '' : `${NEW_STRETCH},`} seconds = seconds + $4, after = coalesce($5, after),
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

/**
 * What counts as proven is what a run that re-indexes for a backfill has proven, and which began after the last write: one
 * that somebody else made may leave out tables or rows. Of a chunk that is open nobody knows when it was committed.
 */
const UNPROVEN = `
WITH written AS (
  SELECT b.id, least(b.touched->>'first', b.pending->'touched'->>'first') AS first,
         greatest(b.touched->>'last', b.pending->'touched'->>'last') AS last,
         CASE WHEN b.pending IS NULL THEN (
           SELECT max(at) FROM refill.audit WHERE subject = b.id AND action = 'backfill.write'
         ) END AS at
    FROM refill.backfill b
   WHERE b.id <> $1 AND b.body->'tenant'->>'cluster' = $2 AND b.body->'tenant'->>'customer' = $3
     AND b.body->'tenant'->>'profile' = $4 AND b.body->'template'->>'id' = $6 AND b.body->'template'->>'revision' = $7
     -- The time of a process scorecard changes when it is submitted.
     AND ($8 OR ((b.body->'range'->>'from')::timestamptz < $10 AND (b.body->'range'->>'to')::timestamptz > $9))
)
SELECT w.id, w.first, w.last FROM written w
 WHERE w.first IS NOT NULL AND NOT EXISTS (
   SELECT FROM refill.run r JOIN refill.backfill d ON d.reindex_plan = r.plan OR d.run = r.id
    WHERE r.cluster = $2 AND r.customer = $3 AND r.profile = $4 AND r.dataset = $5 AND r.state = 'succeeded'
      AND r.range_from <= w.first::timestamptz AND r.range_to > w.last::timestamptz AND r.created_at > w.at)
 ORDER BY w.id`;

export async function readUnproven(
  sql: Sql,
  { id, tenant, dataset, template, kind, range }: BackfillPlan,
): ReturnType<BackfillLedger['unprovenOf']> {
  return await sql.rows(UNPROVEN, [
    id,
    tenant.cluster,
    tenant.customer,
    tenant.profile,
    dataset,
    template.id,
    template.revision,
    kind === 'process-scorecards',
    range.from,
    range.to,
  ]);
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
