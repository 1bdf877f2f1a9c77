import type { DriftKind, Excluded, Instant } from './words.ts';

/** A row that differs, as it is named in reports and kept in the ledger. */
export interface Drift {
  readonly table: string;
  readonly key: string;
  readonly kind: DriftKind;
  /** Why, where it is known: an exclusion's reason, `not_in_source`, `moved`, `older`, … */
  readonly reason: string;
  /** Time of the row: the source's where it has one, else the target's. */
  readonly time: Instant | null;
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
  readonly missing: number;
  readonly extra: number;
  readonly stale: number;
  readonly duplicated: number;
  /** Rows that a live writer changed at every look: neither equal nor drift. */
  readonly unsettled: number;
  /** Sum of the rows' hashes on each side, as a decimal. */
  readonly sourceSum: string;
  readonly targetSum: string;
}
