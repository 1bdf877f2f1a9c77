import { RefillError } from '../domain/errors.ts';
import type { Plan } from '../domain/plan.ts';
import { hasRight } from './rights.ts';
import type { Workbench } from './workbench.ts';

/** Why some of these tables cannot be deleted from by a mask, by table; those that can are not in it. */
export async function againstLightweight(
  bench: Workbench,
  tables: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  if (tables.length === 0) return new Map();
  const [server] = await bench.target.rows<{ allowed: number; projected: readonly string[] }>(
    `SELECT toUInt8(getSetting('enable_lightweight_delete')) AS allowed,
       (SELECT groupUniqArray(table) FROM system.projections WHERE database = {database:String}) AS projected`,
    { database: bench.tenant.targetDatabase },
  );
  const reasons = new Map<string, string>();
  for (const table of tables) {
    const reason = await reasonAgainst(bench, table, server?.allowed === 1, server?.projected ?? []);
    if (reason !== null) reasons.set(table, reason);
  }
  return reasons;
}

async function reasonAgainst(
  bench: Workbench,
  table: string,
  allowed: boolean,
  projected: readonly string[],
): Promise<string | null> {
  if (!allowed) return 'the user’s profile has enable_lightweight_delete = 0';
  // Where it does not refuse, the server drops the parts' projections, or writes them again.
  if (projected.includes(table)) return 'it has projections';
  // Newer servers ask for ALTER DELETE alone; what they do not ask for does no harm.
  return (await hasRight(bench, 'ALTER UPDATE(_row_exists)', table)) === true
    ? null
    : `the user has no right to it (GRANT ALTER UPDATE(_row_exists) ON ${bench.tenant.targetDatabase}.${table})`;
}

/**
 * Refuses a plan with a lightweight delete of a table that has become unsuited for one since, as `PLAN_FOREIGN`: the
 * server would not refuse the statement, and drop projections instead.
 */
export async function refuseUnsuited(bench: Workbench, plan: Plan): Promise<void> {
  const masked = plan.deletes.flatMap((del) => del.tables.filter((t) => t.kind === 'lightweight').map((t) => t.table));
  const [first] = await againstLightweight(bench, [...new Set(masked)]);
  if (!first) return;
  throw new RefillError(
    'PLAN_FOREIGN',
    `plan ${plan.id} has lightweight deletes of ${first[0]}, which are not possible any more: ${first[1]}`,
  );
}
