import type { Drift, TableProof } from '../domain/drift.ts';
import type { ErrorRecord } from '../domain/errors.ts';
import type { Plan } from '../domain/plan.ts';
import type { DeleteState, RunState, Wanted, WindowState } from '../domain/states.ts';
import type { Excluded, Instant, Range, Strategy, Tenant } from '../domain/words.ts';

/** Who does something: kept in the audit and shown to whoever finds a run busy. */
export interface Actor {
  readonly user: string;
  readonly host: string;
  readonly pid: number;
}

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
  /** Seconds that programs were at work on it, pauses and outages left out. */
  readonly seconds: number;
  readonly rowsDeleted: number;
  readonly rowsWritten: number;
  readonly differences: number;
  readonly error: ErrorRecord | null;
  /** Who is at work on it now, by the ledger's lock; null when nobody is. */
  readonly holder: (Actor & { readonly since: Instant }) | null;
}

export interface WindowRecord extends Range {
  readonly id: number;
  readonly delete: number;
  readonly sourceRows: number;
  readonly state: WindowState;
  /** Attempts begun so far, and of these the ones since the last `retry`. */
  readonly attempts: number;
  readonly attemptsSinceRetry: number;
  readonly startedAt: Instant | null;
  readonly finishedAt: Instant | null;
  readonly error: ErrorRecord | null;
}

export interface DeleteRecord extends Range {
  readonly id: number;
  readonly state: DeleteState;
  readonly error: ErrorRecord | null;
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
}

/** The source's side of a window's proof: counted in the very snapshot that was written. */
export interface SourceSums {
  readonly table: string;
  readonly rows: number;
  readonly excluded: Excluded;
  /** Rows and sum of hashes by bucket, as JSON; see src/steps/sums.ts. */
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

export interface AuditEntry {
  readonly at: Instant;
  readonly actor: Actor;
  readonly action: string;
  readonly subject: string;
  readonly details: Readonly<Record<string, unknown>>;
}

export interface Verification {
  readonly id: string;
  readonly at: Instant;
  /** The run that it belongs to; null for `refill verify`. */
  readonly run: string | null;
  readonly tenant: Tenant;
  readonly dataset: string;
  readonly range: Range;
  readonly ok: boolean | null;
}

/** A lock on a run, held by a connection of its own: it ends with the program, whatever ends the program. */
export interface RunLock {
  /** Resolves, with the reason, when the lock was lost (the ledger went away): work must stop at once. */
  readonly lost: Promise<Error>;
  release(): Promise<void>;
}

/**
 * The record of what was planned, done and proven. Every method is one transaction. A checkpoint is written in the same
 * transaction as the fact that it records. Errors: `LEDGER_UNREACHABLE`, `LEDGER_FAILED`, `LEDGER_NEWER`.
 */
export interface Ledger {
  close(): Promise<void>;

  savePlan(plan: Plan, actor: Actor): Promise<void>;
  /** Throws `PLAN_UNKNOWN`. */
  plan(id: string): Promise<Plan>;
  plans(
    limit: number,
  ): Promise<
    readonly Pick<Plan, 'id' | 'createdAt' | 'createdBy' | 'tenant' | 'dataset' | 'strategy' | 'range' | 'cost'>[]
  >;

  /**
   * Makes a run of a plan with its windows and deletes, all pending. Throws `RUN_OVERLAPS`, naming the run, when an
   * unfinished run covers a part of the same cluster, tenant, dataset and range; two programs that try at the same
   * instant cannot both succeed.
   */
  createRun(plan: Plan, actor: Actor): Promise<RunRecord>;
  /** Throws `RUN_UNKNOWN`. A unique beginning of an id is enough. */
  run(id: string): Promise<RunRecord>;
  /** Newest first. */
  runs(filter: { readonly states?: readonly RunState[]; readonly limit: number }): Promise<readonly RunRecord[]>;
  /** Throws `RUN_BUSY`, naming who, when another program holds it. */
  lockRun(id: string, actor: Actor): Promise<RunLock>;
  /** Sets the epoch if it has none, and returns the one it has. */
  setEpoch(run: string, epoch: string): Promise<string>;
  /** Changes the state, with an audit entry; `seconds` is added to the run's. */
  setRunState(
    run: string,
    state: RunState,
    actor: Actor,
    extra?: { readonly error?: ErrorRecord; readonly seconds?: number },
  ): Promise<void>;
  /** What somebody wants of the run; with an audit entry. */
  request(run: string, wanted: Wanted, actor: Actor): Promise<void>;
  wanted(run: string): Promise<Wanted>;
  /** Makes failed windows and deletes pending again, windows of the named ones only when given; returns how many. */
  retry(run: string, actor: Actor): Promise<number>;

  windows(run: string): Promise<readonly WindowRecord[]>;
  deletes(run: string): Promise<readonly DeleteRecord[]>;
  /** The window becomes `writing`, its earlier `started` attempts `abandoned`, and the next attempt is kept. */
  startAttempt(
    run: string,
    window: number,
    version: string,
    queries: (attempt: number) => Readonly<Record<string, string>>,
  ): Promise<AttemptRecord>;
  /** The attempt is `done`, the window `written`, the sums kept, and `rows` added to the run's `rowsWritten`. */
  finishAttempt(
    run: string,
    window: number,
    attempt: number,
    result: { readonly rows: number; readonly sums: readonly SourceSums[] },
  ): Promise<void>;
  /** The attempt is `abandoned`; the window `pending`, or `failed` where `final`. */
  failAttempt(run: string, window: number, attempt: number, error: ErrorRecord, final: boolean): Promise<void>;
  failWindow(run: string, window: number, error: ErrorRecord): Promise<void>;
  /** All attempts of a run, or of one window. */
  attempts(run: string, window?: number): Promise<readonly AttemptRecord[]>;
  sums(run: string, window: number): Promise<{ readonly snapshot: string; readonly tables: readonly SourceSums[] }>;

  /** The delete becomes `submitted` and its mutations are kept as `planned`, before anything is sent. */
  planMutations(
    run: string,
    del: number,
    mutations: readonly Omit<MutationRecord, 'delete' | 'ids' | 'state'>[],
  ): Promise<void>;
  mutations(run: string, del?: number): Promise<readonly MutationRecord[]>;
  /** Keeps a mutation's ids and state. When it is the last of the delete to become so, the delete follows. */
  setMutation(run: string, nonce: string, state: 'assigned' | 'finished', ids: MutationRecord['ids']): Promise<void>;
  failDelete(run: string, del: number, error: ErrorRecord): Promise<void>;
  /** The delete is `proven`, its windows `done`, proofs and drift kept, and the rows added to the run's numbers. */
  proveDelete(
    run: string,
    del: number,
    proofs: readonly TableProof[],
    drift: readonly Drift[],
    rowsDeleted: number,
  ): Promise<void>;

  /** Begins a verification by itself (`run` null) or of a run. */
  startVerification(verification: Omit<Verification, 'at' | 'ok' | 'id'>, actor: Actor): Promise<string>;
  addProofs(verification: string, proofs: readonly TableProof[], drift: readonly Drift[]): Promise<void>;
  finishVerification(verification: string, ok: boolean): Promise<void>;
  proofs(owner: string): Promise<readonly TableProof[]>;
  /** Drift of a run or a verification, by table, kind and key. */
  drift(owner: string, filter: { readonly table?: string; readonly limit: number }): Promise<readonly Drift[]>;

  audit(entry: Omit<AuditEntry, 'at'>): Promise<void>;
  auditEntries(filter: { readonly subject?: string; readonly limit: number }): Promise<readonly AuditEntry[]>;
  /** Rows a second of the last windows on a cluster, all windows at work together; null where there were none. */
  measuredRate(cluster: string, dataset: string): Promise<number | null>;
}
