import { amount } from '../domain/amounts.ts';
import { kindOf } from '../domain/delete-kind.ts';
import type { PlannedDelete, Warning } from '../domain/plan.ts';
import type { Range } from '../domain/words.ts';
import { partitionId, partitionOf } from '../target/partition.ts';
import { leastFreeDisk, type PartitionSize, partitionSizes } from '../target/parts.ts';
import { inRange } from '../target/tables.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** A table with the sizes of its partitions, by their ids. */
export interface SizedTable {
  readonly table: BenchTable;
  readonly sizes: ReadonlyMap<string, PartitionSize>;
}

/** What the deletes of a plan write again: whole partitions, each as often as it has deletes that rewrite. */
export interface RewriteCost {
  readonly rows: number;
  /** Of one replica of each shard. */
  readonly bytes: number;
  readonly warnings: readonly Warning[];
}

/** Counts what deletes rewrite, and warns of servers that have no room for the largest of them. */
export async function rewriteCost(
  bench: Workbench,
  tables: readonly SizedTable[],
  planned: readonly PlannedDelete[],
): Promise<RewriteCost> {
  let [rows, bytes] = [0, 0];
  const warnings: Warning[] = [];
  for (const sized of tables) {
    let largest = 0;
    for (const range of rewrittenOf(planned, sized.table)) {
      const size = await sizeOf(bench, sized, range);
      rows += size.rows;
      bytes += size.bytes;
      largest = Math.max(largest, size.largest);
    }
    warnings.push(...(await shortDisk(bench, sized.table, largest)));
  }
  return { rows, bytes, warnings };
}

/** The id of the partition that all rows of a range lie in; undefined where that is not certain. */
export function certainPartition({ target, definition }: BenchTable, range: Range): string | undefined {
  // A table without a partition key is one partition, which is called that.
  const partition = target.partitionKey === '' ? 'all' : partitionOf(target, definition.time, range);
  return partition === undefined ? undefined : partitionId(partition);
}

async function sizeOf(bench: Workbench, sized: SizedTable, range: Range): Promise<PartitionSize> {
  const certain = sized.sizes.get(certainPartition(sized.table, range) ?? '');
  if (certain) return certain;
  const { target, definition } = sized.table;
  const touched = await partitionSizes(bench.target, target, inRange(definition, bench.tenant, range));
  const sum = (key: keyof PartitionSize) => [...touched.values()].reduce((n, size) => n + size[key], 0);
  return { rows: sum('rows'), bytes: sum('bytes'), largest: sum('largest') };
}

/** The ranges of a table's deletes that rewrite something. */
function rewrittenOf(planned: readonly PlannedDelete[], table: BenchTable): readonly Range[] {
  const { name } = table.definition;
  return planned.filter((del) => del.tables.some((t) => t.table === name && kindOf(t) === 'rewrite' && t.rows > 0));
}

/** ClickHouse keeps the parts that were rewritten for some minutes, so that a partition needs its size once more. */
async function shortDisk({ target }: Workbench, table: BenchTable, largest: number): Promise<readonly Warning[]> {
  if (largest === 0) return [];
  const free = await leastFreeDisk(target, table.target);
  if (free === null || free.bytes >= largest) return [];
  const { name } = table.definition;
  return [
    {
      code: 'DISK_SHORT',
      table: name,
      message: `a delete of ${name} writes ${amount(largest, 'bytes')} again on one server before the old parts go, and ${free.server} has ${amount(free.bytes, 'bytes')} free`,
    },
  ];
}
