import { chLiteral } from '../dataset/sql.ts';
import type { Target } from './clickhouse.ts';
import { ALL_REPLICAS, everyReplica, SELF, type Topology } from './topology.ts';

/** What the servers of a target say of how busy they are: the worst of them in each respect. */
export interface TargetHealth {
  /** Of all tables: they share the servers' threads. */
  readonly unfinishedMutations: Worst;
  /** Most parts in a partition of the tenant's database. */
  readonly parts: Worst;
  /** Seconds; 0 where nothing is replicated. */
  readonly replicaLag: Worst;
  readonly diskFreeShare: Worst;
  readonly diskFreeBytes: Worst;
}

/** The worst value, and where it was found. */
export interface Worst {
  readonly value: number;
  readonly subject: string;
}

export async function targetHealth(target: Target, topology: Topology, database: string): Promise<TargetHealth> {
  const ask = async (value: string, table: string, where: string, pick: 'argMax' | 'argMin'): Promise<Worst> => {
    // Named otherwise than the columns: ClickHouse would put the one into the other.
    const [row] = await target.rows<{ worst: string; where: string }>(
      `SELECT toString(${pick === 'argMax' ? 'max' : 'min'}(value)) AS worst, ${pick}(subject, value) AS \`where\`
       FROM (SELECT ${value} FROM ${everyReplica(topology, table)} ${where})`,
      {},
      ALL_REPLICAS,
    );
    return { value: Number(row?.worst ?? 0), subject: row?.where ?? '' };
  };
  const ours = `database = ${chLiteral(database)}`;
  const [unfinishedMutations, parts, replicaLag, diskFreeShare, diskFreeBytes] = await Promise.all([
    ask(`count() AS value, ${SELF} AS subject`, 'system.mutations', 'WHERE NOT is_done GROUP BY subject', 'argMax'),
    ask(
      `count() AS value, concat(table, ' ', partition_id, ' on ', ${SELF}) AS subject`,
      'system.parts',
      `WHERE active AND ${ours} GROUP BY subject`,
      'argMax',
    ),
    ask(
      `absolute_delay AS value, concat(table, ' on ', ${SELF}) AS subject`,
      'system.replicas',
      `WHERE ${ours}`,
      'argMax',
    ),
    ask(
      `free_space / total_space AS value, concat(name, ' on ', ${SELF}) AS subject`,
      'system.disks',
      `WHERE type = 'Local' AND total_space > 0`,
      'argMin',
    ),
    ask(
      `free_space AS value, concat(name, ' on ', ${SELF}) AS subject`,
      'system.disks',
      `WHERE type = 'Local'`,
      'argMin',
    ),
  ]);
  return { unfinishedMutations, parts, replicaLag, diskFreeShare, diskFreeBytes };
}
