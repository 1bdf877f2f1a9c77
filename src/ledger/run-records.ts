import { RefillError, type ErrorRecord } from '../domain/errors.ts';
import type { Executor } from '../domain/executor.ts';
import type { RunState, Wanted } from '../domain/states.ts';
import type { Instant, Strategy } from '../domain/words.ts';
import type { Sql } from './connection.ts';
import { findId } from './find-id.ts';
import { type HolderRow, holderOf, joinHeld, RUN_LOCK, secondsOf } from './holder.ts';
import type { Ledger, RunRecord } from './ledger.ts';

interface RunRow extends HolderRow {
  id: string;
  plan: string;
  cluster: string;
  customer: string;
  profile: string;
  source_database: string;
  target_database: string;
  dataset: string;
  strategy: Strategy;
  range_from: Instant;
  range_to: Instant;
  state: RunState;
  wanted: Wanted;
  epoch: string | null;
  created_at: Instant;
  finished_at: Instant | null;
  at_work: number;
  rows_deleted: number;
  deleted_again: number;
  rows_sent: number;
  sent_again: number;
  rows_written: number;
  written_again: number;
  differences: number | null;
  error: ErrorRecord | null;
  executor: Executor;
  workflow: string | null;
}

/** Runs with their numbers, which triggers keep (migrations.ts). */
const SELECT_RUNS = `
SELECT r.*, ${secondsOf('r')} AS at_work, coalesce(t.rows_written, 0) AS rows_written,
       coalesce(t.rows_deleted, 0) AS rows_deleted, coalesce(t.written_again, 0) AS written_again,
       coalesce(t.deleted_again, 0) AS deleted_again, CASE WHEN t.proven > 0 THEN t.differences END AS differences,
       coalesce(s.rows, 0) AS rows_sent, coalesce(s.again, 0) AS sent_again, l.pid IS NOT NULL AS held
  FROM refill.run r
  LEFT JOIN refill.run_tally t ON t.run = r.id
  LEFT JOIN LATERAL (
    SELECT sum(m.rows)::bigint AS rows, sum(CASE WHEN d.rows_after IS NOT NULL THEN m.rows END)::bigint AS again FROM refill.run_delete d
      JOIN refill.mutation m ON m.run = d.run AND m.delete_id = d.id AND m.round = d.round
     WHERE d.run = r.id AND d.state IN ('submitted', 'assigned', 'finished', 'failed') AND r.state <> 'succeeded'
  ) s ON true
  ${joinHeld(RUN_LOCK, 'r')}`;

function recordOf(row: RunRow): RunRecord {
  return {
    id: row.id,
    plan: row.plan,
    tenant: {
      customer: row.customer,
      profile: row.profile,
      cluster: row.cluster,
      sourceDatabase: row.source_database,
      targetDatabase: row.target_database,
    },
    dataset: row.dataset,
    strategy: row.strategy,
    range: { from: row.range_from, to: row.range_to },
    state: row.state,
    wanted: row.wanted,
    epoch: row.epoch,
    createdAt: row.created_at,
    finishedAt: row.finished_at,
    seconds: row.at_work,
    rowsDeleted: row.rows_deleted,
    rowsDeletedAgain: row.deleted_again,
    rowsSent: row.rows_sent,
    rowsSentAgain: row.sent_again,
    rowsWritten: row.rows_written,
    rowsWrittenAgain: row.written_again,
    differences: row.differences,
    error: row.error,
    holder: holderOf(row),
    executor: row.executor,
    workflow: row.workflow,
  };
}

/** The error for a run that is not there. */
export function runUnknown(id: string): RefillError {
  return new RefillError('RUN_UNKNOWN', `No run ${id} is in the ledger.`);
}

export async function readRun(sql: Sql, beginning: string): Promise<RunRecord> {
  const id = await findId(sql, RUN_LOCK, beginning);
  const [row] = await sql.rows<RunRow>(`${SELECT_RUNS} WHERE r.id = $1`, [id]);
  if (row === undefined) throw runUnknown(id);
  return recordOf(row);
}

export async function readRuns(sql: Sql, filter: Parameters<Ledger['runs']>[0]): Promise<readonly RunRecord[]> {
  const rows = await sql.rows<RunRow>(
    `${SELECT_RUNS}
      WHERE r.id IN (
        SELECT id FROM refill.run
         WHERE ($1::text[] IS NULL OR state = ANY ($1)) AND ($3::text IS NULL OR plan = $3)
         ORDER BY created_at DESC, id LIMIT $2
      )
      ORDER BY r.created_at DESC, r.id`,
    [filter.states ?? null, filter.limit, filter.plan ?? null],
  );
  return rows.map(recordOf);
}
