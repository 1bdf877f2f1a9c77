import type { DeleteKind } from './delete-kind.ts';
import type { PlannedDependent } from './dependents.ts';
import type { Limits } from './limits.ts';
import type { Excluded, Instant, Only, Range, Strategy, Tenant, UnprovenColumn } from './words.ts';

/** What a table holds in a range, on both sides, at the time of asking. */
export interface TableCount {
  readonly table: string;
  /** Rows that should be in the target. */
  readonly source: number;
  /** Source rows left out on purpose, by reason. */
  readonly excluded: Excluded;
  /** Rows in the target as they are, duplicates included. */
  readonly target: number;
  /** Distinct keys in the target. */
  readonly targetKeys: number;
}

/** The same for one UTC day. */
export interface DayCount extends TableCount {
  readonly day: string;
}

export interface PlannedWindow extends Range {
  /** Number in the plan, from 1, in time order. */
  readonly id: number;
  /** The delete that covers it. */
  readonly delete: number;
  /** Source rows of all tables together that it will write. */
  readonly sourceRows: number;
}

export interface PlannedDelete extends Range {
  /** Number in the plan, from 1, in time order. */
  readonly id: number;
  readonly tables: readonly PlannedTableDelete[];
}

export interface PlannedTableDelete {
  readonly table: string;
  /** Rows that it removes, as counted for the plan. */
  readonly rows: number;
  /** How its mutation removes them. Plans from before there was a choice do not say it: they rewrite. */
  readonly kind?: DeleteKind;
  /** The plan's rows in those of the partition that holds them, from 0 to 1, of which the kind follows; null where it is unknown. */
  readonly share?: number | null;
  /** The statement, with `:epoch` and `:nonce` where the run's are put in. */
  readonly sql: string;
}

export interface Warning {
  readonly code:
    | 'SOURCE_SCAN'
    | 'SOURCE_SMALLER'
    | 'NO_VERSION_COLUMN'
    | 'OWNER_UNCLEAR'
    | 'VERSION_IN_FUTURE'
    | 'READERS_MISS_ROWS'
    | 'READERS_COUNT_TWICE'
    | 'TABLE_LEFT_EMPTY'
    | 'WINDOW_TOO_LARGE'
    | 'CLOCKS_APART'
    | 'SEARCH_PATH'
    | 'STANDBY_BEHIND'
    | 'RANGE_NOT_OVER'
    | 'DELETE_REWRITES'
    | 'DISK_SHORT'
    | 'DEPENDENT'
    | 'DEPENDENTS_UNSEEN'
    | 'IDS_UNKNOWN'
    | 'COLUMN_RESETS';
  readonly message: string;
  readonly table?: string;
}

/** What a run of the plan will cost. */
export interface PlanCost {
  readonly rowsToDelete: number;
  readonly rowsToWrite: number;
  /** Rows that deletes of the kind `rewrite` write again: all of a partition, once for each of its deletes. */
  readonly rowsToRewrite: number;
  /** The same in bytes on disk, of one replica of each shard. Plans from before it was counted do not say it. */
  readonly bytesToRewrite?: number;
  /** Expected seconds from measured rates; null where nothing was measured yet. */
  readonly seconds: number | null;
  /** Rows a second that the expectation rests on; null likewise. */
  readonly rowsPerSecond: number | null;
}

/** The users' workflow that derives the rows, where it is not Refill. */
export interface ReindexerPlan {
  readonly type: 'temporal';
  readonly workflowType: string;
  readonly taskQueue: string;
  readonly namespace: string;
  /** Pattern of its ids. */
  readonly workflowId: string;
  /** Its argument, with `{from}` and the like where a window's are put in. */
  readonly payload: unknown;
}

/** What will be done, with everything that a person approves. Saved once and never changed. */
export interface Plan {
  readonly id: string;
  readonly createdAt: Instant;
  /** `user@host` of who made it. */
  readonly createdBy: string;
  readonly tenant: Tenant;
  readonly dataset: string;
  readonly strategy: Strategy;
  readonly range: Range;
  /** What it is confined to; all rows of the range where there is none. */
  readonly only?: Only;
  readonly tables: readonly string[];
  /** Hash over the servers' identities, the target tables, and the dataset; a run elsewhere is refused. */
  readonly fingerprint: string;
  readonly limits: Limits;
  readonly counts: readonly TableCount[];
  readonly days: readonly DayCount[];
  readonly deletes: readonly PlannedDelete[];
  readonly windows: readonly PlannedWindow[];
  readonly cost: PlanCost;
  readonly warnings: readonly Warning[];
  /** What depends on the tables, and what the run does about it; a run with another one that it would damage is refused. */
  readonly dependents: readonly PlannedDependent[];
  /** Target columns that the run neither derives nor proves; it writes their default. */
  readonly unproven: readonly UnprovenColumn[];
  /** Where a workflow derives the rows; a run without that very workflow is refused. */
  readonly reindexer?: ReindexerPlan;
  /** What is sent for a window: the COPY that reads and the INSERT that writes, by table. */
  readonly sql: Readonly<Record<string, { readonly read: string; readonly write: string }>>;
}
