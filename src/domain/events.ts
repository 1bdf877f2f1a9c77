import type { ErrorCode } from './catalogue.ts';
import type { DependentOutcome } from './dependents.ts';
import type { ErrorRecord } from './errors.ts';
import type { Executor } from './executor.ts';
import type { RunState } from './states.ts';
import type { DriftKind, Excluded, Instant, Range, Strategy, TenantName, UnprovenColumn } from './words.ts';

/** One snapshot of how far a run is: it feeds terminal, JSON events and log alike. */
export interface Progress {
  readonly type: 'progress';
  readonly run: string;
  readonly at: Instant;
  readonly windows: {
    readonly total: number;
    readonly done: number;
    readonly written: number;
    readonly active: number;
    readonly failed: number;
  };
  readonly deletes: { readonly total: number; readonly done: number };
  /** Rows written so far, those of windows at work included. */
  readonly rowsWritten: number;
  /** Rows that the plan expects to write. */
  readonly rowsTotal: number;
  /** Over the last half minute; 0 while nothing is written. */
  readonly rowsPerSecond: number;
  /** Seconds left; null before 1 % is done or where no rate is known. */
  readonly secondsLeft: number | null;
  /** What it does now, in words: `re-indexing 2 windows`, `waiting for the delete of 2026-01 on score`. */
  readonly doing: string;
}

/** What a run says while it goes on, one JSON object a line with `--json`. The last one is the result. */
export type RunEvent =
  | {
      readonly type: 'started';
      readonly run: string;
      readonly plan: string;
      readonly tenant: TenantName;
      readonly strategy: Strategy;
      readonly range: Range;
      readonly resumed: boolean;
      /** With `temporal` it goes on when its follower ends. */
      readonly executor: Executor;
    }
  | {
      readonly type: 'window';
      readonly run: string;
      readonly window: number;
      readonly from: Instant;
      readonly to: Instant;
      readonly state: 'writing' | 'written' | 'failed';
      readonly rows: number;
      readonly seconds: number;
      readonly error?: ErrorRecord;
    }
  | {
      readonly type: 'delete';
      readonly run: string;
      readonly delete: number;
      readonly from: Instant;
      readonly to: Instant;
      readonly state: 'submitted' | 'assigned' | 'finished' | 'proven' | 'failed';
      readonly rows: number;
      readonly error?: ErrorRecord;
    }
  | { readonly type: 'notice'; readonly run: string; readonly message: string }
  | Progress
  | RunResult;

/** How a run ended. `differences` counts keys that are not proven; the other numbers are those of the run's record. */
export interface RunResult {
  readonly type: 'result';
  readonly run: string;
  readonly state: Exclude<RunState, 'running'>;
  /** Null if nothing was proven: then it is unknown. */
  readonly differences: number | null;
  readonly rowsDeleted: number;
  /** Rows that a retry deleted once more, and that are not in `rowsDeleted`. */
  readonly rowsDeletedAgain: number;
  /** Rows at most of deletes that were sent and are not proven: gone, or about to go, and not in `rowsDeleted`. */
  readonly rowsSent: number;
  /** Those of `rowsSent` whose deletes were proven before. */
  readonly rowsSentAgain: number;
  readonly rowsWritten: number;
  /** Rows that a retry wrote once more, and that are not in `rowsWritten`. */
  readonly rowsWrittenAgain: number;
  readonly seconds: number;
  /** By table, as `refill verify` prints them. Empty where nothing was proven. */
  readonly tables: readonly VerifiedTable[];
  /** What became of each dependent that the run could harm. */
  readonly dependents: readonly DependentOutcome[];
  /** Target columns that the run neither derived nor proved. */
  readonly unproven: readonly UnprovenColumn[];
  readonly error?: ErrorRecord;
}

/** What a verification found in a table over a whole range. */
export interface VerifiedTable {
  readonly table: string;
  /** Rows that should be there. */
  readonly source: number;
  /** Rows that are there, without `FINAL`, minus those that only a pending merge keeps (same sorting key). */
  readonly target: number;
  readonly missing: number;
  readonly extra: number;
  readonly stale: number;
  readonly duplicated: number;
  /** Differences in counts or sums that no named row accounts for. */
  readonly unexplained: number;
  /** Rows of the target beyond one for each differing key: `source - missing + extra + surplus = target`. */
  readonly surplus: number;
  /** Keys that a live writer changed at every attempt to compare them: neither equal nor drift, and not proven. */
  readonly unsettled: number;
  readonly excluded: Excluded;
  /** The first hundred of each kind, by key; all of them are in the ledger. `unexplained` is there if there are any. */
  readonly keys: Readonly<Record<Exclude<DriftKind, 'unexplained'>, readonly string[]>> & {
    readonly unexplained?: readonly string[];
  };
}

/** What a verification found: `ok` where no row differs and none is unsettled. */
export interface VerifyResult {
  readonly verification: string;
  readonly ok: boolean;
  /** When the earliest of the source's snapshots was taken. */
  readonly snapshot: Instant;
  readonly tenant: TenantName;
  readonly range: Range;
  readonly tables: readonly VerifiedTable[];
  /** Target columns that were not compared: they may hold anything. */
  readonly unproven: readonly UnprovenColumn[];
  /** How many keys differ, by table, kind and reason. */
  readonly reasons: readonly {
    readonly table: string;
    readonly kind: DriftKind;
    readonly reason: string;
    readonly rows: number;
    /** Of stale rows: how many of them differ in which column. */
    readonly columns?: Readonly<Record<string, number>>;
  }[];
}

/** What `refill explain` says of one id. */
export interface Explanation {
  readonly id: string;
  readonly tenant: TenantName;
  readonly table: string;
  readonly verdict: 'present' | 'excluded' | DriftKind;
  /** The exclusion's name, or what is wrong: `not_in_source`, `moved`, `differs`, …; null for `present`. */
  readonly reason: string | null;
  /** The same in a sentence. */
  readonly why: string;
  readonly source: { readonly present: boolean; readonly excluded: string | null; readonly time: Instant | null };
  readonly target: readonly {
    readonly time: Instant;
    readonly version: string | null;
    readonly equal: boolean;
    /** Columns in which it differs from the source's row; empty if it is equal, or if the source has none. */
    readonly columns: readonly string[];
  }[];
}

/** A tenant as found on both sides. */
export interface TenantFinding extends TenantName {
  readonly cluster: string;
  /** Null where no database of the source holds it. */
  readonly sourceDatabase: string | null;
  /** Null where no database of the target is there for it. */
  readonly targetDatabase: string | null;
  /** Rows of the dataset's first table in the target that are this tenant's; null is unknown, never zero. */
  readonly targetRows: number | null;
  /** Other owners whose rows lie in the same target database. */
  readonly otherOwners: readonly TenantName[];
  readonly problem: string | null;
}

/** A check of `refill doctor`. */
export interface Finding {
  readonly check: string;
  readonly level: 'ok' | 'warning' | 'error';
  readonly subject: string;
  readonly message: string;
  readonly remedy: string | null;
  /** The code that a plan or a run is refused with; `PREFLIGHT_FAILED` where none is given. */
  readonly code?: ErrorCode;
}
