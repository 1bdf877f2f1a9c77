import { chLiteral } from '../dataset/sql.ts';
import type { Target } from './clickhouse.ts';
import type { Reach } from './reach.ts';
import { ALL_REPLICAS, everyReplica, type Topology } from './topology.ts';

/** Whether a statement with this text waits in the cluster's queue, or has been there not long ago. */
export async function isQueued(target: Target, topology: Topology, nonce: string): Promise<boolean> {
  const rows = await target.rows(
    `SELECT 1 AS one FROM system.distributed_ddl_queue
     WHERE cluster = {cluster:String} AND position(query, {nonce:String}) > 0 LIMIT 1`,
    { cluster: topology.cluster, nonce },
  );
  return rows.length > 0;
}

/** Whether an ALTER with this text is still at work on some server: it may yet make its mutation. */
export async function isBeingSent(target: Target, topology: Topology, nonce: string): Promise<boolean> {
  const rows = await target.rows(
    `SELECT 1 AS one FROM ${everyReplica(topology, 'system.processes')}
     WHERE query ILIKE 'ALTER%' AND position(query, ${chLiteral(nonce)}) > 0 LIMIT 1`,
    {},
    ALL_REPLICAS,
  );
  return rows.length > 0;
}

/**
 * Whether a statement with this text is still on its way to some shard: at work, or in the cluster's queue and done by no
 * replica of the shard yet. When it gets there it changes whatever is there by then.
 */
export async function isOnItsWay(reach: Reach, topology: Topology, text: string): Promise<boolean> {
  if (await isBeingSent(reach.target, topology, text)) return true;
  if (reach.direct !== null) return false;
  const rows = await reach.target.rows<{ entry: string; server: string; done: number }>(
    `SELECT entry, concat(host, ':', toString(port)) AS server, status = 'Finished' AS done
     FROM system.distributed_ddl_queue WHERE cluster = {cluster:String} AND position(query, {text:String}) > 0`,
    { cluster: topology.cluster, text },
  );
  return [...new Set(rows.map((r) => r.entry))].some((entry) => {
    const done = new Set(rows.filter((r) => r.entry === entry && r.done === 1).map((r) => r.server));
    return !topology.shards.every(({ replicas }) => replicas.some((r) => done.has(r.name)));
  });
}
