import { RefillError, type ErrorRecord } from '../domain/errors.ts';
import type { DeleteState } from '../domain/states.ts';
import type { Sql } from './connection.ts';
import { json } from './json.ts';
import type { DeleteRecord, MutationRecord } from './ledger.ts';
import { checkMove, DELETE_MOVES, DELETE_RETRY_MOVES } from './moves.ts';

/** A delete that nobody else can change until this transaction ends. */
export async function lockDelete(
  sql: Sql,
  run: string,
  del: number,
): Promise<{ readonly state: DeleteState; readonly round: number }> {
  const [row] = await sql.rows<{ state: DeleteState; round: number }>(
    'SELECT state, round FROM refill.run_delete WHERE run = $1 AND id = $2 FOR UPDATE',
    [run, del],
  );
  if (row === undefined) throw new RefillError('BUG', `Run ${run} has no delete ${del}.`);
  return row;
}

/** The one function that changes a delete's state. `how` says whether it is `retry` that asks. */
export async function moveDelete(
  sql: Sql,
  run: string,
  del: number,
  to: DeleteState,
  error: ErrorRecord | null = null,
  how: 'work' | 'retry' = 'work',
): Promise<void> {
  const { state } = await lockDelete(sql, run, del);
  checkMove(how === 'work' ? DELETE_MOVES : DELETE_RETRY_MOVES, `Delete ${del} of run ${run}`, state, to);
  await sql.rows('UPDATE refill.run_delete SET state = $3, error = $4 WHERE run = $1 AND id = $2', [
    run,
    del,
    to,
    error === null ? null : json(error),
  ]);
}

/**
 * A delete of no mutations is `finished` at once. Planning the same nonces again, before any was assigned, keeps the
 * newer count of rows.
 */
export async function planMutations(
  sql: Sql,
  run: string,
  del: number,
  mutations: readonly Omit<MutationRecord, 'delete' | 'ids' | 'state'>[],
): Promise<void> {
  const before = await lockDelete(sql, run, del);
  await moveDelete(sql, run, del, 'submitted');
  if (before.state === 'submitted') await requireSame(sql, run, del, before.round, mutations);
  for (const [position, mutation] of mutations.entries()) {
    await sql.rows(
      `INSERT INTO refill.mutation (run, nonce, delete_id, round, position, table_name, statement, rows)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
       ON CONFLICT (run, nonce) DO UPDATE SET rows = excluded.rows`,
      [run, mutation.nonce, del, before.round, position, mutation.table, mutation.statement, mutation.rows],
    );
  }
  if (mutations.length === 0) await moveDelete(sql, run, del, 'finished');
}

async function requireSame(
  sql: Sql,
  run: string,
  del: number,
  round: number,
  mutations: readonly Pick<MutationRecord, 'nonce' | 'table' | 'statement'>[],
): Promise<void> {
  const kept = await sql.rows<Pick<MutationRecord, 'nonce' | 'table' | 'statement' | 'state'>>(
    `SELECT nonce, table_name AS "table", statement, state FROM refill.mutation
      WHERE run = $1 AND delete_id = $2 AND round = $3`,
    [run, del, round],
  );
  const same =
    kept.length === mutations.length &&
    kept.every(
      (one) =>
        one.state === 'planned' &&
        mutations.some((m) => m.nonce === one.nonce && m.table === one.table && m.statement === one.statement),
    );
  if (!same) throw new RefillError('RUN_STATE', `Delete ${del} of run ${run} has other mutations already.`);
}

export async function readMutations(
  sql: Sql,
  run: string,
  del: number | undefined,
): Promise<readonly MutationRecord[]> {
  return await sql.rows<MutationRecord>(
    `SELECT m.delete_id AS "delete", m.table_name AS "table", m.nonce, m.statement, m.ids, m.rows, m.state
       FROM refill.mutation m
       JOIN refill.run_delete d ON d.run = m.run AND d.id = m.delete_id AND d.round = m.round
      WHERE m.run = $1 AND ($2::integer IS NULL OR m.delete_id = $2)
      ORDER BY m.delete_id, m.position`,
    [run, del ?? null],
  );
}

export async function setMutation(
  sql: Sql,
  run: string,
  nonce: string,
  state: 'assigned' | 'finished',
  ids: MutationRecord['ids'],
): Promise<void> {
  const [mutation] = await sql.rows<{ delete_id: number }>(
    'SELECT delete_id FROM refill.mutation WHERE run = $1 AND nonce = $2',
    [run, nonce],
  );
  if (mutation === undefined) throw new RefillError('BUG', `Run ${run} has no mutation ${nonce}.`);
  // The delete is locked before its mutations are looked at: two tables that finish at once must see each other.
  const del = await lockDelete(sql, run, mutation.delete_id);
  const moved = await sql.rows(
    `UPDATE refill.mutation SET state = $3, ids = $4
      WHERE run = $1 AND nonce = $2 AND (state <> 'finished' OR $3 = 'finished') RETURNING nonce`,
    [run, nonce, state, json(ids)],
  );
  if (moved.length === 0) {
    throw new RefillError('RUN_STATE', `Mutation ${nonce} of run ${run} is finished and cannot become ${state}.`);
  }
  await follow(sql, run, mutation.delete_id, del);
}

/** Moves a delete on when all mutations of its round have come as far. A failed or proven one stays what it is. */
async function follow(
  sql: Sql,
  run: string,
  del: number,
  now: { readonly state: DeleteState; readonly round: number },
): Promise<void> {
  if (now.state !== 'submitted' && now.state !== 'assigned') return;
  const [all] = await sql.rows<{ assigned: boolean; finished: boolean }>(
    `SELECT bool_and(state <> 'planned') AS assigned, bool_and(state = 'finished') AS finished
       FROM refill.mutation WHERE run = $1 AND delete_id = $2 AND round = $3`,
    [run, del, now.round],
  );
  if (all?.finished === true) await moveDelete(sql, run, del, 'finished');
  else if (all?.assigned === true && now.state === 'submitted') await moveDelete(sql, run, del, 'assigned');
}

export async function failDelete(sql: Sql, run: string, del: number, error: ErrorRecord): Promise<void> {
  await moveDelete(sql, run, del, 'failed', error);
}

export async function keepLate(sql: Sql, run: string, late: ReadonlyMap<number, number>): Promise<void> {
  await sql.rows(
    `WITH late AS (
       SELECT d.id, coalesce(f.rows::bigint, 0) AS rows
         FROM refill.run_delete d LEFT JOIN jsonb_each_text($2) AS f (id, rows) ON f.id = d.id::text WHERE d.run = $1
     )
     UPDATE refill.run_delete d
        SET rows_deleted = d.rows_deleted + greatest(0, d.rows_late - late.rows), rows_late = late.rows
       FROM late WHERE d.run = $1 AND d.id = late.id AND d.rows_late <> late.rows`,
    [run, json(Object.fromEntries(late))],
  );
}

/** @param since As of `readWindows`. */
export async function readDeletes(
  sql: Sql,
  run: string,
  id: number | undefined,
  since: string | null = null,
): Promise<readonly DeleteRecord[]> {
  return await sql.rows<DeleteRecord>(
    `SELECT id, range_from AS "from", range_to AS "to", state, error
       FROM refill.run_delete
      WHERE run = $1 AND ($2::integer IS NULL OR id = $2) AND ($3::xid8 IS NULL OR changed >= $3) ORDER BY id`,
    [run, id ?? null, since],
  );
}
