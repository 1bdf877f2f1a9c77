import type { Readable } from 'node:stream';
import { BUCKETS, keysStatement, targetHash } from '../dataset/compile.ts';
import { identifier } from '../dataset/sql.ts';
import type { Range } from '../domain/words.ts';
import { postgresError } from '../source/errors.ts';
import { withSource } from '../source/postgres.ts';
import { type Buckets, type RunVersions, newRows } from '../target/count.ts';
import { from, inRange } from '../target/tables.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** Buckets in which the two sides differ in rows or sum. */
export function unequalBuckets(source: Buckets, target: Buckets): number[] {
  const all = new Set([...Object.keys(source), ...Object.keys(target)]);
  return [...all]
    .filter((bucket) => {
      const [a, b] = [source[bucket], target[bucket]];
      return a?.[0] !== b?.[0] || BigInt(a?.[1] ?? 0) !== BigInt(b?.[1] ?? 0);
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
  const { tenant } = bench;
  await withSource(bench.source, async (source) => {
    const left = source.copy(keysStatement(table, { tenant, range }, buckets));
    const right = await bench.target.stream(targetKeys(bench, table, range, buckets, since));
    try {
      await mergeKeys(keyRows(left), keyRows(right), (key, hash) =>
        suspects.set(Buffer.from(key, 'latin1').toString('utf8'), hash),
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
  const some = buckets.length < BUCKETS ? `WHERE bitAnd(hash, ${BUCKETS - 1}) IN (${buckets.join(', ')})` : '';
  return `SELECT key, hash FROM (
      SELECT toString(${identifier(table.definition.key)}) AS key, ${targetHash(table)} AS hash
      ${from(table.target, true)} WHERE ${inRange(table.definition, bench.tenant, range)} AND ${newRows(table, since)})
    ${some} ORDER BY key`;
}

/** Calls back for each key that is not exactly once on both sides with the same hash. */
export async function mergeKeys(
  source: AsyncIterable<KeyRow>,
  target: AsyncIterable<KeyRow>,
  onSuspect: (key: string, sourceHash: string | null) => void,
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
      onSuspect(key, hash ?? null);
  }
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', '0': '\0' };

/** Undoes the escapes of COPY's text and of TabSeparated, which agree on those that both write. */
function unescape(field: string): string {
  return field.includes('\\') ? field.replaceAll(/\\(.)/gsu, (_, c: string) => ESCAPES[c] ?? c) : field;
}

/** Rows of two fields of a TabSeparated stream. */
async function* keyRows(stream: Readable): AsyncGenerator<KeyRow> {
  let rest = '';
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const tab = line.indexOf('\t');
      yield { key: unescape(line.slice(0, tab)), hash: line.slice(tab + 1) };
    }
  }
}
