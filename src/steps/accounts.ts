import type { Key } from '../dataset/key.ts';
import { Tallies, type TwoSides, unexplainedBuckets } from '../domain/balance.ts';
import { belongs } from '../domain/classify.ts';
import type { Drift, TableProof } from '../domain/drift.ts';
import type { DriftKind, Instant, Range } from '../domain/words.ts';
import type { SourceSums } from '../ledger/ledger.ts';
import { bucketOf } from './compare-keys.ts';
import type { KeyFacts } from './lookup.ts';

/** A window with the source's side of its proof. */
export interface ProofWindow extends Range {
  /** Its number in the run; null where there is no run. */
  readonly id: number | null;
  /** The snapshot that the sums were made in. */
  readonly snapshot: Instant;
  readonly sums: readonly SourceSums[];
}

/**
 * The accounts of a table's windows: what both sides hold, by bucket, and what the named rows hold of it. They are how a
 * proof is shown to balance: what the sides differ in is what the named rows differ in, in rows and in sums.
 */
export class Accounts {
  readonly #windows: readonly WindowAccount[];

  constructor(windows: readonly WindowAccount[]) {
    this.#windows = windows;
  }

  get windows(): readonly WindowAccount[] {
    return this.#windows;
  }

  /**
   * Enters the rows of a candidate as they were read last. What was read before is out of the sums already (`compared`).
   *
   * @param named Whether they are named as drift or unsettled.
   * @returns Rows of each side in these windows.
   */
  enter(key: Key, { source, targets }: KeyFacts, range: Range, named: boolean): { source: number; target: number } {
    const bucket = bucketOf(key);
    const rows = { source: 0, target: 0 };
    for (const account of this.#windows) {
      const own = {
        source: source.filter((row) => row.inPart && belongs(row, range) && account.holds(row.time)),
        target: targets.filter((row) => row.inPart && account.holds(row.time)),
      };
      rows.source += own.source.length;
      rows.target += own.target.length;
      account.enter(
        bucket,
        { source: own.source.map(({ hash }) => hash), target: own.target.map(({ hash }) => hash) },
        named,
      );
    }
    return rows;
  }

  /** The account of a time; the first one for what lies outside of all of them, so that nothing gets lost. */
  of(time: string | null): WindowAccount | undefined {
    return this.#windows.find((account) => time !== null && account.holds(time)) ?? this.#windows[0];
  }
}

/** Hashes of the rows of one key on each side. */
interface Hashes {
  readonly source: readonly string[];
  readonly target: readonly string[];
}

/** One window's. */
export class WindowAccount {
  readonly window: ProofWindow;
  readonly excluded: SourceSums['excluded'];
  /** Both sides by bucket: as summed, and of compared buckets as read. */
  readonly sides: TwoSides;
  readonly #named: TwoSides = { source: new Tallies(), target: new Tallies() };
  readonly #compared = new Set<number>();
  readonly drift: Drift[] = [];
  unsettled = 0;

  constructor(window: ProofWindow, source: SourceSums, target: Tallies) {
    this.window = window;
    this.excluded = source.excluded;
    this.sides = { source: Tallies.of(source.buckets), target };
  }

  holds(time: string): boolean {
    return time >= this.window.from && time < this.window.to;
  }

  /** Puts what was read of some buckets, without their candidates, in the place of what was summed. */
  compared(buckets: readonly number[], equal: Tallies): void {
    for (const bucket of buckets) {
      this.#compared.add(bucket);
      this.sides.source.replace(bucket, equal);
      this.sides.target.replace(bucket, equal);
    }
  }

  /** Puts both sides of a bucket, as they were summed once more, in the place of what was read, and names all of it. */
  nameWhole(bucket: number, sides: TwoSides): void {
    for (const to of [this.sides, this.#named]) {
      to.source.replace(bucket, sides.source);
      to.target.replace(bucket, sides.target);
    }
  }

  enter(bucket: number, { source, target }: Hashes, named: boolean): void {
    // A bucket that was not compared holds them already, unless they have moved here since, and then they are not equal.
    if (!this.#compared.has(bucket) && (!named || [...source].sort().join() === [...target].sort().join())) return;
    for (const to of named ? [this.sides, this.#named] : [this.sides]) {
      for (const hash of source) to.source.add(bucket, hash);
      for (const hash of target) to.target.add(bucket, hash);
    }
  }

  /** Buckets that the named rows do not account for. */
  unexplained(): number[] {
    return unexplainedBuckets(this.sides, this.#named);
  }

  proof(table: string): TableProof {
    const count = (kind: DriftKind) => this.drift.reduce((n, d) => n + (d.kind === kind ? 1 : 0), 0);
    const [source, target] = [this.sides.source.total(), this.sides.target.total()];
    const [missing, extra] = [count('missing'), count('extra')];
    return {
      table,
      from: this.window.from,
      to: this.window.to,
      window: this.window.id,
      snapshot: this.window.snapshot,
      source: source.rows,
      target: target.rows,
      excluded: this.excluded,
      missing,
      extra,
      stale: count('stale'),
      duplicated: count('duplicated'),
      unexplained: count('unexplained'),
      surplus: this.#named.target.total().rows - this.#named.source.total().rows + missing - extra,
      unsettled: this.unsettled,
      sourceSum: source.sum,
      targetSum: target.sum,
    };
  }
}
