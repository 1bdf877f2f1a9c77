import type { DriftKind, Excluded, Instant } from './words.ts';

/** A key whose rows differ, as reports name it and the ledger keeps it. */
export interface Drift {
  readonly table: string;
  /** The key as a person reads it. For `unexplained` rows without a known key: the bucket. */
  readonly key: string;
  readonly kind: DriftKind;
  /** Why, if it is known: an exclusion's reason, `not_in_source`, `moved`, `several_in_source`, … */
  readonly reason: string;
  /** Time of the row: the source's if it has one, else the target's. */
  readonly time: Instant | null;
  /** Rows with this key in the compared windows, on each side, when Refill last read them. */
  readonly source: number;
  readonly target: number;
  /** Columns that differ, for `stale` rows: names of the target's columns. */
  readonly columns: readonly string[];
  /** Times outside of the compared range at which the target has rows with this key too. */
  readonly elsewhere: readonly Instant[];
  /** For `unexplained`: the ClickHouse query that shows the bucket's rows. */
  readonly query: string | null;
}

/** What a verification found in one table and range. */
export interface TableProof {
  readonly table: string;
  readonly from: Instant;
  readonly to: Instant;
  /** The window that it belongs to; null for a range that was verified by itself. */
  readonly window: number | null;
  /** The source's snapshot that the target was compared with. */
  readonly snapshot: Instant;
  readonly source: number;
  readonly target: number;
  readonly excluded: Excluded;
  /** Keys by kind. */
  readonly missing: number;
  readonly extra: number;
  readonly stale: number;
  readonly duplicated: number;
  readonly unexplained: number;
  /**
   * Rows that the target has more than one for each differing key (negative: fewer), so that counts balance:
   * `source - missing + extra + surplus = target`.
   */
  readonly surplus: number;
  /** Keys that a live writer changed at every attempt to compare them: neither equal nor drift. */
  readonly unsettled: number;
  /** Sum of the rows' hashes on each side, as a decimal. */
  readonly sourceSum: string;
  readonly targetSum: string;
}

/** Keys of a proof that are not proven. Every part of Refill that asks whether something differs asks here. */
export function differencesOf(
  proof: Pick<TableProof, 'missing' | 'extra' | 'stale' | 'duplicated' | 'unexplained' | 'unsettled'>,
): number {
  return proof.missing + proof.extra + proof.stale + proof.duplicated + proof.unexplained + proof.unsettled;
}
