import { chLiteral } from '../dataset/sql.ts';
import type { Target } from './clickhouse.ts';
import { localName, type TargetTable } from './tables.ts';
import { ALL_REPLICAS, everyReplica, everyShard, SELF } from './topology.ts';

type Located = Pick<TargetTable, 'database' | 'name' | 'topology'>;

/** The active parts of a partition, on one replica of each shard. Rows that are masked, or that a merge will remove, count. */
export interface PartitionSize {
  readonly rows: number;
  /** On disk. */
  readonly bytes: number;
  /** Bytes on the server that has most of them. */
  readonly largest: number;
}

/**
 * Sizes of a table's partitions, by their ids.
 *
 * @param holding ClickHouse: a condition on rows. Only partitions that hold such a row are told.
 */
export async function partitionSizes(
  target: Target,
  table: Located,
  holding?: string,
): Promise<ReadonlyMap<string, PartitionSize>> {
  const { database, name, topology } = table;
  const touched =
    holding === undefined
      ? ''
      : `AND partition_id IN (SELECT DISTINCT _partition_id FROM ${localName(table)} WHERE ${holding})`;
  const rows = await target.rows<{ id: string; rows: string; bytes: string; largest: string }>(
    `SELECT id, toString(sum(held)) AS rows, toString(sum(size)) AS bytes, toString(max(size)) AS largest
     FROM (SELECT partition_id AS id, ${SELF} AS server, sum(rows) AS held, sum(bytes_on_disk) AS size
           FROM ${everyShard(topology, 'system.parts')}
           WHERE active AND ${partsOf(database, name)} ${touched} GROUP BY id, server)
     GROUP BY id`,
  );
  return new Map(
    rows.map((row) => [row.id, { rows: Number(row.rows), bytes: Number(row.bytes), largest: Number(row.largest) }]),
  );
}

/** The server with the least space that is free on those of its disks which hold parts of a table; null where none does. */
export async function leastFreeDisk(
  target: Target,
  { database, name, topology }: Located,
): Promise<{ readonly server: string; readonly bytes: number } | null> {
  const [row] = await target.rows<{ server: string; bytes: string }>(
    `SELECT ${SELF} AS server, toString(sum(free_space)) AS bytes FROM ${everyReplica(topology, 'system.disks')}
     WHERE type = 'Local' AND name IN (SELECT disk_name FROM system.parts WHERE active AND ${partsOf(database, name)})
     GROUP BY server ORDER BY sum(free_space) LIMIT 1`,
    {},
    ALL_REPLICAS,
  );
  return row ? { server: row.server, bytes: Number(row.bytes) } : null;
}

const partsOf = (database: string, name: string): string =>
  `database = ${chLiteral(database)} AND table = ${chLiteral(name)}`;
