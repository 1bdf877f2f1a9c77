import { writeAudit } from './audit.ts';
import type { Sql } from './connection.ts';
import type { Actor, LiveLimit } from './ledger.ts';

export async function readLiveLimits(sql: Sql): Promise<readonly LiveLimit[]> {
  const rows = await sql.rows<{ cluster: string; windows: number; actor: Actor; at: string }>(
    `SELECT cluster, windows, actor, set_at AS at FROM refill.live_limit ORDER BY cluster`,
  );
  return rows.map((r) => ({
    cluster: r.cluster === '' ? null : r.cluster,
    windows: r.windows,
    setBy: r.actor,
    setAt: r.at,
  }));
}

/** What is in force for a cluster; null where nothing was set. */
export async function readLiveLimit(sql: Sql, cluster: string): Promise<number | null> {
  const [row] = await sql.rows<{ windows: number }>(
    `SELECT windows FROM refill.live_limit WHERE cluster IN ($1, '') ORDER BY cluster DESC LIMIT 1`,
    [cluster],
  );
  return row?.windows ?? null;
}

/** Sets or withdraws a limit, with an audit entry. */
export async function setLiveLimit(
  sql: Sql,
  cluster: string | null,
  windows: number | null,
  actor: Actor,
): Promise<void> {
  if (windows === null) await sql.rows(`DELETE FROM refill.live_limit WHERE cluster = $1`, [cluster ?? '']);
  else
    await sql.rows(
      `INSERT INTO refill.live_limit (cluster, windows, actor) VALUES ($1, $2, $3)
       ON CONFLICT (cluster) DO UPDATE SET windows = excluded.windows, actor = excluded.actor, set_at = clock_timestamp()`,
      [cluster ?? '', windows, JSON.stringify(actor)],
    );
  await writeAudit(sql, { actor, action: 'limits', subject: cluster ?? 'all clusters', details: { windows } });
}
