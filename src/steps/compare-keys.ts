import type { Readable } from 'node:stream';
import { BUCKETS, HASH_TEXT, readStatement, targetKey, targetKeyOrder } from '../dataset/compile.ts';
import { type Key, keyFields } from '../dataset/key.ts';
import { Tallies, type TwoSides } from '../domain/balance.ts';
import { RefillError } from '../domain/errors.ts';
import { hashKey, hashRow, hashText } from '../domain/row-hash.ts';
import type { Range } from '../domain/words.ts';
import { postgresError } from '../source/errors.ts';
import { LineSplitter } from '../source/lines.ts';
import { withSource } from '../source/postgres.ts';
import { newRows, type RunVersions } from '../target/count.ts';
import { from, inRangeFinal, rowHash } from '../target/tables.ts';
import { readTargetLines } from './target-lines.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** A row as the merge of both sides reads it. */
export interface KeyRow {
  readonly key: Key;
  readonly hash: string;
}

/** A key whose rows differ between two streams: the hashes of its rows on each side. */
export interface Mismatch {
  readonly key: Key;
  readonly source: readonly string[];
  readonly target: readonly string[];
}

/** Called with each mismatch; the merge waits for it if it takes time. */
type OnMismatch = (mismatch: Mismatch) => Promise<void> | void;

/** Which rows are compared: a window, and the buckets of its keys. */
export interface ComparedRows {
  readonly range: Range;
  readonly buckets: readonly number[];
  /** Only rows that the run's delete will keep count. */
  readonly since?: RunVersions | undefined;
}

/** What a comparison has read: all rows of each side, and those of equal keys. */
export interface Compared {
  readonly whole: TwoSides;
  readonly equal: Tallies;
}

/** Keys that may differ and be named: some hundred bytes of memory each. */
const MOST_DIFFERENT = 2_000_000;

/** Naming millions of keys says nothing that `TOO_MANY_DIFFER` does not, and memory has an end. */
export function refuseTooMany(rows: number): void {
  if (rows > MOST_DIFFERENT)
    throw new RefillError('TOO_MANY_DIFFER', `more than ${MOST_DIFFERENT.toLocaleString('en')} rows differ`);
}

/** The bucket of a key. */
export function bucketOf(key: Key): number {
  const bytes = Buffer.from(key, 'latin1');
  return hashKey(bytes, 0, bytes.length) & (BUCKETS - 1);
}

export const ALL_BUCKETS: readonly number[] = Array.from({ length: BUCKETS }, (_, bucket) => bucket);

/**
 * Reads the keys of some buckets of a window from both sides, in order, and calls back for those that differ. Both streams
 * are merged row by row, so memory holds what the caller keeps and nothing else. Sums are taken of the very rows that are
 * compared: what they differ in is exactly what the mismatches differ in.
 */
export async function compareKeys(
  bench: Workbench,
  table: BenchTable,
  rows: ComparedRows,
  onMismatch: OnMismatch,
): Promise<Compared> {
  const { tenant } = bench;
  const compared = { whole: { source: new Tallies(), target: new Tallies() }, equal: new Tallies() };
  await withSource(bench.source, async (source) => {
    const left = source.copy(readStatement(table, { tenant, range: rows.range }, true));
    const right = await bench.target.stream(keyQuery(bench, table, rows));
    try {
      await mergeKeys(sourceKeys(left, table, new Set(rows.buckets)), targetKeys(right), compared, onMismatch);
    } catch (error) {
      throw postgresError(error, `comparing ${table.definition.name}`);
    } finally {
      right.destroy();
      left.destroy();
    }
  });
  return compared;
}

/** The keys that are in the target's rows of a range, and not in the source's. */
export async function findExtra(
  bench: Workbench,
  table: BenchTable,
  range: Range,
  onExtra: (key: Key) => Promise<void> | void,
): Promise<void> {
  await compareKeys(bench, table, { range, buckets: ALL_BUCKETS }, ({ key, source }) =>
    source.length === 0 ? onExtra(key) : undefined,
  );
}

/** ClickHouse: key and hash of the target's rows of some buckets, in the order of their keys. */
export function keyQuery(bench: Workbench, table: BenchTable, { range, buckets, since }: ComparedRows): string {
  const some = buckets.length < BUCKETS ? `WHERE refill_own_bucket IN (${buckets.join(', ')})` : '';
  const order = table.key.map((_, index) => `refill_own_order.${index + 1} NULLS FIRST`).join(', ');
  return `SELECT refill_own_key, ${HASH_TEXT} FROM (
      SELECT ${targetKey(table)} AS refill_own_key, tuple(${targetKeyOrder(table)}) AS refill_own_order, ${rowHash(table)}
      ${from(table.target, true)} WHERE ${inRangeFinal(table.target, table.definition, bench.tenant, range)} AND ${newRows(table, since)})
    ${some} ORDER BY ${order}`;
}

/** The order of keys: field by field by their bytes, NULL first, as both servers are asked for them. */
function compareOrder(a: readonly (string | null)[], b: readonly (string | null)[]): number {
  for (const [index, left] of a.entries()) {
    const right = b[index] ?? null;
    if (left === right) continue;
    if (left === null) return -1;
    return right === null || left > right ? 1 : -1;
  }
  return 0;
}

/** Calls back for each key whose rows are not exactly one on each side, with one hash; sums all of them. */
export async function mergeKeys(
  source: AsyncIterable<KeyRow>,
  target: AsyncIterable<KeyRow>,
  { whole, equal }: Compared,
  onMismatch: OnMismatch,
): Promise<void> {
  const [left, right] = [new Grouped(source), new Grouped(target)];
  let [a, b] = [await left.next(), await right.next()];
  while (a || b) {
    const order = !a ? 1 : !b ? -1 : compareOrder(a.fields, b.fields);
    const key = (order <= 0 ? a : b)?.key ?? '';
    const mismatch: Mismatch = {
      key,
      source: order <= 0 && a ? a.hashes : [],
      target: order >= 0 && b ? b.hashes : [],
    };
    if (order <= 0) a = await left.next();
    if (order >= 0) b = await right.next();
    const bucket = bucketOf(key);
    for (const hash of mismatch.source) whole.source.add(bucket, hash);
    for (const hash of mismatch.target) whole.target.add(bucket, hash);
    const [hash, ...more] = mismatch.source;
    if (hash !== undefined && more.length === 0 && mismatch.target.length === 1 && mismatch.target[0] === hash)
      equal.add(bucket, hash);
    else await onMismatch(mismatch);
  }
}

/** The rows of a sorted stream key by key. */
class Grouped {
  readonly #rows: AsyncIterator<KeyRow>;
  #ahead: IteratorResult<KeyRow> | undefined;

  constructor(rows: AsyncIterable<KeyRow>) {
    this.#rows = rows[Symbol.asyncIterator]();
  }

  async next(): Promise<{ key: Key; fields: readonly (string | null)[]; hashes: string[] } | undefined> {
    const first = this.#ahead ?? (await this.#rows.next());
    if (first.done === true) return undefined;
    const { key, hash } = first.value;
    const hashes = [hash];
    for (;;) {
      const next = await this.#rows.next();
      this.#ahead = next;
      if (next.done === true || next.value.key !== key) return { key, fields: keyFields(key), hashes };
      hashes.push(next.value.hash);
    }
  }
}

const TAB = 9;

/** Where the first `fields` fields of a line end. */
export function keyEnd(bytes: Buffer, start: number, end: number, fields: number): number {
  let at = start;
  for (let left = fields; at < end; at += 1) if (bytes[at] === TAB && (left -= 1) === 0) return at;
  return end;
}

/** Keys and hashes of the lines of `readStatement` that lie in some buckets. */
async function* sourceKeys(stream: Readable, table: BenchTable, buckets: ReadonlySet<number>): AsyncGenerator<KeyRow> {
  const hash = { xx: 0, murmur: 0 };
  const splitter = new LineSplitter();
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const found: KeyRow[] = [];
    splitter.push(chunk, (bytes, start, end) => {
      // A row that is left out begins with its reason.
      if (bytes[start] !== TAB) return;
      const stop = keyEnd(bytes, start + 1, end, table.key.length);
      if (!buckets.has(hashKey(bytes, start + 1, stop) & (BUCKETS - 1))) return;
      hashRow(bytes, start + 1, end, hash);
      found.push({ key: bytes.toString('latin1', start + 1, stop), hash: hashText(hash) });
    });
    yield* found;
  }
}

/** Rows of `keyQuery`. */
async function* targetKeys(stream: Readable): AsyncGenerator<KeyRow> {
  for await (const [key = '', hash = ''] of readTargetLines(stream)) yield { key, hash };
}
