import { chLiteral, identifier } from '../dataset/sql.ts';
import type { FoundDependent } from '../domain/dependents.ts';
import { asRefillError } from '../domain/errors.ts';
import { DAY_MS, instant, ms } from '../domain/windows.ts';
import type { Range } from '../domain/words.ts';
import { otherWriters } from '../target/dependents.ts';
import { deterministicFunctions } from '../target/functions.ts';
import {
  collapses,
  describeTable,
  from,
  inRangeFinal,
  instantLiteral,
  isReplicated,
  localName,
  ofTenant,
  type TargetTable,
} from '../target/tables.ts';
import { isSpread } from '../target/topology.ts';
import { functionsOf, type Grain, grainOf, isColumn, readViewSelect, type ViewSelect } from '../target/view-select.ts';
import { mayOn } from './rights.ts';
import { type BenchTable, benchTable, type Workbench } from './workbench.ts';

/** A view that can be derived again for a range, with everything that this takes. */
export interface Rebuild {
  /** `database.name` of the view. */
  readonly view: string;
  readonly base: BenchTable;
  /** The table that the view writes to. */
  readonly target: TargetTable;
  readonly select: ViewSelect;
  /** The target's column that follows from the time of a row. */
  readonly bucket: { readonly column: string; readonly type: string; readonly grain: Grain };
  /** The target's columns that the view fills. */
  readonly columns: readonly string[];
  /** The target's columns that name the tenant; null if the view does not keep them. */
  readonly owner: { readonly customer: string; readonly profile: string } | null;
}

/** Targets whose rows of a bucket can be cleared and written again: merges keep what is in the sorting key. */
const ENGINES = /^(?:Summing|Aggregating|Replacing)?MergeTree$/u;

/** Aggregate functions that give the same for the same rows, in whatever order they come. */
const SETTLED = new Set(
  'count sum min max avg uniq uniqExact uniqCombined uniqCombined64 uniqHLL12 groupBitAnd groupBitOr groupBitXor sumWithOverflow sumMap minMap maxMap'.split(
    ' ',
  ),
);

/** What it takes to rebuild a view, or why Refill cannot. `expiring`: tables that have a TTL. */
export async function readRebuild(
  bench: Workbench,
  found: FoundDependent,
  expiring: ReadonlySet<string>,
): Promise<Rebuild | string> {
  if (found.relation !== 'triggered' || found.kind !== 'materialized view')
    return `a ${found.kind} cannot be derived for a range`;
  if (found.through.length > 0) return `it comes after ${found.through[0]}, not after the table`;
  if (found.target === null) return 'the user may not see the table that it writes to';
  if (found.feeds) return 'other views are triggered by what it writes, and would count that again';
  const base = benchTable(bench, found.table);
  if (isSpread(bench.topology) || isReplicated(base.target)) return 'the table is replicated or has several servers';
  // What a TTL has removed cannot be derived again, and the view may still hold it.
  if (expiring.has(found.table)) return 'the table has a TTL: the view may hold what the table does not any more';
  if (!ENGINES.test(found.target.engine)) return `it writes to a ${found.target.engine}`;
  const view = `${found.database}.${found.name}`;
  const [other] = await otherWriters(bench.target, bench.topology, found.target, view);
  if (other !== undefined) return `${other} writes to the same table`;
  const target = await describeTable(bench.target, bench.topology, found.target.database, found.target.name);
  const select = readViewSelect(found.select);
  if (typeof select === 'string') return select;
  if (!target) return 'the table that it writes to is gone';
  const unsettled = await unsettledFunction(bench, found.select);
  if (unsettled !== null)
    return `${unsettled} does not give the same each time it is asked, so that nothing could be proven`;
  const bucket = bucketOf(base, target, select);
  if (typeof bucket === 'string') return bucket;
  const rebuild: Rebuild = {
    view,
    base,
    target,
    select,
    bucket,
    columns: select.items.map(({ name }) => name).filter((name) => target.columns.has(name)),
    owner: ownerOf(base, target, select),
  };
  return (await deniedRight(bench, target)) ?? (await refused(bench, rebuild)) ?? rebuild;
}

/** Whether the columns that tell a target's rows apart after a merge hold a column. */
function kept(target: TargetTable, column: string): boolean {
  if (target.engine === 'MergeTree') return true;
  return target.sortingKey.split(',').some((part) => part.trim().replaceAll('`', '') === column);
}

function bucketOf(base: BenchTable, target: TargetTable, { items, alias }: ViewSelect): Rebuild['bucket'] | string {
  const { time } = base.definition;
  const found = items.flatMap(({ name, expression }) => {
    const grain = grainOf(expression, alias, time);
    const type = target.columns.get(name)?.type;
    return grain === null || type === undefined || !kept(target, name) ? [] : [{ column: name, type, grain }];
  });
  const [finest] = found.sort((a, b) => a.grain.ms - b.grain.ms);
  return (
    finest ??
    `none of its columns follows from ${time} in a way that Refill knows${target.engine === 'MergeTree' ? '' : ' and is in the sorting key of its target'}`
  );
}

function ownerOf(base: BenchTable, target: TargetTable, { items, alias }: ViewSelect): Rebuild['owner'] {
  const { owner } = base.definition;
  if (!owner) return null;
  const column = (of: string) =>
    items.find(
      ({ name, expression }) => isColumn(expression, alias, of) && target.columns.has(name) && kept(target, name),
    )?.name;
  const [customer, profile] = [column(owner.customer), column(owner.profile)];
  return customer === undefined || profile === undefined ? null : { customer, profile };
}

/** A function of a SELECT whose result does not follow from the rows alone; null if there is none. */
async function unsettledFunction(bench: Workbench, sql: string): Promise<string | null> {
  const called = functionsOf(sql);
  const settled = await deterministicFunctions(bench.target, called);
  const plain = (name: string) => name.replace(/(?:SimpleState|State|If|Distinct|OrNull|OrDefault)+$/u, '');
  for (const name of called) {
    if (settled.has(name.toLowerCase()) && !/^(?:dict|joinGet)/u.test(name)) continue;
    if (SETTLED.has(name) || SETTLED.has(plain(name)) || SETTLED.has(name.toLowerCase())) continue;
    return name;
  }
  return null;
}

async function deniedRight(bench: Workbench, { database, name }: TargetTable): Promise<string | null> {
  const needed = [
    ...['SELECT', 'INSERT', 'ALTER DELETE'].map((right) => [right, name] as const),
    ...['CREATE TABLE', 'DROP TABLE', 'SELECT', 'INSERT'].map((right) => [right, 'refill_rebuild_r'] as const),
  ];
  const denied = await Promise.all(
    needed.map(async ([right, table]) =>
      (await mayOn(bench, right, database, table)) === false ? [right, table] : [],
    ),
  );
  const [right, table] = denied.find((one) => one.length > 0) ?? [];
  return right === undefined ? null : `the user has no right to ${right} on ${database}.${table}`;
}

/** Why the statement itself is not possible; null if it is. */
async function refused(bench: Workbench, rebuild: Rebuild): Promise<string | null> {
  const day = { from: '2000-01-01T00:00:00.000Z', to: '2000-01-02T00:00:00.000Z' };
  try {
    await bench.target.rows(`EXPLAIN ${derivedSelect(bench, rebuild, day)}`, {}, DERIVE_SETTINGS);
    return null;
  } catch (error) {
    const { action, message } = asRefillError(error);
    // A server that is away or busy says nothing about the view.
    if (action === 'retry') throw error;
    return `its SELECT cannot be made for a range: ${message}`;
  }
}

/** A profile must not change which rows are derived; a view may name columns that `*` leaves out. */
export const DERIVE_SETTINGS = {
  final: 0,
  optimize_move_to_prewhere_if_final: 0,
  do_not_merge_across_partitions_select_final: 1,
  apply_deleted_mask: 1,
  asterisk_include_materialized_columns: 1,
  asterisk_include_alias_columns: 1,
  enable_parallel_replicas: 0,
  max_execution_time: 0,
  async_insert: 0,
  insert_deduplicate: 0,
} as const;

/** ClickHouse: the condition that a bucket lies in those of a range; `value` makes one of a time. */
function within({ base, bucket }: Rebuild, range: Range, subject: string): string {
  const type = base.target.columns.get(base.definition.time)?.type ?? '';
  const at = (literal: string) => bucketAt(bucket, `CAST(${literal}, ${chLiteral(type)})`);
  // The last instant before the end, as fine as any column is.
  const last = instant(ms(range.to) - 1)
    .replace('T', ' ')
    .replace('Z', '999999');
  return `${subject} >= ${at(instantLiteral(range.from))} AND ${subject} <= ${at(`toDateTime64(${chLiteral(last)}, 9, 'UTC')`)}`;
}

/** ClickHouse: the bucket of a time, as the target's column holds it. */
const bucketAt = ({ grain, type }: Rebuild['bucket'], time: string) => `CAST(${grain.of(time)}, ${chLiteral(type)})`;

/** ClickHouse: the target's rows in the buckets of a range, of this tenant if the view keeps tenants apart. */
export function affected(bench: Workbench, rebuild: Rebuild, range: Range): string {
  const { owner, bucket } = rebuild;
  const rows = within(rebuild, range, identifier(bucket.column));
  if (!owner) return rows;
  const { customer, profile } = bench.tenant;
  return `${rows} AND ${identifier(owner.customer)} = ${chLiteral(customer)} AND ${identifier(owner.profile)} = ${chLiteral(profile)}`;
}

/** The range made larger by a bucket and a day at each end, as days of a zone are shifted against those of UTC. */
function widened(range: Range, { grain }: Rebuild['bucket']): Range {
  return { from: instant(ms(range.from) - grain.ms - DAY_MS), to: instant(ms(range.to) + grain.ms + DAY_MS) };
}

/** ClickHouse: what the view's SELECT makes of the table's rows in the buckets of a range. */
export function derivedSelect(bench: Workbench, rebuild: Rebuild, range: Range): string {
  const { base, select, bucket, columns } = rebuild;
  const { owner, only: _, ...whole } = base.definition;
  const definition = rebuild.owner && owner ? { ...whole, owner } : whole;
  const rows = [
    inRangeFinal(base.target, definition, bench.tenant, widened(range, bucket)),
    // Hidden from indexes, as the rows of a key are chosen by FINAL before their times count.
    within(rebuild, range, bucketAt(bucket, `identity(${identifier(base.definition.time)})`)),
  ].join(' AND ');
  const items = select.items.map(({ expression, name }) => `${expression} AS ${identifier(name)}`).join(', ');
  return `SELECT ${columns.map(identifier).join(', ')} FROM (SELECT ${items} FROM (SELECT * ${from(base.target, collapses(base.target))} WHERE ${rows}) AS ${identifier(select.alias)}${select.rest})`;
}

/**
 * Whether a view that does not keep tenants apart has rows of others in its buckets: those of the table would be derived
 * with this tenant's.
 */
export async function isShared(bench: Workbench, rebuild: Rebuild, range: Range): Promise<boolean> {
  const { definition, target } = rebuild.base;
  if (rebuild.owner !== null || !definition.owner) return false;
  const time = identifier(definition.time);
  const { from: first, to: end } = widened(range, rebuild.bucket);
  const rows = await bench.target.rows(
    `SELECT 1 AS refill_own_one FROM ${localName(target)} WHERE ${time} >= ${instantLiteral(first)} AND ${time} < ${instantLiteral(end)}
     AND NOT (${ofTenant(definition, bench.tenant).join(' AND ')}) LIMIT 1`,
  );
  return rows.length > 0;
}
