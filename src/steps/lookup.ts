import type { Readable } from 'node:stream';
import { HASH_TEXT, keyIn, readStatement, targetKey } from '../dataset/compile.ts';
import { identifier } from '../dataset/sql.ts';
import { type Key, type KeyLists, keyLists } from '../dataset/key.ts';
import type { SourceRow, TargetRow } from '../domain/classify.ts';
import { RefillError } from '../domain/errors.ts';
import { hashRow, hashText } from '../domain/row-hash.ts';
import { instant } from '../domain/windows.ts';
import type { Range } from '../domain/words.ts';
import { postgresError } from '../source/errors.ts';
import { fieldStarts, readLines } from '../source/lines.ts';
import { type Source, withSource } from '../source/postgres.ts';
import { type RunVersions, newRows } from '../target/count.ts';
import { from, inRangeFinal, misplaced, rowHash, timeMs } from '../target/tables.ts';
import { keyEnd } from './compare-keys.ts';
import { readTargetLines } from './target-lines.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** A row of the source with its canonical line, one byte a character. */
export interface FoundSource extends SourceRow {
  readonly line: string;
}

/** A row of the target likewise. */
export interface FoundTarget extends TargetRow {
  readonly line: string;
}

/** What both sides know of a key. */
export interface KeyFacts {
  readonly source: readonly FoundSource[];
  readonly targets: readonly FoundTarget[];
}

/** All of time that a table's time column can hold: nanoseconds end early in 2262, where 64 bits do. */
export function ever({ timeTickMs }: Pick<BenchTable, 'timeTickMs'>): Range {
  const end = timeTickMs < 1e-5 ? '2262-01-01T00:00:00.000Z' : '2300-01-01T00:00:00.000Z';
  return { from: '1900-01-01T00:00:00.000Z', to: end };
}

/** Keys asked for at once: each batch is a scan of the target's range, and a list that both servers have to parse. */
export const LOOKUP_BATCH = 20_000;
/** The same in bytes: a key may be as long as a text can be. */
const LOOKUP_BYTES = 8 * 1024 * 1024;

/** Keys in batches that one look-up bears. */
export function* keyBatches(keys: Iterable<Key>): Generator<readonly Key[]> {
  let [batch, bytes]: [Key[], number] = [[], 0];
  for (const key of keys) {
    if (batch.length >= LOOKUP_BATCH || (batch.length > 0 && bytes + key.length > LOOKUP_BYTES)) {
      yield batch;
      [batch, bytes] = [[], 0];
    }
    batch.push(key);
    bytes += key.length;
  }
  if (batch.length > 0) yield batch;
}

/**
 * Looks keys up on both sides; in the target among the rows with a time in `range`. Of a plan for a part too they are
 * looked for in all parts: one side may have another opinion of where a row belongs.
 */
export async function lookup(
  bench: Workbench,
  table: BenchTable,
  keys: readonly Key[],
  range: Range,
  since?: RunVersions,
): Promise<Map<Key, KeyFacts>> {
  const [source, targets] = await Promise.all([
    lookupSource(bench, table, keys, range),
    lookupTarget(bench, table, keys, range, since),
  ]);
  return new Map(keys.map((key) => [key, { source: source.get(key) ?? [], targets: targets.get(key) ?? [] }]));
}

/**
 * The source's rows of some keys; a key that it does not have is left out.
 *
 * @param range With it, rows of a table that is confined to a part say whether they are in that part, with a time in the
 * range; without it all of them are said to be.
 */
export async function lookupSource(
  bench: Workbench,
  table: BenchTable,
  keys: readonly Key[],
  range?: Range,
): Promise<Map<Key, FoundSource[]>> {
  const { tenant } = bench;
  return withSource(bench.source, async (source) => {
    const possible = keyLists(table.key, await possibleKeys(bench, table, source, keys));
    if (isEmpty(possible)) return new Map();
    const found = await readRows(table, source.copy(readStatement(table, { tenant, keys: possible })), keys);
    if (table.definition.only === undefined || range === undefined) return found;
    const own = await readRows(table, source.copy(readStatement(table, { tenant, range, keys: possible })), keys);
    const inPart = (key: Key, { hash }: SourceRow) => own.get(key)?.some((row) => row.hash === hash) === true;
    return new Map([...found].map(([key, rows]) => [key, rows.map((row) => ({ ...row, inPart: inPart(key, row) }))]));
  });
}

const isEmpty = (lists: KeyLists) => Object.values(lists).every((list) => list.length === 0);

/** The rows of a `readStatement`, by key: only those of the keys that were asked for, whatever the dataset's SQL returns. */
export async function readRows(
  table: BenchTable,
  copy: Readable,
  keys: readonly Key[],
): Promise<Map<Key, FoundSource[]>> {
  const asked = new Set(keys);
  const timeField = 1 + [...table.columns.keys()].indexOf(table.definition.time);
  const hash = { xx: 0, murmur: 0 };
  const found = new Map<Key, FoundSource[]>();
  try {
    await readLines(copy, (bytes, start, end) => {
      const fields = fieldStarts(bytes, start, end);
      const lineStart = fields[1] ?? 0;
      const key = bytes.toString('latin1', lineStart, keyEnd(bytes, lineStart, end, table.key.length));
      if (!asked.has(key)) return;
      hashRow(bytes, lineStart, end, hash);
      const ticks = bytes.toString('latin1', fields[timeField], (fields[timeField + 1] ?? 1) - 1);
      const time = instant(Math.floor(Number(ticks) * table.timeTickMs));
      const excluded = bytes.toString('utf8', start, lineStart - 1) || null;
      const line = bytes.toString('latin1', lineStart, end);
      const rows = found.get(key) ?? [];
      rows.push({ excluded, time, hash: hashText(hash), inPart: true, line });
      found.set(key, rows);
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
  keys: readonly Key[],
): Promise<readonly Key[]> {
  const { tenant } = bench;
  const explain = (some: readonly Key[]) =>
    source.query(`EXPLAIN ${readStatement(table, { tenant, keys: keyLists(table.key, some) })}`);
  try {
    await explain(keys);
    return keys;
  } catch (error) {
    if (!(error instanceof RefillError) || error.code !== 'PG_VALUE') throw error;
  }
  // Where it fails without keys, the keys are not at fault, and none of them may count as unknown.
  await explain([]);
  if (keys.length === 1) return [];
  const half = Math.ceil(keys.length / 2);
  const first = await possibleKeys(bench, table, source, keys.slice(0, half));
  return [...first, ...(await possibleKeys(bench, table, source, keys.slice(half)))];
}

async function lookupTarget(
  bench: Workbench,
  table: BenchTable,
  keys: readonly Key[],
  range: Range,
  since: RunVersions | undefined,
): Promise<Map<Key, FoundTarget[]>> {
  const { definition } = table;
  const { only = '1', ...whole } = definition;
  const version = definition.version === undefined ? 'NULL' : `toString(${identifier(definition.version)})`;
  const stream = await bench.target.stream(
    `SELECT refill_own_key, ${HASH_TEXT}, refill_own_time, refill_own_version, refill_own_misplaced, refill_own_part, refill_own_line
     FROM (SELECT ${targetKey(table)} AS refill_own_key, ${rowHash(table)}, toUInt8(${misplaced(table) || '0'}) AS refill_own_misplaced,
       toUInt8(ifNull((${only}), 0)) AS refill_own_part, toString(${timeMs(definition)}) AS refill_own_time, ${version} AS refill_own_version
     ${from(table.target, true)}
     WHERE ${inRangeFinal(table.target, whole, bench.tenant, range)} AND ${newRows(table, since)} AND ${keyIn(table, keys)})`,
    {},
    { max_query_size: '1000000000' },
  );
  const found = new Map<Key, FoundTarget[]>();
  for await (const [key = '', hash = '', time, stamp, away, part, line = ''] of readTargetLines(stream)) {
    const rows = found.get(key) ?? [];
    rows.push({
      hash,
      time: instant(Number(time)),
      version: stamp === 'N' ? null : (stamp ?? null),
      misplaced: away === '1',
      inPart: part === '1',
      line,
    });
    found.set(key, rows);
  }
  return found;
}
