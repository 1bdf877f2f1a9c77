/**
 * Counts and sums of rows by bucket, and whether named rows account for what two sides differ in. Sums are of both halves
 * of the rows' hashes (`RowHash`), 32 bits each: exact in a double for two million rows a bucket. They are sums and never
 * XOR, under which a pair of equal rows would cancel out.
 */
export interface Tally {
  rows: number;
  xx: number;
  murmur: number;
}

/** Rows and sums of hashes by bucket; a sum is those of both halves of the hash, with a point between. */
export type Buckets = Readonly<Record<string, readonly [rows: number, sum: string]>>;

/** Buckets that are being summed. */
export class Tallies {
  readonly #tallies = new Map<number, Tally>();

  static of(buckets: Buckets): Tallies {
    const tallies = new Tallies();
    for (const [bucket, [rows, sum]] of Object.entries(buckets)) {
      const [xx = '0', murmur = '0'] = sum.split('.');
      tallies.#tallies.set(Number(bucket), { rows, xx: Number(xx), murmur: Number(murmur) });
    }
    return tallies;
  }

  /** Adds a row by its hash (16 hexadecimal digits). */
  add(bucket: number, hash: string): void {
    const tally = this.#of(bucket);
    tally.rows += 1;
    tally.xx += Number.parseInt(hash.slice(0, 8), 16);
    tally.murmur += Number.parseInt(hash.slice(8), 16);
  }

  /** Puts another side's bucket in the place of this one's. */
  replace(bucket: number, other: Tallies): void {
    this.#tallies.set(bucket, { ...other.get(bucket) });
  }

  get(bucket: number): Tally {
    return this.#tallies.get(bucket) ?? { rows: 0, xx: 0, murmur: 0 };
  }

  buckets(): readonly number[] {
    return [...this.#tallies.keys()];
  }

  /** Of all buckets together: rows, and the sums with a point between. */
  total(): { readonly rows: number; readonly sum: string } {
    let [rows, xx, murmur] = [0, 0n, 0n];
    for (const tally of this.#tallies.values()) {
      rows += tally.rows;
      xx += BigInt(tally.xx);
      murmur += BigInt(tally.murmur);
    }
    return { rows, sum: `${xx}.${murmur}` };
  }

  #of(bucket: number): Tally {
    const tally = this.#tallies.get(bucket) ?? { rows: 0, xx: 0, murmur: 0 };
    this.#tallies.set(bucket, tally);
    return tally;
  }
}

/** What the target has more than the source in a bucket; all zero if they are equal. */
export function delta(source: Tallies, target: Tallies, bucket: number): Tally {
  const [a, b] = [source.get(bucket), target.get(bucket)];
  return { rows: b.rows - a.rows, xx: b.xx - a.xx, murmur: b.murmur - a.murmur };
}

const isZero = ({ rows, xx, murmur }: Tally) => rows === 0 && xx === 0 && murmur === 0;
const same = (a: Tally, b: Tally) => a.rows === b.rows && a.xx === b.xx && a.murmur === b.murmur;

/** Two sides, or what is known of them. */
export interface TwoSides {
  readonly source: Tallies;
  readonly target: Tallies;
}

const bucketsOf = ({ source, target }: TwoSides) => [...new Set([...source.buckets(), ...target.buckets()])];

/** Buckets in which the two sides differ in rows or sums. */
export function unequalBuckets(sides: TwoSides): number[] {
  return bucketsOf(sides).filter((bucket) => !isZero(delta(sides.source, sides.target, bucket)));
}

/** Buckets that two readings of the same sides find different in different ways: the sides have changed, or were read in two ways. */
export function changedBuckets(before: TwoSides, now: TwoSides, buckets: readonly number[]): number[] {
  return buckets.filter(
    (bucket) => !same(delta(before.source, before.target, bucket), delta(now.source, now.target, bucket)),
  );
}

/** Buckets that are unequal in the same way at both readings. */
export function stillUnequal(before: TwoSides, now: TwoSides, buckets: readonly number[]): number[] {
  return buckets.filter((bucket) => {
    const then = delta(before.source, before.target, bucket);
    return !isZero(then) && same(then, delta(now.source, now.target, bucket));
  });
}

/**
 * Buckets whose difference the named rows do not account for, in rows and in sums. The one place that decides whether a
 * proof balances: what it returns is reported as `unexplained`, and keeps a verification or a run from being green.
 *
 * @param sides What both sides hold, by bucket.
 * @param named What the rows that are named as drift, or as unsettled, hold on each side.
 */
export function unexplainedBuckets(sides: TwoSides, named: TwoSides): number[] {
  const buckets = new Set([...bucketsOf(sides), ...bucketsOf(named)]);
  return [...buckets].filter(
    (bucket) => !same(delta(sides.source, sides.target, bucket), delta(named.source, named.target, bucket)),
  );
}
