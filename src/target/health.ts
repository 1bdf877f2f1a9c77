import { chLiteral } from '../dataset/sql.ts';
import type { Target } from './clickhouse.ts';
import { ALL_REPLICAS, everyReplica, SELF, type Topology } from './topology.ts';

/** What the servers of a target say of how busy they are: the worst of them in most respects. */
export interface TargetHealth {
  /** Of all tables: they share the servers' threads. */
  readonly unfinishedMutations: Found;
  /** Of each partition of the tenant's database, on each server. */
  readonly parts: readonly Found[];
  /** Seconds; 0 where nothing is replicated. */
  readonly replicaLag: Found;
  /** Null where no server has a disk of its own, but S3 and the like. */
  readonly diskFreeShare: Found | null;
  readonly diskFreeBytes: Found | null;
}

/** A value, and where it was found. */
export interface Found {
  readonly value: number;
  readonly subject: string;
}

export async function targetHealth(target: Target, topology: Topology, database: string): Promise<TargetHealth> {
  const ask = async (value: string, subject: string, table: string, where: string): Promise<readonly Found[]> => {
    // Named otherwise than the columns: ClickHouse would put the one into the other.
    const rows = await target.rows<{ found_value: string; found_subject: string }>(
      `SELECT toString(${value}) AS found_value, ${subject} AS found_subject FROM ${everyReplica(topology, table)} ${where}`,
      {},
      ALL_REPLICAS,
    );
    return rows.map((row) => ({ value: Number(row.found_value), subject: row.found_subject }));
  };
  const ours = `database = ${chLiteral(database)}`;
  const [mutations, parts, lags, shares, bytes] = await Promise.all([
    ask('count()', SELF, 'system.mutations', 'WHERE NOT is_done GROUP BY found_subject'),
    ask(
      'count()',
      `concat(table, ' ', partition_id, ' on ', ${SELF})`,
      'system.parts',
      `WHERE active AND ${ours} GROUP BY found_subject`,
    ),
    ask('absolute_delay', `concat(table, ' on ', ${SELF})`, 'system.replicas', `WHERE ${ours}`),
    ask('free_space / total_space', DISK, 'system.disks', `WHERE type = 'Local' AND total_space > 0`),
    ask('free_space', DISK, 'system.disks', `WHERE type = 'Local'`),
  ]);
  return {
    unfinishedMutations: largest(mutations) ?? NOTHING,
    parts,
    replicaLag: largest(lags) ?? NOTHING,
    diskFreeShare: smallest(shares),
    diskFreeBytes: smallest(bytes),
  };
}

const DISK = `concat(name, ' on ', ${SELF})`;
const NOTHING: Found = { value: 0, subject: '' };

/** The largest of what was found; null where nothing was. */
export function largest(found: readonly Found[]): Found | null {
  return found.reduce<Found | null>((most, one) => (most === null || one.value > most.value ? one : most), null);
}

function smallest(found: readonly Found[]): Found | null {
  return found.reduce<Found | null>((least, one) => (least === null || one.value < least.value ? one : least), null);
}
