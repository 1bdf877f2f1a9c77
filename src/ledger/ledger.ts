import type { Drift, TableProof } from '../domain/drift.ts';
import type { ErrorCode } from '../domain/catalogue.ts';
import type { ErrorRecord } from '../domain/errors.ts';
import type { Executor } from '../domain/executor.ts';
import type { WindowSample } from '../domain/pace.ts';
import type { Plan } from '../domain/plan.ts';
import type { DeleteState, RunState, Wanted, WindowState } from '../domain/states.ts';
import type { Excluded, Instant, Range, Strategy, Tenant, UnprovenColumn } from '../domain/words.ts';
import type { BackfillLedger } from './backfill-ledger.ts';
import type { FleetLedger } from './fleet-ledger.ts';
import type { Actor, Holder, RunLock } from './holder.ts';
import type { SlotLedger } from './slot-ledger.ts';

export type { BackfillRecord } from './backfill-ledger.ts';
export type { FleetRecord, MemberRecord } from './fleet-ledger.ts';
export type { Actor, RunLock } from './holder.ts';
export type { SlotRecord } from './slot-ledger.ts';

/** A run as the ledger has it now: its request, its state, and what it has done so far. */
export interface RunRecord {
  readonly id: string;
  readonly plan: string;
  readonly tenant: Tenant;
  readonly dataset: string;
  readonly strategy: Strategy;
  readonly range: Range;
  readonly state: RunState;
  readonly wanted: Wanted;
  /** Separates old rows from the run's own, with microseconds: `2026-01-05 06:00:00.000000`. Null before the first step. */
  readonly epoch: string | null;
  readonly createdAt: Instant;
  readonly finishedAt: Instant | null;
  /** Seconds that programs were at work on it, pauses and outages left out. It grows while one is. */
  readonly seconds: number;
  /** Sum over its proven deletes of what each was made for, and rows that came late to them. Repeats are not in it. */
  readonly rowsDeleted: number;
  /** Rows that a retry deleted once more: those that the run itself had written. */
  readonly rowsDeletedAgain: number;
  /** Rows at most of deletes that were sent and are not proven: gone, or about to go, and not in `rowsDeleted`. */
  readonly rowsSent: number;
  /** Those of `rowsSent` whose deletes were proven before: a retry deletes them once more. */
  readonly rowsSentAgain: number;
  /** Sum over its windows of the last attempt that is done. */
  readonly rowsWritten: number;
  /** Rows that a retry wrote once more. */
  readonly rowsWrittenAgain: number;
  /**
   * Rows of the proofs that `proofs(run)` returns which are not proven: those that differ, and those that changed at every
   * look. Null if nothing was proven: then it is unknown.
   */
  readonly differences: number | null;
  readonly error: ErrorRecord | null;
  /** Who is at work on it now, by the ledger's lock; null when nobody is, and mostly so with `temporal`. */
  readonly holder: Holder | null;
  readonly executor: Executor;
  /** Id of its workflow; null with `local`. */
  readonly workflow: string | null;
}

/** A window of a run and how it stands. Ids count from 1 in the order of time. */
export interface WindowRecord extends Range {
  readonly id: number;
  readonly delete: number;
  readonly sourceRows: number;
  readonly state: WindowState;
  /** Attempts begun so far, and of these the ones since the last `retry`. */
  readonly attempts: number;
  readonly attemptsSinceRetry: number;
  /** Whether its rows were shown to fit the target, since the last `retry`; only a `purge` does that. */
  readonly rehearsed: boolean;
  /** Why rehearsals of it failed, since it was cut or retried. */
  readonly rehearsalFailures: readonly ErrorCode[];
  /** When its latest attempt began. */
  readonly startedAt: Instant | null;
  /** When it was written, or failed; null while it is pending or writing. */
  readonly finishedAt: Instant | null;
  readonly error: ErrorRecord | null;
}

/** Which of a run's windows: a run may have very many, and a step needs a few of them. */
export interface UnitsOf {
  readonly window?: number;
  readonly delete?: number;
}

/** A delete of a run: a part of its range, on all tables of the plan. */
export interface DeleteRecord extends Range {
  readonly id: number;
  readonly state: DeleteState;
  readonly error: ErrorRecord | null;
}

/** What has changed of a run since a look at it. */
export interface Changes {
  /** In time order, as the deletes. */
  readonly windows: readonly WindowRecord[];
  readonly deletes: readonly DeleteRecord[];
  /** Where the next look begins. */
  readonly mark: string;
}

/** One try at writing a window. Kept for ever: an abandoned one's rows are known by its version. */
export interface AttemptRecord {
  readonly window: number;
  /** From 1, over the whole life of the run. */
  readonly attempt: number;
  readonly state: 'started' | 'done' | 'abandoned';
  /** The snapshot's time with microseconds, which is the version of every row that it writes. */
  readonly version: string;
  /** Query ids of its inserts, by table: chosen before they are sent. */
  readonly queries: Readonly<Record<string, string>>;
  /** Why it failed, since the window's last `retry` or cut; null where it did not, or where its program was killed. */
  readonly failure: ErrorCode | null;
}

/** The source's side of a window's proof: counted in the very snapshot that was written. */
export interface SourceSums {
  readonly table: string;
  readonly rows: number;
  readonly excluded: Excluded;
  /** Rows and sum of hashes by bucket, as JSON; see src/steps/row-sums.ts. */
  readonly buckets: Readonly<Record<string, readonly [rows: number, sum: string]>>;
}

/** A mutation of ours on one table. */
export interface MutationRecord {
  readonly delete: number;
  readonly table: string;
  /** In the predicate, so that `system.mutations` tells ours from anybody else's. */
  readonly nonce: string;
  readonly statement: string;
  /** What the mutation is called on each shard, once it was seen there. */
  readonly ids: readonly { readonly shard: string; readonly id: string }[];
  /** Rows that matched its predicate just before it was sent; null until then. */
  readonly rows: number | null;
  readonly state: 'planned' | 'assigned' | 'finished';
}

/** Who did what, when, from where. Never changed and never removed. */
export interface AuditEntry {
  readonly at: Instant;
  readonly actor: Actor;
  readonly action: string;
  readonly subject: string;
  readonly details: Readonly<Record<string, unknown>>;
}

/** A comparison of both sides: `refill verify`, or that of a run. `ok` is null until it has ended. */
export interface Verification {
  readonly id: string;
  readonly at: Instant;
  /** The run that it belongs to; null for `refill verify`. */
  readonly run: string | null;
  readonly tenant: Tenant;
  readonly dataset: string;
  readonly range: Range;
  /** Target columns that it does not compare. */
  readonly unproven: readonly UnprovenColumn[];
  readonly ok: boolean | null;
}

/** What a list of plans shows of one. */
export type PlanSummary = Pick<
  Plan,
  'id' | 'createdAt' | 'createdBy' | 'tenant' | 'dataset' | 'strategy' | 'range' | 'cost'
>;

/** Which drift, and how much of it at once: a run can have millions of rows of it. */
export interface DriftFilter {
  readonly table?: string;
  readonly limit: number;
  /** The last row of the page before: only what follows it is returned. */
  readonly after?: Drift;
}

/** Windows at once that somebody has set for a cluster, or for all of them, while runs are at work. */
export interface LiveLimit {
  /** Null: every cluster that has none of its own. */
  readonly cluster: string | null;
  readonly windows: number;
  readonly setBy: Actor;
  readonly setAt: Instant;
}

/**
 * The record of what was planned, done and proven. Every method is one transaction. A checkpoint is written in the same
 * transaction as the fact that it records. Errors: `LEDGER_UNREACHABLE`, `LEDGER_FAILED`, `LEDGER_NEWER`.
 *
 * Where the ledger goes away, every method tries again for about 10 s and then throws `LEDGER_UNREACHABLE`. All of them
 * may be repeated because none takes effect twice: a transaction that was lost before its COMMIT is known not to be
 * there, and after a COMMIT without an answer Postgres is asked what became of it.
 *
 * A change that the present state of a run, window, delete or attempt does not allow throws `RUN_STATE` (see
 * src/ledger/moves.ts); a window, delete, attempt, nonce or verification that does not exist is a `BUG`.
 */
export interface Ledger extends FleetLedger, BackfillLedger, SlotLedger {
  /** Gives all locks back and ends all connections. A second call does nothing. */
  close(): Promise<void>;

  /** Saving the same plan again does nothing; another one of the same id is a `BUG`. */
  savePlan(plan: Plan, actor: Actor): Promise<void>;
  /** Throws `PLAN_UNKNOWN`. */
  plan(id: string): Promise<Plan>;
  /** Newest first. */
  plans(limit: number): Promise<readonly PlanSummary[]>;

  /**
   * Makes a run of a saved plan with its windows and deletes, all pending; the run is `running`. Throws `RUN_OVERLAPS`, naming the run, when an
   * unfinished run covers a part of the same cluster, tenant, dataset and range; two programs that try at the same
   * instant cannot both succeed.
   *
   * @param workflow Makes the id of its workflow from the run's: the executor is `temporal`. Default: `local`.
   */
  createRun(plan: Plan, actor: Actor, workflow?: (run: string) => string): Promise<RunRecord>;
  /**
   * Throws `RUN_UNKNOWN`. A unique beginning of an id is enough; where several fit, `details.candidates` names them.
   * All other methods take whole ids.
   */
  run(id: string): Promise<RunRecord>;
  /** Newest first. */
  runs(filter: {
    readonly states?: readonly RunState[];
    /** Whole id of a plan: only its runs. */
    readonly plan?: string;
    readonly limit: number;
  }): Promise<readonly RunRecord[]>;
  /** Throws `RUN_BUSY`, naming who, when another program holds it. */
  lockRun(id: string, actor: Actor): Promise<RunLock>;
  /** Sets the epoch if it has none, and returns the one it has. */
  setEpoch(run: string, epoch: string): Promise<string>;
  /**
   * Changes the state, with an audit entry; `seconds` is added to the run's, and `error` replaces the run's (none
   * clears it). `running` is allowed from `running` (a program takes over) and `paused`; an ended run is left by
   * `retry` alone. What is `wanted` stays as it is.
   */
  setRunState(
    run: string,
    state: RunState,
    actor: Actor,
    extra?: { readonly error?: ErrorRecord; readonly seconds?: number },
  ): Promise<void>;
  /** What somebody wants of the run; with an audit entry. Throws `RUN_STATE` where it has ended. */
  request(run: string, wanted: Wanted, actor: Actor): Promise<void>;
  wanted(run: string): Promise<Wanted>;
  /**
   * Makes a run that is failed, cancelled, paused or has differences `running` again, and pending: its failed windows,
   * its failed deletes, and its deletes whose proofs show drift with all their windows. In a `purge`, where a delete
   * failed, the windows that were written under it as well: its next mutation may remove what they wrote. Returns how
   * many windows and deletes became pending. Mutations, proofs and drift of such a delete become history. Throws
   * `RUN_STATE`, and `RUN_OVERLAPS` where another run has taken the range since.
   */
  retry(run: string, actor: Actor): Promise<number>;
  /**
   * Makes the deletes pending again whose mutations were taken back, so that `resume` sends others. As with `retry`, the
   * windows that were written under a `purge` become pending too. What is proven or has failed is left.
   */
  repeatDeletes(run: string, nonces: readonly string[], actor: Actor): Promise<void>;

  /** In time order: all, one, or those of a delete. */
  windows(run: string, of?: UnitsOf): Promise<readonly WindowRecord[]>;
  /** In time order: all, or one. */
  deletes(run: string, id?: number): Promise<readonly DeleteRecord[]>;
  /**
   * Windows and deletes that have changed since a mark; all of them where it is null. One that was changed while the mark
   * was taken may come twice, and none is missed.
   */
  changes(run: string, since: string | null): Promise<Changes>;
  /** The window becomes `writing`, its earlier `started` attempts `abandoned`, and the next attempt is kept. */
  startAttempt(
    run: string,
    window: number,
    version: string,
    queries: (attempt: number) => Readonly<Record<string, string>>,
  ): Promise<AttemptRecord>;
  /** Throws `RUN_STATE` where the attempt is not `started` any more, as `finishAttempt` does. */
  checkAttempt(run: string, window: number, attempt: number): Promise<void>;
  /**
   * The attempt is `done`, the window `written`, the sums kept, and `rows` counted in the run's `rowsWritten`. Throws
   * `RUN_STATE` for an attempt that is not `started` any more: another program has begun the window again.
   */
  finishAttempt(
    run: string,
    window: number,
    attempt: number,
    result: { readonly rows: number; readonly sums: readonly SourceSums[] },
  ): Promise<void>;
  /** The attempt is `abandoned`; the window `pending`, or `failed` where `final`. Throws as `finishAttempt` does. */
  failAttempt(run: string, window: number, attempt: number, error: ErrorRecord, final: boolean): Promise<void>;
  /**
   * Cuts a window that is not written in two: it keeps its id, its attempts and what lies before the instant; a new one
   * takes the rest. Both are `pending`, and failures before count no longer. The plan stays as it is.
   */
  cutWindow(run: string, window: number, at: Instant): Promise<void>;
  /** Keeps that a window was rehearsed, or why it could not be. */
  keepRehearsal(run: string, window: number, failure: ErrorCode | null): Promise<void>;
  /** A window that is not `done` fails, with the attempt that is at work on it. */
  failWindow(run: string, window: number, error: ErrorRecord): Promise<void>;
  /** All attempts of a run, of one window, or of the windows of a delete. */
  attempts(run: string, of?: UnitsOf): Promise<readonly AttemptRecord[]>;
  /** Rows and seconds of the attempts of a run that were done last, within a day; the newest last. */
  paces(run: string): Promise<readonly WindowSample[]>;
  /** Of the window's last attempt that is done; `snapshot` is its version. A `BUG` where there is none. */
  sums(run: string, window: number): Promise<{ readonly snapshot: string; readonly tables: readonly SourceSums[] }>;

  /**
   * The delete becomes `submitted` and its mutations are kept as `planned`, before anything is sent; without any it is
   * `finished` at once. May be called again with the same mutations while all are `planned`: the newer `rows` are kept.
   */
  planMutations(
    run: string,
    del: number,
    mutations: readonly Omit<MutationRecord, 'delete' | 'ids' | 'state'>[],
  ): Promise<void>;
  /** Those of each delete since its last `retry`. */
  mutations(run: string, del?: number): Promise<readonly MutationRecord[]>;
  /**
   * Keeps a mutation's ids and state, which never goes back. When it is the last of the delete to become so, the delete
   * follows.
   */
  setMutation(run: string, nonce: string, state: 'assigned' | 'finished', ids: MutationRecord['ids']): Promise<void>;
  /**
   * Keeps that a statement is about to be sent, what it is known by, and how many seconds from now on its server takes it.
   * Returns a number for `answerSent`.
   */
  keepSent(mark: string, seconds: number): Promise<string>;
  /** A statement was answered: it is not on its way any more. */
  answerSent(id: string): Promise<void>;
  /** For how many seconds a statement that was not answered may still be taken, of those whose mark begins so; 0 for none. */
  secondsOnTheWay(mark: string): Promise<number>;
  failDelete(run: string, del: number, error: ErrorRecord): Promise<void>;
  /**
   * The `finished` delete is `proven`, its `written` windows `done`, proofs and drift kept, and the rows added to the
   * run's numbers. Throws `RUN_STATE`, and keeps nothing, when one of its windows is not `written`.
   */
  proveDelete(
    run: string,
    del: number,
    proofs: readonly TableProof[],
    drift: readonly Drift[],
    rowsDeleted: number,
  ): Promise<void>;

  /**
   * Keeps how many rows a look over the range has found in that of each delete, before they are deleted. Those that were
   * kept before and are not found any more are gone, and count as deleted: so they count once, wherever the program is
   * killed.
   */
  keepLate(run: string, late: ReadonlyMap<number, number>): Promise<void>;

  /** Begins a verification by itself (`run` null) or of a run; returns its id. */
  startVerification(verification: Omit<Verification, 'at' | 'ok' | 'id'>, actor: Actor): Promise<string>;
  addProofs(verification: string, proofs: readonly TableProof[], drift: readonly Drift[]): Promise<void>;
  finishVerification(verification: string, ok: boolean): Promise<void>;
  /** Newest first, unfinished ones (`ok` null) included. */
  verifications(filter: {
    readonly id?: string;
    readonly run?: string;
    readonly limit: number;
  }): Promise<readonly Verification[]>;
  /** Of a verification, or of a run's deletes since their last `retry`; in time order. */
  proofs(owner: string): Promise<readonly TableProof[]>;
  /** Drift of a run or a verification, by table, kind and key; otherwise as `proofs`. */
  drift(owner: string, filter: DriftFilter): Promise<readonly Drift[]>;

  liveLimits(): Promise<readonly LiveLimit[]>;
  /** What is in force for a cluster; null where nothing was set. */
  liveLimit(cluster: string): Promise<number | null>;
  /** Sets a limit, or withdraws it (null), with an audit entry; runs at work see it at their next look. */
  setLiveLimit(cluster: string | null, windows: number | null, actor: Actor): Promise<void>;

  audit(entry: Omit<AuditEntry, 'at'>): Promise<void>;
  /** Newest first. */
  auditEntries(filter: { readonly subject?: string; readonly limit: number }): Promise<readonly AuditEntry[]>;
  /** Rows a second of the last windows on a cluster, all windows at work together; null where there were none. */
  measuredRate(cluster: string, dataset: string): Promise<number | null>;
}
