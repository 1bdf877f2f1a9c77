import type { Servers } from '../domain/fleet.ts';
import { withSource } from '../source/postgres.ts';
import { replicasOf } from '../target/topology.ts';
import type { Cluster } from './connect.ts';

/**
 * The servers of a cluster's target. A shard of which none answers leaves it open which they are; a dead replica does not,
 * as whoever names the others of its shard is known by them.
 */
export async function targetServers(cluster: Cluster): Promise<Servers> {
  const { topology } = await cluster.layout();
  const known = replicasOf(topology).flatMap(({ identity }) => (identity === null ? [] : [identity]));
  return { known, all: topology.shards.every(({ replicas }) => replicas.some(({ identity }) => identity !== null)) };
}

/**
 * The Postgres server of a cluster, asked in one of its databases. A copy of its files, as of a standby or a restored
 * snapshot, has the same system identifier, but has not begun at the same microsecond.
 */
export async function sourceServers(cluster: Cluster, database: string): Promise<Servers> {
  try {
    const rows = await withSource(cluster.source(database), (source) =>
      source.query<{ identity: string }>(
        `SELECT (SELECT system_identifier FROM pg_control_system()) || ' ' || extract(epoch FROM pg_postmaster_start_time()) AS identity`,
      ),
    );
    return { known: rows.map(({ identity }) => identity), all: true };
  } catch {
    return { known: [], all: false };
  }
}
