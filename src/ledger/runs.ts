import { RefillError, type ErrorRecord } from '../domain/errors.ts';
import type { Plan } from '../domain/plan.ts';
import { UNFINISHED_RUN_STATES, type RunState, type Wanted } from '../domain/states.ts';
import type { Instant, Range, Tenant } from '../domain/words.ts';
import { writeAudit } from './audit.ts';
import type { Sql } from './connection.ts';
import { batches, json } from './json.ts';
import { NEW_STRETCH } from './holder.ts';
import type { Actor, RunRecord } from './ledger.ts';
import { checkMove, RETRIED_RUN_STATES, RUN_MOVES } from './moves.ts';
import { readRun, runUnknown } from './run-records.ts';

/** What an overlap is about. */
interface Claim {
  readonly run: string;
  readonly tenant: Tenant;
  readonly dataset: string;
  readonly range: Range;
}

/**
 * Throws `RUN_OVERLAPS` when another unfinished run covers a part of the range. Until this transaction ends nobody
 * else can claim a range of the tenant and dataset, so that of two that try at once one sees the other.
 */
async function claimRange(sql: Sql, claim: Claim): Promise<void> {
  const { cluster, customer, profile } = claim.tenant;
  const names = [cluster, customer, profile, claim.dataset];
  // The JSON of the names: a separator could be a part of one. The seed is not the one of runs.
  await sql.rows('SELECT pg_advisory_xact_lock(hashtextextended($1, 2))', [JSON.stringify(names)]);
  const [other] = await sql.rows<{ id: string; range_from: Instant; range_to: Instant; state: RunState }>(
    `SELECT id, range_from, range_to, state FROM refill.run
      WHERE cluster = $1 AND customer = $2 AND profile = $3 AND dataset = $4
        AND range_from < $6 AND range_to > $5 AND state = ANY ($7) AND id <> $8
      ORDER BY range_from LIMIT 1`,
    [...names, claim.range.from, claim.range.to, UNFINISHED_RUN_STATES, claim.run],
  );
  if (other === undefined) return;
  throw new RefillError(
    'RUN_OVERLAPS',
    `Run ${other.id} (${other.state}) of this tenant and dataset covers ${other.range_from} to ${other.range_to}.`,
    { details: { run: other.id } },
  );
}

export async function createRun(
  sql: Sql,
  id: string,
  plan: Plan,
  actor: Actor,
  workflow: string | null,
): Promise<RunRecord> {
  const known = await sql.rows('SELECT id FROM refill.plan WHERE id = $1', [plan.id]);
  if (known.length === 0) throw new RefillError('PLAN_UNKNOWN', `No plan ${plan.id} is in the ledger.`);
  await claimRange(sql, { run: id, tenant: plan.tenant, dataset: plan.dataset, range: plan.range });
  const { cluster, customer, profile, sourceDatabase, targetDatabase } = plan.tenant;
  await sql.rows(
    `INSERT INTO refill.run (id, plan, cluster, customer, profile, source_database, target_database, dataset,
                             strategy, range_from, range_to, executor, workflow, state)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'running')`,
    [
      id,
      plan.id,
      cluster,
      customer,
      profile,
      sourceDatabase,
      targetDatabase,
      plan.dataset,
      plan.strategy,
      plan.range.from,
      plan.range.to,
      workflow === null ? 'local' : 'temporal',
      workflow,
    ],
  );
  for (const deletes of batches(plan.deletes)) {
    await sql.rows(
      `INSERT INTO refill.run_delete (run, id, range_from, range_to, state)
       SELECT $1, id, "from", "to", 'pending'
         FROM jsonb_to_recordset($2) AS d (id integer, "from" timestamptz, "to" timestamptz)`,
      [id, json(deletes.map((del) => ({ id: del.id, from: del.from, to: del.to })))],
    );
  }
  for (const windows of batches(plan.windows)) {
    await sql.rows(
      `INSERT INTO refill.run_window (run, id, delete_id, range_from, range_to, source_rows, state)
       SELECT $1, id, "delete", "from", "to", "sourceRows", 'pending'
         FROM jsonb_to_recordset($2)
           AS w (id integer, "delete" integer, "from" timestamptz, "to" timestamptz, "sourceRows" bigint)`,
      [id, json(windows)],
    );
  }
  await writeAudit(sql, { actor, action: 'run.create', subject: id, details: { plan: plan.id } });
  return await readRun(sql, id);
}

export async function setEpoch(sql: Sql, run: string, epoch: string): Promise<string> {
  const [row] = await sql.rows<{ epoch: string }>(
    'UPDATE refill.run SET epoch = coalesce(epoch, $2) WHERE id = $1 RETURNING epoch',
    [run, epoch],
  );
  if (row === undefined) throw runUnknown(run);
  return row.epoch;
}

/** The state of a run, which nobody else can change until this transaction ends. */
async function lockState(sql: Sql, run: string): Promise<RunState> {
  const [row] = await sql.rows<{ state: RunState }>('SELECT state FROM refill.run WHERE id = $1 FOR UPDATE', [run]);
  if (row === undefined) throw runUnknown(run);
  return row.state;
}

export async function setRunState(
  sql: Sql,
  run: string,
  state: RunState,
  actor: Actor,
  extra: { readonly error?: ErrorRecord; readonly seconds?: number } = {},
): Promise<void> {
  const from = await lockState(sql, run);
  checkMove(RUN_MOVES, `Run ${run}`, from, state);
  const ended = !UNFINISHED_RUN_STATES.includes(state);
  await sql.rows(
    `UPDATE refill.run
        SET state = $2, error = $3, ${extra.seconds === undefined ? '' : `${NEW_STRETCH},`} seconds = seconds + $4,
            finished_at = CASE WHEN $5 THEN clock_timestamp() END
      WHERE id = $1`,
    [run, state, extra.error === undefined ? null : json(extra.error), extra.seconds ?? 0, ended],
  );
  const code = extra.error === undefined ? {} : { error: extra.error.code };
  await writeAudit(sql, { actor, action: 'run.state', subject: run, details: { from, to: state, ...code } });
}

/**
 * Makes an ended or paused run `running` again. Its range is claimed anew: another run may have been made since.
 * The audit entry is the caller's.
 */
export async function reopenRun(sql: Sql, run: string): Promise<{ readonly from: RunState; readonly purge: boolean }> {
  const record = await readRun(sql, run);
  await claimRange(sql, { run, tenant: record.tenant, dataset: record.dataset, range: record.range });
  const from = await lockState(sql, run);
  checkMove({ ...RUN_MOVES, running: RETRIED_RUN_STATES }, `Run ${run}`, from, 'running');
  await sql.rows(
    `UPDATE refill.run SET state = 'running', wanted = 'run', error = NULL, finished_at = NULL WHERE id = $1`,
    [run],
  );
  return { from, purge: record.strategy === 'purge' };
}

export async function request(sql: Sql, run: string, wanted: Wanted, actor: Actor): Promise<void> {
  const state = await lockState(sql, run);
  if (!UNFINISHED_RUN_STATES.includes(state)) {
    throw new RefillError('RUN_STATE', `Run ${run} is ${state}: there is nothing to ${wanted}.`, {
      details: { state, wanted },
    });
  }
  await sql.rows('UPDATE refill.run SET wanted = $2 WHERE id = $1', [run, wanted]);
  await writeAudit(sql, { actor, action: 'run.request', subject: run, details: { wanted } });
}

export async function readWanted(sql: Sql, run: string): Promise<Wanted> {
  const [row] = await sql.rows<{ wanted: Wanted }>('SELECT wanted FROM refill.run WHERE id = $1', [run]);
  if (row === undefined) throw runUnknown(run);
  return row.wanted;
}
