import { type CompiledTable, targetHash } from '../dataset/compile.ts';
import { chLiteral, identifier } from '../dataset/sql.ts';
import type { TargetColumnKind, TargetColumns } from '../dataset/target-columns.ts';
import { DAY_MS, instant, ms, type PartitionSpan } from '../domain/windows.ts';
import type { Instant, Range, TenantName } from '../domain/words.ts';
import type { TableDefinition } from '../dataset/definition.ts';
import type { Target } from './clickhouse.ts';
import { shardNumber, type Topology } from './topology.ts';

/** A target table as the server describes it. */
export interface TargetTable {
  readonly database: string;
  readonly name: string;
  readonly engine: string;
  readonly partitionKey: string;
  readonly sortingKey: string;
  readonly uuid: string;
  readonly columns: TargetColumns;
  /** The servers that its rows are on. */
  readonly topology: Topology;
}

/** Describes a table; null where it does not exist. */
export async function describeTable(
  target: Target,
  topology: Topology,
  database: string,
  name: string,
): Promise<TargetTable | null> {
  const where = { database, name };
  const [table] = await target.rows<{ engine: string; partition_key: string; sorting_key: string; uuid: string }>(
    `SELECT engine, partition_key, sorting_key, toString(uuid) AS uuid FROM system.tables
     WHERE database = {database:String} AND name = {name:String}`,
    where,
  );
  if (!table) return null;
  const columns = await target.rows<{ name: string; type: string; kind: TargetColumnKind; expression: string }>(
    `SELECT name, type, default_kind AS kind, default_expression AS expression FROM system.columns
     WHERE database = {database:String} AND table = {name:String} ORDER BY position`,
    where,
  );
  return {
    database,
    name,
    engine: table.engine,
    partitionKey: table.partition_key,
    sortingKey: table.sorting_key,
    uuid: table.uuid,
    columns: new Map(columns.map(({ name: column, ...described }) => [column, described])),
    topology,
  };
}

/** Whether merges put rows of one sorting key together, so that `FINAL` means something. */
export function collapses(table: Pick<TargetTable, 'engine'>): boolean {
  return /^(Replicated|Shared)?ReplacingMergeTree$/u.test(table.engine);
}

/** Whether a table's servers copy its rows and mutations from each other. */
export function isReplicated(table: Pick<TargetTable, 'engine'>): boolean {
  return /^(Replicated|Shared)/u.test(table.engine);
}

/** How a table is partitioned over a time column. */
export function partitionSpan(table: TargetTable, time: string): PartitionSpan {
  const key = table.partitionKey.replaceAll('`', '');
  if ([`toYYYYMM(${time})`, `toStartOfMonth(${time})`].includes(key)) return 'month';
  if ([`toYYYYMMDD(${time})`, `toDate(${time})`, `toStartOfDay(${time})`, time].includes(key)) return 'day';
  return 'none';
}

/** ClickHouse: an instant as a literal. */
export function instantLiteral(instant: Instant): string {
  return `toDateTime64(${chLiteral(instant.replace('T', ' ').replace('Z', ''))}, 3, 'UTC')`;
}

/** ClickHouse: the rows of one tenant in one range. Literals only: a replicated table refuses now() and the like. */
export function inRange(table: TableDefinition, tenant: TenantName, range: Range): string {
  const time = identifier(table.time);
  return [
    `${time} >= ${instantLiteral(range.from)}`,
    `${time} < ${instantLiteral(range.to)}`,
    ...ofTenant(table, tenant),
    ...ofPart(table),
  ].join(' AND ');
}

/** ClickHouse: the rows of one tenant outside of a range. */
export function outOfRange(table: TableDefinition, tenant: TenantName, range: Range): string {
  const time = identifier(table.time);
  const outside = `(${time} < ${instantLiteral(range.from)} OR ${time} >= ${instantLiteral(range.to)})`;
  return [outside, ...ofTenant(table, tenant), ...ofPart(table)].join(' AND ');
}

/**
 * ClickHouse: the same rows for a statement that reads them with FINAL, where the newest row of a sorting key decides: if
 * its time lies outside of the range, none of that key is in it. The server leaves out parts by their times before FINAL
 * looks at them, and with them that newest row; an older one would come to life again. So the time is hidden from its
 * indexes, and what it may leave out are whole partitions, as merges never cross them.
 */
export function inRangeFinal(
  table: TargetTable,
  definition: TableDefinition,
  tenant: TenantName,
  range: Range,
): string {
  const plain = inRange(definition, tenant, range);
  // Rows of one sorting key have one time, then: nothing can be hidden.
  if (!hidesOtherTimes(table, definition.time)) return plain;
  const time = identifier(definition.time);
  return [
    ...partitionsOf(table, definition, range, plain),
    `identity(${time}) >= ${instantLiteral(range.from)}`,
    `identity(${time}) < ${instantLiteral(range.to)}`,
    ...ofTenant(definition, tenant),
    ...ofPart(definition),
  ].join(' AND ');
}

/** Conditions that leave out partitions without a row in the range, and no part of any other. */
function partitionsOf(table: TargetTable, definition: TableDefinition, range: Range, rows: string): string[] {
  const span = partitionSpan(table, definition.time);
  if (span === 'none')
    return table.partitionKey === ''
      ? []
      : [`_partition_id IN (SELECT DISTINCT _partition_id FROM ${localName(table)} WHERE ${rows})`];
  const { from: first, to: end } = wholePartitions(range, span, isUtc(table, definition.time));
  const time = identifier(definition.time);
  return [`${time} >= ${instantLiteral(first)}`, `${time} < ${instantLiteral(end)}`];
}

/** A range made larger, so that it begins and ends where partitions do, or by a day more where those follow a zone. */
function wholePartitions(range: Range, span: Exclude<PartitionSpan, 'none'>, utc: boolean): Range {
  const shift = utc ? 0 : DAY_MS;
  const [first, last] = [new Date(ms(range.from) - shift), new Date(ms(range.to) - 1 + shift)];
  const boundary = (date: Date, next: 0 | 1) =>
    span === 'month'
      ? Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + next, 1)
      : Date.UTC(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate() + next);
  return { from: instant(boundary(first, 0)), to: instant(boundary(last, 1)) };
}

/**
 * The partition that the rows of an instant may share with those of others: its month or day, or one for all where a
 * table's partitions do not follow UTC.
 */
export function partitionAt(table: TargetTable, time: string, at: Instant): string {
  const span = partitionSpan(table, time);
  return span === 'none' || !isUtc(table, time) ? '' : at.slice(0, span === 'month' ? 7 : 10);
}

/** Whether FINAL can leave out a row because of one with another time: the sorting key does not tell them apart. */
export function hidesOtherTimes(table: TargetTable, time: string): boolean {
  return collapses(table) && !sortsBy(table, time);
}

/** Whether the days of a column are those of UTC; without a zone they are the server's. */
function isUtc(table: TargetTable, column: string): boolean {
  const type = table.columns.get(column)?.type ?? '';
  return /'(?:Etc\/)?UTC'/u.test(type) || /^(?:Nullable\()?Date(?:32)?\b/u.test(type);
}

/** Whether a table's sorting key has a column itself, and not only something made of it. */
function sortsBy(table: TargetTable, column: string): boolean {
  let depth = 0;
  const parts = [''];
  for (const c of table.sortingKey.replaceAll('`', '')) {
    if (c === '(') depth += 1;
    if (c === ')') depth -= 1;
    if (c === ',' && depth === 0) parts.push('');
    else parts[parts.length - 1] += c;
  }
  return parts.some((part) => part.trim() === column);
}

/** ClickHouse: conditions that confine a statement to one tenant. */
export function ofTenant(table: TableDefinition, tenant: TenantName): string[] {
  if (!table.owner) return [];
  return [
    `${identifier(table.owner.customer)} = ${chLiteral(tenant.customer)}`,
    `${identifier(table.owner.profile)} = ${chLiteral(tenant.profile)}`,
  ];
}

/** ClickHouse: conditions that confine a statement to the part of a table that the plan is about. */
function ofPart({ only }: TableDefinition): string[] {
  return only === undefined ? [] : [`(${only})`];
}

/** ClickHouse: ticks of a time column in ms, whatever its type. */
export function timeMs(table: TableDefinition): string {
  return `toUnixTimestamp64Milli(toDateTime64(${identifier(table.time)}, 3, 'UTC'))`;
}

/** ClickHouse: the table on the server that is asked, and on no other. */
export function localName(table: Pick<TargetTable, 'database' | 'name'>): string {
  return `${identifier(table.database)}.${identifier(table.name)}`;
}

/** Which table, and where its rows are. */
type Located = Pick<TargetTable, 'database' | 'name' | 'topology'>;

/** ClickHouse: a table function with a table's rows on every shard, from one replica of each. */
function everywhere(table: Located, ...more: readonly string[]): string {
  const { cluster } = table.topology;
  return `cluster(${[cluster, table.database, table.name].map(chLiteral).concat(more).join(', ')})`;
}

/** ClickHouse: what a SELECT names to read all rows of a table. */
export function placeOf(table: Located): string {
  return table.topology.shards.length > 1 ? everywhere(table) : localName(table);
}

/** ClickHouse: a table to read from, with the rows that a pending merge would remove left out where `final`. */
export function from(table: TargetTable, final: boolean): string {
  return `FROM ${placeOf(table)}${final && collapses(table) ? ' FINAL' : ''}`;
}

/** ClickHouse: what an INSERT INTO names so that each row gets to its shard. */
export function into({ definition, target }: CompiledTable & { target: TargetTable }): string {
  if (target.topology.shards.length === 1) return localName(target);
  return `FUNCTION ${everywhere(target, definition.shard ?? 'rand()')}`;
}

/**
 * ClickHouse: the hash of the rows of a table as `targetHash` has it, where a row that lies on another shard than its
 * own counts as another row: readers that know the sharding key look for it in vain.
 */
export function rowHash(table: CompiledTable & { target: TargetTable }): string {
  return targetHash(table, misplaced(table));
}

/** ClickHouse: the condition for rows on a shard that is not theirs; empty where they cannot be. */
export function misplaced({ definition, target }: CompiledTable & { target: TargetTable }): string {
  const { topology } = target;
  if (topology.shards.length === 1 || definition.shard === undefined) return '';
  return `_shard_num != ${shardNumber(topology, definition.shard)}`;
}
