import type { Readable } from 'node:stream';
import { BUCKETS, HASH_TEXT, readStatement } from '../dataset/compile.ts';
import { identifier } from '../dataset/sql.ts';
import { RefillError } from '../domain/errors.ts';
import { hashRow, hashText } from '../domain/row-hash.ts';
import type { Range } from '../domain/words.ts';
import { postgresError } from '../source/errors.ts';
import { fieldStarts, LineSplitter, unescapeField } from '../source/lines.ts';
import { withSource } from '../source/postgres.ts';
import { type Buckets, newRows, type RunVersions } from '../target/count.ts';
import { from, inRangeFinal, rowHash } from '../target/tables.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** Buckets in which the two sides differ in rows or sum. */
export function unequalBuckets(source: Buckets, target: Buckets): number[] {
  const all = new Set([...Object.keys(source), ...Object.keys(target)]);
  return [...all]
    .filter((bucket) => {
      const [a, b] = [source[bucket], target[bucket]];
      return a?.[0] !== b?.[0] || a?.[1] !== b?.[1];
    })
    .map(Number);
}

/** A key that looked wrong, with the source row's hash at that look (null: no such row in that window). */
export type Suspects = Map<string, string | null>;

interface KeyRow {
  /** The key's bytes, one a character, so that comparing strings compares bytes, as both servers' orders do. */
  readonly key: string;
  readonly hash: string;
}

/** Rows that may differ, and be named: some hundred bytes of memory each. */
const MOST_DIFFERENT = 2_000_000;

/** Where millions of rows differ, naming them says nothing that `TOO_MANY_DIFFER` does not, and memory has an end. */
export function refuseTooMany(rows: number): void {
  if (rows > MOST_DIFFERENT)
    throw new RefillError('TOO_MANY_DIFFER', `more than ${MOST_DIFFERENT.toLocaleString('en')} rows differ`);
}

/**
 * Reads the keys of unequal buckets of one window from both sides, in order, and adds those that differ. Both streams are
 * merged row by row: memory holds the suspects and nothing else.
 */
export async function findSuspects(
  bench: Workbench,
  table: BenchTable,
  range: Range,
  buckets: readonly number[],
  since: RunVersions | undefined,
  suspects: Suspects,
): Promise<void> {
  await compareKeys(bench, table, range, buckets, since, (key, hash) => {
    suspects.set(key, hash);
    refuseTooMany(suspects.size);
  });
}

/** Called with a key and its row's hash in the source; null: it has no such row there. Waited for where it takes time. */
type OnSuspect = (key: string, sourceHash: string | null) => Promise<void> | void;

/** The keys that are in the target's rows of a range, and not in the source's. */
export async function findExtra(
  bench: Workbench,
  table: BenchTable,
  range: Range,
  onExtra: (key: string) => Promise<void> | void,
): Promise<void> {
  const all = Array.from({ length: BUCKETS }, (_, bucket) => bucket);
  await compareKeys(bench, table, range, all, undefined, (key, hash) => (hash === null ? onExtra(key) : undefined));
}

async function compareKeys(
  bench: Workbench,
  table: BenchTable,
  range: Range,
  buckets: readonly number[],
  since: RunVersions | undefined,
  onSuspect: OnSuspect,
): Promise<void> {
  const { tenant } = bench;
  await withSource(bench.source, async (source) => {
    const left = source.copy(readStatement(table, { tenant, range }, true));
    const right = await bench.target.stream(targetKeys(bench, table, range, buckets, since));
    try {
      await mergeKeys(sourceKeys(left, table, new Set(buckets)), targetKeyRows(right), (key, hash) =>
        onSuspect(Buffer.from(key, 'latin1').toString('utf8'), hash),
      );
    } catch (error) {
      throw postgresError(error, `comparing ${table.definition.name}`);
    } finally {
      right.destroy();
      left.destroy();
    }
  });
}

function targetKeys(
  bench: Workbench,
  table: BenchTable,
  range: Range,
  buckets: readonly number[],
  since: RunVersions | undefined,
): string {
  const some = buckets.length < BUCKETS ? `WHERE refill_bucket IN (${buckets.join(', ')})` : '';
  return `SELECT refill_key, ${HASH_TEXT} FROM (
      SELECT toString(${identifier(table.definition.key)}) AS refill_key, ${rowHash(table)}
      ${from(table.target, true)} WHERE ${inRangeFinal(table.target, table.definition, bench.tenant, range)} AND ${newRows(table, since)})
    ${some} ORDER BY refill_key`;
}

/** Calls back for each key that is not exactly once on both sides with the same hash. */
export async function mergeKeys(
  source: AsyncIterable<KeyRow>,
  target: AsyncIterable<KeyRow>,
  onSuspect: OnSuspect,
): Promise<void> {
  const [left, right] = [source[Symbol.asyncIterator](), target[Symbol.asyncIterator]()];
  let [a, b] = [await left.next(), await right.next()];
  while (!a.done || !b.done) {
    const key = a.done ? b.value.key : b.done || a.value.key < b.value.key ? a.value.key : b.value.key;
    const hashes: [string[], string[]] = [[], []];
    for (; !a.done && a.value.key === key; a = await left.next()) hashes[0].push(a.value.hash);
    for (; !b.done && b.value.key === key; b = await right.next()) hashes[1].push(b.value.hash);
    const [[hash, ...moreSource], [found, ...moreTarget]] = hashes;
    if (hash === undefined || hash !== found || moreSource.length > 0 || moreTarget.length > 0)
      await onSuspect(key, hash ?? null);
  }
}

/** Keys and hashes of the lines of `readStatement` that lie in some buckets. */
async function* sourceKeys(stream: Readable, table: BenchTable, buckets: ReadonlySet<number>): AsyncGenerator<KeyRow> {
  const keyField = 1 + [...table.columns.keys()].indexOf(table.definition.key);
  const hash = { xx: 0, murmur: 0 };
  const splitter = new LineSplitter();
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const found: KeyRow[] = [];
    splitter.push(chunk, (bytes, start, end) => {
      const fields = fieldStarts(bytes, start, end);
      if (fields[1] !== start + 1) return;
      hashRow(bytes, start + 1, end, hash);
      if (!buckets.has(hash.xx & (BUCKETS - 1))) return;
      const key = bytes.toString('latin1', fields[keyField], (fields[keyField + 1] ?? 1) - 1);
      found.push({ key: unescapeField(key), hash: hashText(hash) });
    });
    yield* found;
  }
}

/** Rows of the two fields key and hash. */
async function* targetKeyRows(stream: Readable): AsyncGenerator<KeyRow> {
  const splitter = new LineSplitter();
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const found: KeyRow[] = [];
    splitter.push(chunk, (bytes, start, end) => {
      const tab = bytes.indexOf('\t', start);
      found.push({
        key: unescapeField(bytes.toString('latin1', start, tab)),
        hash: bytes.toString('latin1', tab + 1, end),
      });
    });
    yield* found;
  }
}
