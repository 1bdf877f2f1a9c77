import { RefillError, type ErrorRecord } from '../domain/errors.ts';
import type { Executor } from '../domain/executor.ts';
import type { ClusterTally, FleetPlan, FleetState, Unproven } from '../domain/fleet.ts';
import type { Wanted } from '../domain/states.ts';
import type { Instant } from '../domain/words.ts';
import { writeAudit } from './audit.ts';
import { readMark } from './changes.ts';
import type { Sql } from './connection.ts';
import { findId } from './find-id.ts';
import type { FleetRecord, MemberChanges, MemberRecord } from './fleet-ledger.ts';
import { FLEET_LOCK, holderOf, type HolderRow, joinHeld, NEW_STRETCH, secondsOf } from './holder.ts';
import { batches, json } from './json.ts';
import type { Actor } from './ledger.ts';
import { checkMove, FLEET_MOVES, FLEET_RETRY_MOVES } from './moves.ts';

interface FleetRow extends HolderRow {
  body: Omit<FleetPlan, 'members'>;
  state: FleetState;
  wanted: Wanted;
  begun_at: Instant | null;
  finished_at: Instant | null;
  seconds: number;
  error: ErrorRecord | null;
  executor: Executor;
  workflow: string | null;
}

const SELECT_FLEETS = `
SELECT f.body - 'members' AS body, f.state, f.wanted, f.begun_at, f.finished_at, ${secondsOf('f')} AS seconds, f.error, f.holder, f.executor, f.workflow,
       f.holder_since, l.pid IS NOT NULL AS held
  FROM refill.fleet f ${joinHeld(FLEET_LOCK, 'f')}`;

function recordOf(row: FleetRow): FleetRecord {
  const { body, state, wanted, begun_at: begunAt, finished_at: finishedAt, seconds, error, executor, workflow } = row;
  return { ...body, state, wanted, begunAt, finishedAt, seconds, error, holder: holderOf(row), executor, workflow };
}

const fleetUnknown = (id: string) => new RefillError('FLEET_UNKNOWN', `No fleet ${id} is in the ledger.`);

export async function saveFleet(sql: Sql, plan: FleetPlan, actor: Actor): Promise<void> {
  const saved = await sql.rows(
    'INSERT INTO refill.fleet (id, created_at, body) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING RETURNING id',
    [plan.id, plan.createdAt, json(plan)],
  );
  if (saved.length === 0) return;
  for (const members of batches(plan.members)) {
    await sql.rows(
      `INSERT INTO refill.fleet_member (fleet, position, cluster, customer, profile, plan, rows_before, rows_to_write,
                                        problem)
       SELECT $1, "order", cluster, customer, profile, plan, "rowsBefore", "rowsToWrite", nullif(problem, 'null'::jsonb)
         FROM jsonb_to_recordset($2)
           AS m ("order" integer, cluster text, customer text, profile text, plan text, "rowsBefore" bigint,
                 "rowsToWrite" bigint, problem jsonb)`,
      [plan.id, json(members)],
    );
  }
  await writeAudit(sql, { actor, action: 'fleet.save', subject: plan.id, details: { tenants: plan.members.length } });
}

export async function readFleet(sql: Sql, beginning: string): Promise<FleetRecord> {
  const id = await findId(sql, FLEET_LOCK, beginning);
  const [row] = await sql.rows<FleetRow>(`${SELECT_FLEETS} WHERE f.id = $1`, [id]);
  if (row === undefined) throw fleetUnknown(id);
  return recordOf(row);
}

export async function readFleets(sql: Sql, limit: number): Promise<readonly FleetRecord[]> {
  const rows = await sql.rows<FleetRow>(
    `${SELECT_FLEETS}
      WHERE f.id IN (SELECT id FROM refill.fleet ORDER BY created_at DESC, id LIMIT $1)
      ORDER BY f.created_at DESC, f.id`,
    [limit],
  );
  return rows.map(recordOf);
}

export async function readFleetPlan(sql: Sql, beginning: string): Promise<FleetPlan> {
  const id = await findId(sql, FLEET_LOCK, beginning);
  const [row] = await sql.rows<{ body: FleetPlan }>('SELECT body FROM refill.fleet WHERE id = $1', [id]);
  if (row === undefined) throw fleetUnknown(id);
  return row.body;
}

/**
 * Tenants of a fleet with their newest run and its numbers. What failed before a run was begun, or went on, counts
 * until it is begun or gone on with again; an ended run tells for itself.
 */
const MEMBERS = `
SELECT m.position, m.cluster, m.customer, m.profile, m.plan, m.rows_before, m.rows_to_write, r.id AS run,
       r.state AS run_state, r.seconds, coalesce(t.rows_deleted, 0) AS rows_deleted,
       coalesce(t.rows_written, 0) AS rows_written, coalesce(t.rows_after, 0) AS rows_after,
       coalesce(t.differences, 0) AS differences, coalesce(m.problem, m.error, r.error) AS error,
       CASE WHEN m.problem IS NOT NULL OR r.state = 'failed' THEN 'failed'
            WHEN r.state = 'succeeded' THEN 'proven'
            WHEN r.state = 'differences' THEN 'differences'
            WHEN m.error IS NOT NULL THEN 'failed'
            WHEN r.state = 'running' THEN 'running'
            ELSE 'left' END AS state
  FROM refill.fleet_member m
  LEFT JOIN LATERAL (
    SELECT id, state, ${secondsOf('run')} AS seconds, error FROM refill.run WHERE plan = m.plan ORDER BY created_at DESC, id LIMIT 1
  ) r ON true
  LEFT JOIN refill.run_tally t ON t.run = r.id
 WHERE m.fleet = $1`;

const MEMBER_COLUMNS = `position AS "order", cluster, customer, profile, plan, run, run_state AS "runState", state,
            rows_to_write AS "rowsToWrite", rows_written AS "rowsWritten"`;

export async function readFleetOf(sql: Sql, plan: string): Promise<string | null> {
  const [row] = await sql.rows<{ fleet: string }>('SELECT fleet FROM refill.fleet_member WHERE plan = $1', [plan]);
  return row?.fleet ?? null;
}

export async function readMembers(sql: Sql, fleet: string, order?: number): Promise<readonly MemberRecord[]> {
  return await sql.rows<MemberRecord>(
    `SELECT ${MEMBER_COLUMNS}
       FROM (${MEMBERS} AND ($2::integer IS NULL OR m.position = $2)) m ORDER BY position`,
    [fleet, order ?? null],
  );
}

/** Marks are those of `readChanges`. */
export async function readMemberChanges(sql: Sql, fleet: string, since: string | null): Promise<MemberChanges> {
  const mark = await readMark(sql);
  if (since === null) return { members: await readMembers(sql, fleet), mark };
  // As an array, so that the tenants are found by their key: there are few of them, which no statistics know.
  const members = await sql.rows<MemberRecord>(
    `SELECT ${MEMBER_COLUMNS}
       FROM (${MEMBERS} AND m.position = ANY (ARRAY(
               SELECT position FROM refill.fleet_member WHERE fleet = $1 AND changed >= $2::xid8
                UNION
               SELECT c.position FROM refill.run r JOIN refill.fleet_member c ON c.plan = r.plan
                WHERE c.fleet = $1 AND r.changed >= $2::xid8))) m ORDER BY position`,
    [fleet, since],
  );
  return { members, mark };
}

export async function readTally(sql: Sql, fleet: string): Promise<readonly ClusterTally[]> {
  const counts = ['proven', 'differences', 'failed', 'running', 'left'].map(
    (state) => `count(*) FILTER (WHERE state = '${state}') AS "${state}"`,
  );
  return await sql.rows<ClusterTally>(
    `SELECT cluster, count(*) AS tenants, ${counts.join(', ')},
            sum(rows_before)::bigint AS "rowsBefore", sum(rows_deleted)::bigint AS "rowsDeleted",
            sum(rows_written)::bigint AS "rowsWritten", sum(rows_to_write)::bigint AS "rowsToWrite",
            CASE WHEN bool_and(state IN ('proven', 'differences')) THEN sum(rows_after)::bigint END AS "rowsAfter",
            round(coalesce(sum(seconds), 0)::numeric, 1)::double precision AS seconds
       FROM (${MEMBERS}) m GROUP BY cluster ORDER BY cluster`,
    [fleet],
  );
}

export async function readUnproven(
  sql: Sql,
  fleet: string,
  limit: number,
  order?: number,
): Promise<readonly Unproven[]> {
  const rows = await sql.rows<Omit<Unproven, 'reason'> & { runState: string | null; rows: number }>(
    `SELECT cluster, customer, profile, state, run, run_state AS "runState", differences AS rows,
            CASE WHEN state = 'failed' THEN error END AS error
       FROM (${MEMBERS} AND ($3::integer IS NULL OR m.position = $3)) m
      WHERE state <> 'proven' ORDER BY position LIMIT $2`,
    [fleet, limit, order ?? null],
  );
  return rows.map(({ runState, rows: differ, ...member }) => ({
    ...member,
    reason:
      member.error?.message ??
      (member.state === 'differences' ? `${differ} rows differ` : runState === null ? 'not begun' : runState),
  }));
}

/** The state of a fleet, which nobody else can change until this transaction ends. */
async function lockState(sql: Sql, id: string): Promise<FleetState> {
  const [row] = await sql.rows<{ state: FleetState }>('SELECT state FROM refill.fleet WHERE id = $1 FOR UPDATE', [id]);
  if (row === undefined) throw fleetUnknown(id);
  return row.state;
}

export async function setFleetState(
  sql: Sql,
  id: string,
  state: FleetState,
  actor: Actor,
  extra: { readonly error?: ErrorRecord; readonly seconds?: number } = {},
): Promise<void> {
  const from = await lockState(sql, id);
  checkMove(FLEET_MOVES, `Fleet ${id}`, from, state);
  await move(sql, id, state, extra);
  const code = extra.error === undefined ? {} : { error: extra.error.code };
  await writeAudit(sql, { actor, action: 'fleet.state', subject: id, details: { from, to: state, ...code } });
}

async function move(
  sql: Sql,
  id: string,
  state: FleetState,
  extra: { readonly error?: ErrorRecord; readonly seconds?: number },
): Promise<void> {
  await sql.rows(
    `UPDATE refill.fleet
        SET state = $2::text, error = $3, ${extra.seconds === undefined ? '' : `${NEW_STRETCH},`} seconds = seconds + $4,
            wanted = CASE WHEN $2 = 'running' THEN 'run' ELSE wanted END,
            begun_at = CASE WHEN $2 = 'running' THEN coalesce(begun_at, clock_timestamp()) ELSE begun_at END,
            finished_at = CASE WHEN $2 IN ('running', 'paused') THEN NULL ELSE clock_timestamp() END
      WHERE id = $1`,
    [id, state, extra.error === undefined ? null : json(extra.error), extra.seconds ?? 0],
  );
}

export async function retryFleet(sql: Sql, id: string, actor: Actor): Promise<void> {
  const from = await lockState(sql, id);
  checkMove(FLEET_RETRY_MOVES, `Fleet ${id}`, from, 'running');
  await move(sql, id, 'running', {});
  await sql.rows('UPDATE refill.fleet_member SET error = NULL WHERE fleet = $1 AND error IS NOT NULL', [id]);
  await writeAudit(sql, { actor, action: 'fleet.retry', subject: id, details: { from } });
}

export async function setFleetWorkflow(sql: Sql, id: string, workflow: string): Promise<void> {
  await sql.rows(`UPDATE refill.fleet SET executor = 'temporal', workflow = $2 WHERE id = $1`, [id, workflow]);
}

export async function requestFleet(sql: Sql, id: string, wanted: Wanted, actor: Actor): Promise<void> {
  const state = await lockState(sql, id);
  if (state !== 'running' && state !== 'paused') {
    throw new RefillError('RUN_STATE', `Fleet ${id} is ${state}: there is nothing to ${wanted}.`, {
      details: { state, wanted },
    });
  }
  await sql.rows('UPDATE refill.fleet SET wanted = $2 WHERE id = $1', [id, wanted]);
  await writeAudit(sql, { actor, action: 'fleet.request', subject: id, details: { wanted } });
}

export async function readFleetWanted(sql: Sql, id: string): Promise<Wanted> {
  const [row] = await sql.rows<{ wanted: Wanted }>('SELECT wanted FROM refill.fleet WHERE id = $1', [id]);
  if (row === undefined) throw fleetUnknown(id);
  return row.wanted;
}

export async function setMemberError(sql: Sql, fleet: string, order: number, error: ErrorRecord | null): Promise<void> {
  await sql.rows('UPDATE refill.fleet_member SET error = $3 WHERE fleet = $1 AND position = $2', [
    fleet,
    order,
    error === null ? null : json(error),
  ]);
}
