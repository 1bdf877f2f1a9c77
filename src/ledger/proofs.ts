import { RefillError } from '../domain/errors.ts';
import { differencesOf, type Drift, type TableProof } from '../domain/drift.ts';
import type { Sql } from './connection.ts';
import { lockDelete, moveDelete } from './deletes.ts';
import { batches, json, storable } from './json.ts';
import type { DriftFilter } from './ledger.ts';
import { moveWindows } from './windows.ts';

/** Whom proofs and drift belong to: a verification, or one round of a run's delete. */
interface Owner {
  readonly owner: string;
  readonly delete: number | null;
  readonly round: number | null;
}

export async function insertProofs(
  sql: Sql,
  { owner, delete: del, round }: Owner,
  proofs: readonly TableProof[],
  drift: readonly Drift[],
): Promise<void> {
  for (const batch of batches(proofs)) {
    await sql.rows(
      `INSERT INTO refill.proof (owner, delete_id, round, table_name, range_from, range_to, window_id, snapshot,
                                 source, target, excluded, missing, extra, stale, duplicated, unexplained,
                                 surplus, unsettled, source_sum, target_sum)
       SELECT $1, $2::integer, $3::integer, "table", "from", "to", "window", snapshot, source, target, excluded,
              missing, extra, stale, duplicated, unexplained, surplus, unsettled, "sourceSum", "targetSum"
         FROM jsonb_to_recordset($4)
           AS p ("table" text, "from" timestamptz, "to" timestamptz, "window" integer, snapshot timestamptz,
                 source bigint, target bigint, excluded jsonb, missing bigint, extra bigint, stale bigint,
                 duplicated bigint, unexplained bigint, surplus bigint, unsettled bigint, "sourceSum" text, "targetSum" text)`,
      [owner, del, round, json(batch)],
    );
  }
  for (const batch of batches(drift)) {
    await sql.rows(
      `INSERT INTO refill.drift (owner, delete_id, round, table_name, kind, key, reason, time, source_rows, target_rows,
                                 columns, elsewhere, query)
       SELECT $1, $2::integer, $3::integer, "table", kind::refill.drift_kind, key, reason, "time", source, target,
              columns, elsewhere, query
         FROM jsonb_to_recordset($4)
           AS d ("table" text, kind text, key text, reason text, "time" timestamptz, source integer, target integer,
                 columns jsonb, elsewhere jsonb, query text)`,
      [owner, del, round, json(batch)],
    );
  }
}

/**
 * Rows count once, as the first mutations of the delete counted them: what these left is deleted by those of a retry. Rows
 * of later mutations are rows that the run itself had written, unless no earlier mutation was done.
 */
export async function proveDelete(
  sql: Sql,
  run: string,
  del: number,
  proofs: readonly TableProof[],
  drift: readonly Drift[],
  rowsDeleted: number,
): Promise<void> {
  const { round } = await lockDelete(sql, run, del);
  await moveDelete(sql, run, del, 'proven');
  const windows = await sql.rows<{ id: number }>(
    'SELECT id FROM refill.run_window WHERE run = $1 AND delete_id = $2 ORDER BY id',
    [run, del],
  );
  const ids = windows.map((window) => window.id);
  const strange = proofs.find((proof) => proof.window !== null && !ids.includes(proof.window));
  if (strange !== undefined) {
    throw new RefillError('BUG', `Window ${strange.window} is not one of delete ${del} of run ${run}.`);
  }
  await moveWindows(sql, run, ids, 'done');
  await insertProofs(sql, { owner: run, delete: del, round }, proofs, drift);
  const differences = proofs.reduce((sum, proof) => sum + differencesOf(proof), 0);
  await sql.rows(
    `WITH before AS (
       SELECT round, sum(rows) AS rows, bool_and(state = 'finished') AS finished
         FROM refill.mutation WHERE run = $1 AND delete_id = $2 AND round < $6 GROUP BY round
     ), counted AS (
       SELECT (SELECT rows FROM before ORDER BY round LIMIT 1) AS first,
              (SELECT rows FROM before WHERE finished ORDER BY round LIMIT 1) AS done,
              (SELECT coalesce(sum(rows), 0) FROM before WHERE finished) AS earlier
     )
     UPDATE refill.run_delete
        SET rows_deleted = rows_deleted + CASE WHEN rows_after IS NULL THEN coalesce(first, $3::bigint) ELSE 0 END,
            rows_again = earlier + $3::bigint - coalesce(done, $3::bigint), differences = $4, rows_after = $5
       FROM counted WHERE run = $1 AND id = $2`,
    [run, del, rowsDeleted, differences, proofs.reduce((sum, proof) => sum + proof.target, 0), round],
  );
}

/** Leaves out what was made in a round of a delete that `retry` has ended: it is history. */
const NEWEST = `(t.delete_id IS NULL
  OR (t.delete_id, t.round) IN (SELECT d.id, d.round FROM refill.run_delete d WHERE d.run = $1))`;

export async function readProofs(sql: Sql, owner: string): Promise<readonly TableProof[]> {
  return await sql.rows<TableProof>(
    `SELECT table_name AS "table", range_from AS "from", range_to AS "to", window_id AS "window", snapshot, source,
            target, excluded, missing, extra, stale, duplicated, unexplained, surplus, unsettled,
            source_sum AS "sourceSum", target_sum AS "targetSum"
       FROM refill.proof t WHERE owner = $1 AND ${NEWEST} ORDER BY range_from, id`,
    [owner],
  );
}

export async function readDrift(sql: Sql, owner: string, filter: DriftFilter): Promise<readonly Drift[]> {
  const after = filter.after;
  return await sql.rows<Drift>(
    `SELECT table_name AS "table", key, kind::text AS kind, reason, time, source_rows AS source, target_rows AS target,
            columns, elsewhere, query
       FROM refill.drift t
      WHERE owner = $1 AND ($2::text IS NULL OR table_name = $2) AND ${NEWEST}
        AND ($4::text IS NULL
             OR (table_name, t.kind, key, coalesce(time, '-infinity'), reason)
              > ($4, $5::refill.drift_kind, $6, coalesce($7::timestamptz, '-infinity'), $8))
      ORDER BY table_name, t.kind, key, coalesce(time, '-infinity'), reason
      LIMIT $3`,
    [
      owner,
      filter.table ?? null,
      filter.limit,
      after?.table ?? null,
      after?.kind ?? null,
      after === undefined ? null : storable(after.key),
      after?.time ?? null,
      after === undefined ? null : storable(after.reason),
    ],
  );
}
