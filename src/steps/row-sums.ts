import { Transform } from 'node:stream';
import { BUCKETS } from '../dataset/compile.ts';
import { hashKey, hashRow, type RowHash } from '../domain/row-hash.ts';
import type { SourceSums } from '../ledger/ledger.ts';
import { LineSplitter } from '../source/lines.ts';
import { keyEnd } from './compare-keys.ts';
import type { KeySet } from './key-set.ts';

const TAB = 9;

/** Counts and sums the lines of `readStatement`: the source's side of a proof. */
export class RowSums {
  rows = 0;
  readonly #excluded = new Map<string, number>();
  readonly #counts = new Float64Array(BUCKETS);
  // Sums of 32-bit numbers: exact up to two million rows a bucket.
  readonly #xx = new Float64Array(BUCKETS);
  readonly #murmur = new Float64Array(BUCKETS);
  readonly #hash: RowHash = { xx: 0, murmur: 0 };
  readonly #keyFields: number;
  readonly #keys: KeySet | undefined;

  /**
   * @param keyFields Columns of the key: with them a line begins.
   * @param keys Told of each row's key, if repeated keys are looked for.
   */
  constructor(keyFields: number, keys?: KeySet) {
    this.#keyFields = keyFields;
    this.#keys = keys;
  }

  /** Takes a line; false where its row is left out of the target. */
  add(bytes: Buffer, start: number, end: number): boolean {
    if (bytes[start] !== TAB) {
      const reason = bytes.toString('utf8', start, bytes.indexOf(TAB, start));
      this.#excluded.set(reason, (this.#excluded.get(reason) ?? 0) + 1);
      return false;
    }
    hashRow(bytes, start + 1, end, this.#hash);
    const stop = keyEnd(bytes, start + 1, end, this.#keyFields);
    const key = hashKey(bytes, start + 1, stop);
    const bucket = key & (BUCKETS - 1);
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.#xx[bucket] = (this.#xx[bucket] ?? 0) + this.#hash.xx;
    this.#murmur[bucket] = (this.#murmur[bucket] ?? 0) + this.#hash.murmur;
    this.rows += 1;
    if (this.#keys) {
      hashRow(bytes, start + 1, stop, this.#hash);
      this.#keys.add(key, this.#hash.xx);
    }
    return true;
  }

  result(table: string): SourceSums {
    const buckets: Record<string, readonly [number, string]> = {};
    for (const [bucket, rows] of this.#counts.entries()) {
      if (rows > 0) buckets[String(bucket)] = [rows, `${this.#xx[bucket]}.${this.#murmur[bucket]}`];
    }
    return { table, rows: this.rows, excluded: Object.fromEntries(this.#excluded), buckets };
  }
}

/**
 * Passes the lines on that belong into the target, and sums them on the way. Left-out lines are closed up in place: a
 * chunk that has none goes through as it came.
 */
export function summingStream(sums: RowSums): Transform {
  const splitter = new LineSplitter();
  return new Transform({
    // Postgres sends chunks of 64 KiB; a few of them keep both sides busy.
    highWaterMark: 1024 * 1024,
    transform(chunk: Buffer, _encoding, done) {
      let lines: Buffer | undefined;
      let [first, kept] = [0, 0];
      splitter.push(chunk, (bytes, start, end) => {
        if (!lines) [lines, first, kept] = [bytes, start, start];
        if (!sums.add(bytes, start, end)) return;
        if (kept !== start) bytes.copyWithin(kept, start, end + 1);
        kept += end + 1 - start;
      });
      done(null, lines?.subarray(first, kept));
    },
  });
}
