import { RefillError, type ErrorRecord } from '../domain/errors.ts';
import type { RunState, Wanted } from '../domain/states.ts';
import type { Instant, Strategy } from '../domain/words.ts';
import type { Sql } from './connection.ts';
import type { Actor, RunRecord } from './ledger.ts';

/** Key of a run's advisory lock. The seed keeps it apart from the keys of tenants, see `lockTenant`. */
export const RUN_LOCK_KEY = `hashtextextended('refill.run ' || r.id, 1)`;

/** How many candidates a message names. */
const CANDIDATES = 5;

interface RunRow {
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
  seconds: number;
  rows_deleted: number;
  rows_written: number;
  differences: number;
  error: ErrorRecord | null;
  holder: Actor | null;
  holder_since: Instant | null;
  held: boolean;
}

/**
 * Runs with their numbers summed from windows and deletes. The holder counts only while the backend that took the lock
 * has it: pg_locks shows the two halves of a key apart.
 */
const SELECT_RUNS = `
SELECT r.*, w.rows_written, d.rows_deleted, d.differences, l.pid IS NOT NULL AS held
  FROM refill.run r
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(rows), 0)::bigint AS rows_written FROM refill.run_window WHERE run = r.id
  ) w
  CROSS JOIN LATERAL (
    SELECT coalesce(sum(rows_deleted), 0)::bigint AS rows_deleted, coalesce(sum(differences), 0)::bigint AS differences
      FROM refill.run_delete WHERE run = r.id
  ) d
  LEFT JOIN pg_locks l
    ON l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.pid = r.holder_backend
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND (l.classid::bigint << 32 | l.objid::bigint) = ${RUN_LOCK_KEY}`;

function recordOf(row: RunRow): RunRecord {
  const held = row.held && row.holder !== null && row.holder_since !== null;
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
    seconds: row.seconds,
    rowsDeleted: row.rows_deleted,
    rowsWritten: row.rows_written,
    differences: row.differences,
    error: row.error,
    holder:
      held && row.holder !== null && row.holder_since !== null ? { ...row.holder, since: row.holder_since } : null,
  };
}

/** The error for a run that is not there. */
export function runUnknown(id: string): RefillError {
  return new RefillError('RUN_UNKNOWN', `No run ${id} is in the ledger.`);
}

export async function readRun(sql: Sql, beginning: string): Promise<RunRecord> {
  if (beginning === '') throw new RefillError('RUN_UNKNOWN', 'No run was named.');
  // '~' sorts after every character of an id.
  const found = await sql.rows<{ id: string }>(
    `SELECT id FROM refill.run WHERE id >= $1 AND id < $1 || '~' ORDER BY id LIMIT ${CANDIDATES + 1}`,
    [beginning],
  );
  const ids = found.map((row) => row.id);
  const id = ids.includes(beginning) ? beginning : ids[0];
  if (id === undefined) throw runUnknown(beginning);
  if (id !== beginning && ids.length > 1) {
    const candidates = ids.slice(0, CANDIDATES);
    throw new RefillError(
      'RUN_UNKNOWN',
      `Several runs begin with ${beginning}: ${candidates.join(', ')}${ids.length > CANDIDATES ? ', …' : ''}.`,
      { hint: 'Write more of the id.', details: { candidates } },
    );
  }
  const [row] = await sql.rows<RunRow>(`${SELECT_RUNS} WHERE r.id = $1`, [id]);
  if (row === undefined) throw runUnknown(id);
  return recordOf(row);
}

export async function readRuns(
  sql: Sql,
  filter: { readonly states?: readonly RunState[]; readonly limit: number },
): Promise<readonly RunRecord[]> {
  const rows = await sql.rows<RunRow>(
    `${SELECT_RUNS}
      WHERE r.id IN (
        SELECT id FROM refill.run WHERE $1::text[] IS NULL OR state = ANY ($1)
         ORDER BY created_at DESC, id LIMIT $2
      )
      ORDER BY r.created_at DESC, r.id`,
    [filter.states ?? null, filter.limit],
  );
  return rows.map(recordOf);
}
