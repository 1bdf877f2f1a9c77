import { type CompiledTable, targetKey, versionLiteral } from '../dataset/compile.ts';
import type { Key } from '../dataset/key.ts';
import { identifier } from '../dataset/sql.ts';
import { parseTargetType } from '../dataset/target-type.ts';
import type { Buckets } from '../domain/balance.ts';
import { HOUR_MS, ms } from '../domain/windows.ts';
import type { Range, TenantName } from '../domain/words.ts';
import type { Target } from './clickhouse.ts';
import { from, inRange, inRangeFinal, ofTenant, outOfRange, rowHash, type TargetTable, timeMs } from './tables.ts';

export interface HourCount {
  /** Start of the hour, in ms. */
  readonly hour: number;
  readonly rows: number;
}

/**
 * Rows by hour as they are, those included that a merge would remove.
 *
 * @param before Only rows with a version from before this one.
 */
export async function countByHour(
  target: Target,
  table: CompiledTable & { target: TargetTable },
  tenant: TenantName,
  range: Range,
  before?: string,
): Promise<HourCount[]> {
  const older = before === undefined ? '' : ` AND ${olderThan(table, before)}`;
  const rows = await target.rows<{ refill_own_hour: string; refill_own_rows: string }>(
    `SELECT toString(toInt64(floor(${timeMs(table.definition)} / ${HOUR_MS}))) AS refill_own_hour, toString(count()) AS refill_own_rows
     ${from(table.target, false)} WHERE ${inRange(table.definition, tenant, range)}${older} GROUP BY 1`,
  );
  return rows.map((r) => ({ hour: Number(r.refill_own_hour) * HOUR_MS, rows: Number(r.refill_own_rows) }));
}

/** ClickHouse: the condition for rows with a version from before an instant. */
export function olderThan(table: CompiledTable, version: string): string {
  return `${identifier(table.definition.version ?? '')} < ${versionLiteral(table, version)}`;
}

/** Distinct keys by UTC day (in days since the epoch), and of the whole range under the key `null`. */
export async function countKeys(
  target: Target,
  table: CompiledTable & { target: TargetTable },
  tenant: TenantName,
  range: Range,
): Promise<Map<number | null, number>> {
  const columns = table.key.map(({ name }) => identifier(name)).join(', ');
  const rows = await target.rows<{ day: string; keys: string; whole: number }>(
    `SELECT toString(refill_own_day) AS day, toString(uniqExact(refill_own_key)) AS keys, toUInt8(grouping(refill_own_day) = 1) AS whole
     FROM (SELECT toInt64(floor(${timeMs(table.definition)} / ${24 * HOUR_MS})) AS refill_own_day, ${table.key.length === 1 ? columns : `tuple(${columns})`} AS refill_own_key
           ${from(table.target, false)} WHERE ${inRange(table.definition, tenant, range)})
     GROUP BY GROUPING SETS ((refill_own_day), ())`,
  );
  return new Map(rows.map((r) => [r.whole === 1 ? null : Number(r.day), Number(r.keys)]));
}

/** Keys as `hex` prints them: JSON holds no bytes that are not UTF-8. */
const keysOf = (rows: readonly { readonly refill_own_hex: string }[]): readonly Key[] =>
  rows.map(({ refill_own_hex }) => Buffer.from(refill_own_hex, 'hex').toString('latin1'));

/** Some keys of a range, always the same ones of the same rows. */
export async function sampleKeys(
  target: Target,
  table: CompiledTable & { target: TargetTable },
  tenant: TenantName,
  range: Range,
  most: number,
): Promise<readonly Key[]> {
  return keysOf(
    await target.rows<{ refill_own_hex: string }>(
      `SELECT hex(refill_own_key) AS refill_own_hex FROM (SELECT DISTINCT ${targetKey(table)} AS refill_own_key ${from(table.target, false)}
       WHERE ${inRange(table.definition, tenant, range)}) ORDER BY cityHash64(refill_own_key) LIMIT ${most}`,
    ),
  );
}

/** Some keys of a tenant, whichever the server reads first. */
export async function someKeys(
  target: Target,
  table: CompiledTable & { target: TargetTable },
  tenant: TenantName,
  most: number,
): Promise<readonly Key[]> {
  const of = ofTenant(table.definition, tenant);
  return keysOf(
    await target.rows<{ refill_own_hex: string }>(
      `SELECT DISTINCT hex(${targetKey(table)}) AS refill_own_hex ${from(table.target, false)}
       ${of.length > 0 ? `WHERE ${of.join(' AND ')}` : ''} LIMIT ${most}`,
    ),
  );
}

/**
 * Keys that stand in the part which a table is confined to, and outside of it as well; merges may yet remove one of them.
 * No keys where it is not confined.
 */
export async function keysOfTwoParts(
  target: Target,
  table: CompiledTable & { target: TargetTable },
  tenant: TenantName,
  range: Range,
): Promise<readonly Key[]> {
  const { only, ...whole } = table.definition;
  if (only === undefined) return [];
  const key = targetKey(table);
  // Where a row lies may follow from its part, so that its twin can be on any shard.
  return keysOf(
    await target.rows<{ refill_own_hex: string }>(
      `SELECT DISTINCT hex(${key}) AS refill_own_hex ${from(table.target, false)}
       WHERE ${inRange(whole, tenant, range)} AND NOT ifNull((${only}), 0) AND ${key} GLOBAL IN (
         SELECT ${key} ${from(table.target, false)} WHERE ${inRange(table.definition, tenant, range)})`,
    ),
  );
}

/** ClickHouse: a key column as a hash takes it: that of a NULL is NULL, which is in no set. */
function hashed(target: TargetTable, name: string): string {
  const column = identifier(name);
  const { nullable } = parseTargetType(target.columns.get(name)?.type ?? '');
  return nullable ? `isNull(${column}), ifNull(toString(${column}), '')` : column;
}

/** Keys that ClickHouse holds in memory at once, as 64-bit hashes: about 500 MB of them. */
const KEYS_A_PASS = 10_000_000;

/**
 * Keys that have rows in a range and outside of another, larger one as well.
 *
 * @param inside Where one of the rows is.
 * @param outside Rows outside of it count, of a plan for a part also those of other parts; it contains `inside`.
 * @param rows Rows in `inside`: how many passes it takes follows from them.
 */
export async function keysElsewhere(
  target: Target,
  table: CompiledTable & { target: TargetTable },
  tenant: TenantName,
  inside: Range,
  outside: Range,
  rows: number,
): Promise<readonly Key[]> {
  const { only: _part, ...whole } = table.definition;
  const columns = table.key.map(({ name }) => hashed(table.target, name)).join(', ');
  const passes = Math.max(1, Math.ceil(rows / KEYS_A_PASS));
  const found = new Set<Key>();
  for (let pass = 0; pass < passes; pass += 1) {
    const some = passes === 1 ? '' : ` AND cityHash64(${columns}) % ${passes} = ${pass}`;
    const keys = await target.rows<{ refill_own_hex: string }>(
      `SELECT DISTINCT hex(${targetKey(table)}) AS refill_own_hex ${from(table.target, false)}
       WHERE ${outOfRange(whole, tenant, outside)}${some} AND cityHash64(${columns}) GLOBAL IN (
         SELECT cityHash64(${columns}) ${from(table.target, false)} WHERE ${inRange(table.definition, tenant, inside)}${some})`,
    );
    for (const key of keysOf(keys)) found.add(key);
  }
  return [...found];
}

/** What tells a run's rows from others: by the version column, in the range of one delete. */
export interface RunVersions {
  /** Rows before it are old. */
  readonly epoch: string;
  /** Versions of the attempts that count, one for each window that was written. */
  readonly current: readonly string[];
  /** Versions of attempts that were abandoned or written again since: their rows are old, whatever their version. */
  readonly superseded: readonly string[];
}

/** ClickHouse: the condition for rows of some versions. */
export function versionIn(table: CompiledTable, versions: readonly string[]): string {
  if (versions.length === 0) return '0';
  return `${identifier(table.definition.version ?? '')} IN (${versions.map((v) => versionLiteral(table, v)).join(', ')})`;
}

/** ClickHouse: the condition for rows that `replace` deletes. */
export function oldRows(table: CompiledTable, { epoch, current, superseded }: RunVersions): string {
  const older = olderThan(table, epoch);
  const old = superseded.length > 0 ? `(${older} OR ${versionIn(table, superseded)})` : older;
  return current.length > 0 ? `${old} AND NOT (${versionIn(table, current)})` : old;
}

/** ClickHouse: the condition for rows that it keeps; all rows where nothing is told apart. */
export function newRows(table: CompiledTable, versions: RunVersions | undefined): string {
  return versions === undefined ? '1' : `NOT (${oldRows(table, versions)})`;
}

/** Which rows of a run's windows are summed. */
export interface SummedRows {
  /** Without it: all rows. */
  readonly since?: RunVersions | undefined;
  /** Rows of these versions as they were written, those included that a merge would remove. */
  readonly written?: readonly string[];
}

/**
 * Sums the hashes of the rows of several windows in one pass: rows as they are, minus those that only a pending merge
 * keeps.
 *
 * @param windows In time order, without gaps.
 * @returns The buckets of each window, in the order of `windows`.
 */
export async function targetSums(
  target: Target,
  table: CompiledTable & { target: TargetTable },
  tenant: TenantName,
  windows: readonly Range[],
  { since, written }: SummedRows = {},
): Promise<Buckets[]> {
  const [first, last] = [windows[0], windows.at(-1)];
  if (!first || !last) return [];
  const starts = windows.map((w) => ms(w.from));
  const whole = { from: first.from, to: last.to };
  const rowsOf = written
    ? `${from(table.target, false)} WHERE ${inRange(table.definition, tenant, whole)} AND ${versionIn(table, written)}`
    : `${from(table.target, true)} WHERE ${inRangeFinal(table.target, table.definition, tenant, whole)} AND ${newRows(table, since)}`;
  const rows = await target.rows<{
    refill_own_start: string;
    refill_own_bucket: number;
    refill_own_rows: string;
    refill_own_sums: string;
  }>(
    // Flat, so that every shard sums its own rows and sends nothing but sums.
    `WITH ${rowHash(table)}
     SELECT toString(roundDown(${timeMs(table.definition)}, [${starts.map((s) => `toInt64(${s})`).join(', ')}])) AS refill_own_start,
       refill_own_bucket, toString(count()) AS refill_own_rows,
       concat(toString(sum(refill_own_xx)), '.', toString(sum(refill_own_murmur))) AS refill_own_sums
     ${rowsOf}
     GROUP BY refill_own_start, refill_own_bucket`,
  );
  const byStart = new Map<number, Record<string, readonly [number, string]>>(starts.map((s) => [s, {}]));
  for (const r of rows) {
    const buckets = byStart.get(Number(r.refill_own_start));
    if (buckets) buckets[String(r.refill_own_bucket)] = [Number(r.refill_own_rows), r.refill_own_sums];
  }
  return starts.map((s) => byStart.get(s) ?? {});
}
