import type { Readable } from 'node:stream';
import { HASH_TEXT, readStatement } from '../dataset/compile.ts';
import { chLiteral, identifier } from '../dataset/sql.ts';
import type { SourceRow, TargetRow } from '../domain/classify.ts';
import { RefillError } from '../domain/errors.ts';
import { hashRow, hashText } from '../domain/row-hash.ts';
import { instant } from '../domain/windows.ts';
import type { Range } from '../domain/words.ts';
import { postgresError } from '../source/errors.ts';
import { fieldStarts, readLines, unescapeField } from '../source/lines.ts';
import { type Source, withSource } from '../source/postgres.ts';
import { type RunVersions, newRows } from '../target/count.ts';
import { from, inRangeFinal, misplaced, rowHash, timeMs } from '../target/tables.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** What both sides know of a key. */
export interface KeyFacts {
  readonly source: SourceRow | null;
  readonly targets: readonly TargetRow[];
}

/** Keys asked for at once: each batch is a scan of the target's range, and a list that both servers have to parse. */
export const LOOKUP_BATCH = 20_000;

/**
 * Looks keys up on both sides; in the target among the rows with a time in `range`. Of a plan for a part too they are
 * looked for in all parts: one side may have another opinion of where a row belongs.
 */
export async function lookup(
  bench: Workbench,
  table: BenchTable,
  keys: readonly string[],
  range: Range,
  since?: RunVersions,
): Promise<Map<string, KeyFacts>> {
  const [source, targets] = await Promise.all([
    lookupSource(bench, table, keys),
    lookupTarget(bench, table, keys, range, since),
  ]);
  return new Map(keys.map((key) => [key, { source: source.get(key) ?? null, targets: targets.get(key) ?? [] }]));
}

/** The source's rows of some keys; a key of a row that it has not is left out. */
export async function lookupSource(
  bench: Workbench,
  table: BenchTable,
  keys: readonly string[],
): Promise<Map<string, SourceRow>> {
  return withSource(bench.source, async (source) => {
    const possible = await possibleKeys(bench, table, source, keys);
    if (possible.length === 0) return new Map();
    return readRows(table, source.copy(readStatement(table, { tenant: bench.tenant, keys: possible })));
  });
}

/** The rows of a `readStatement`, by key. */
export async function readRows(table: BenchTable, copy: Readable): Promise<Map<string, SourceRow>> {
  const names = [...table.columns.keys()];
  const [keyField, timeField] = [1 + names.indexOf(table.definition.key), 1 + names.indexOf(table.definition.time)];
  const hash = { xx: 0, murmur: 0 };
  const found = new Map<string, SourceRow>();
  try {
    await readLines(copy, (bytes, start, end) => {
      const fields = fieldStarts(bytes, start, end);
      const text = (field: number) =>
        unescapeField(bytes.toString('utf8', fields[field], (fields[field + 1] ?? 1) - 1));
      hashRow(bytes, fields[1] ?? 0, end, hash);
      const time = instant(Math.floor(Number(text(timeField)) * table.timeTickMs));
      found.set(text(keyField), { excluded: text(0) || null, time, hash: hashText(hash) });
    });
  } catch (error) {
    throw postgresError(error, `looking up rows of ${table.definition.name}`);
  }
  return found;
}

/**
 * The keys that the source's type can hold: a target's row, or what a person asks for, may have one that is no number or
 * no UUID. Postgres says so when it plans the statement, whatever rows there are.
 */
export async function possibleKeys(
  bench: Workbench,
  table: BenchTable,
  source: Source,
  keys: readonly string[],
): Promise<readonly string[]> {
  try {
    await source.query(`EXPLAIN ${readStatement(table, { tenant: bench.tenant, keys })}`);
    return keys;
  } catch (error) {
    if (!(error instanceof RefillError) || error.code !== 'PG_VALUE') throw error;
  }
  // Where it fails without keys, the keys are not at fault, and none of them may count as unknown.
  await source.query(`EXPLAIN ${readStatement(table, { tenant: bench.tenant, keys: [] })}`);
  if (keys.length === 1) return [];
  const half = Math.ceil(keys.length / 2);
  const first = await possibleKeys(bench, table, source, keys.slice(0, half));
  return [...first, ...(await possibleKeys(bench, table, source, keys.slice(half)))];
}

async function lookupTarget(
  bench: Workbench,
  table: BenchTable,
  keys: readonly string[],
  range: Range,
  since: RunVersions | undefined,
): Promise<Map<string, TargetRow[]>> {
  const { definition } = table;
  const { only = '1', ...whole } = definition;
  const key = `toString(${identifier(definition.key)})`;
  const version = definition.version === undefined ? 'NULL' : `toString(${identifier(definition.version)})`;
  const rows = await bench.target.rows<{ k: string; h: string; t: string; v: string | null; m: number; p: number }>(
    `SELECT refill_key AS k, ${HASH_TEXT} AS h, refill_time AS t, refill_version AS v, refill_misplaced AS m, refill_part AS p
     FROM (SELECT ${key} AS refill_key, ${rowHash(table)}, toUInt8(${misplaced(table) || '0'}) AS refill_misplaced,
       toUInt8(ifNull((${only}), 0)) AS refill_part, toString(${timeMs(definition)}) AS refill_time, ${version} AS refill_version
     ${from(table.target, true)}
     WHERE ${inRangeFinal(table.target, whole, bench.tenant, range)} AND ${newRows(table, since)} AND ${key} IN (${keys.map(chLiteral).join(', ')}))`,
    {},
    { max_query_size: '1000000000' },
  );
  const found = new Map<string, TargetRow[]>();
  for (const { k, h, t, v, m, p } of rows) {
    const list = found.get(k) ?? [];
    list.push({ hash: h, time: instant(Number(t)), version: v, misplaced: m === 1, inPart: p === 1 });
    found.set(k, list);
  }
  return found;
}
