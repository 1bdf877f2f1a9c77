import { RefillError } from '../domain/errors.ts';
import type { Plan } from '../domain/plan.ts';
import { writeAudit } from './audit.ts';
import type { Sql } from './connection.ts';
import { unknownId } from './find-id.ts';
import { json } from './json.ts';
import type { Actor, PlanSummary } from './ledger.ts';

function summaryOf(plan: Plan): PlanSummary {
  const { id, createdAt, createdBy, tenant, dataset, strategy, range, cost } = plan;
  return { id, createdAt, createdBy, tenant, dataset, strategy, range, cost };
}

export async function savePlan(sql: Sql, plan: Plan, actor: Actor): Promise<void> {
  const body = json(plan);
  const saved = await sql.rows(
    `INSERT INTO refill.plan (id, created_at, summary, body) VALUES ($1, $2, $3, $4)
      ON CONFLICT (id) DO NOTHING RETURNING id`,
    [plan.id, plan.createdAt, json(summaryOf(plan)), body],
  );
  if (saved.length > 0) {
    await writeAudit(sql, { actor, action: 'plan.save', subject: plan.id, details: {} });
    return;
  }
  const [row] = await sql.rows<{ same: boolean }>('SELECT body = $2::jsonb AS same FROM refill.plan WHERE id = $1', [
    plan.id,
    body,
  ]);
  if (row?.same !== true) throw new RefillError('BUG', `Plan ${plan.id} is saved already, with another content.`);
}

export async function readPlan(sql: Sql, id: string): Promise<Plan> {
  const [row] = await sql.rows<{ body: Plan }>('SELECT body FROM refill.plan WHERE id = $1', [id]);
  if (row === undefined) throw unknownId('PLAN_UNKNOWN', 'plan', id);
  return row.body;
}

export async function readPlans(sql: Sql, limit: number): Promise<readonly PlanSummary[]> {
  const rows = await sql.rows<{ summary: PlanSummary }>(
    'SELECT summary FROM refill.plan ORDER BY created_at DESC, id LIMIT $1',
    [limit],
  );
  return rows.map((row) => row.summary);
}
