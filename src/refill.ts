import type { Explanation, Finding, RunEvent, TenantFinding, VerifyResult } from './domain/events.ts';
import type { BackfillEvent, BackfillPlan, BackfillRequest, BackfillTally } from './domain/backfill.ts';
import type { MutationFinding } from './domain/mutations.ts';
import type { Executor } from './domain/executor.ts';
import type { FleetEvent } from './domain/fleet-events.ts';
import type { ClusterFindings, ClusterTally, FleetPlan, FleetRequest, Unproven } from './domain/fleet.ts';
import type { Plan } from './domain/plan.ts';
import type { IdsRequest, PlanRequest, Survey } from './domain/requests.ts';
import type { Unjudged } from './domain/scorer.ts';
import type { Range, TenantName } from './domain/words.ts';
import type {
  AuditEntry,
  BackfillRecord,
  DeleteRecord,
  LiveLimit,
  SlotRecord,
  FleetRecord,
  Ledger,
  MemberRecord,
  RunRecord,
  WindowRecord,
} from './ledger/ledger.ts';
import type { Drift, TableProof } from './domain/drift.ts';

/** A tenant and how to find it and its tables. */
export interface TenantRequest {
  readonly tenant: TenantName;
  readonly cluster?: string;
  readonly dataset?: string;
}

/** How a saved plan is executed, or a run gone on with. */
export interface RunOptions {
  /** Whether counts are compared with the plan's before it is run. Default true; false right after planning. */
  readonly recount?: boolean;
  /** Aborting drains: no new window is taken, and the run ends `paused`. */
  readonly drain?: AbortSignal;
  /** Aborting stops at once: statements are cancelled; what is half written is written again by `resume`. */
  readonly force?: AbortSignal;
  /** What does the steps of a run that is begun. Default: the configuration's; a run goes on with its own. */
  readonly executor?: Executor;
  /** Rows that the plan deletes, to be given where they are more than `limits.blastRows`. */
  readonly confirmRows?: number;
}

/** How a worker of the Temporal executor works. */
export interface WorkOptions {
  /** Clusters whose runs it works on. Default: all of the configuration. */
  readonly clusters?: readonly string[];
  /**
   * Whether it also listens on the task queues of the workflows that users had before Refill, and hands their work to
   * workers of the cluster that has the tenant. Default false.
   */
  readonly takeover?: boolean;
  /** Aborting shuts down: what is at work ends within 10 s, or is handed back for another worker. */
  readonly stop: AbortSignal;
  /** Called when it takes work, with its task queues. */
  readonly onReady?: (queues: readonly string[]) => void;
  /** What a person should know. */
  readonly onNotice?: (message: string) => void;
  /** What Temporal's SDK logs. */
  readonly onLog?: (level: string, message: string) => void;
}

/** What a caller hears while many tenants are planned. */
export interface PlanFleetOptions {
  /** Called after each tenant that was planned. */
  readonly onProgress?: (done: number, total: number) => void;
}

/** Where a fleet is: what `refill status` prints of it. However many windows there are, it is small. */
export interface FleetStatus {
  readonly fleet: FleetRecord;
  readonly clusters: readonly ClusterTally[];
  /** The first thousand. */
  readonly unproven: readonly Unproven[];
}

/** Everything about a fleet that `report` prints. */
export interface FleetReport extends FleetStatus {
  readonly plan: FleetPlan;
  /** By its tenants, in their order. */
  readonly members: readonly MemberRecord[];
  readonly audit: readonly AuditEntry[];
}

/** Everything about a backfill that `report` prints. */
export interface BackfillReport {
  readonly backfill: BackfillRecord;
  /** Items that could not be judged: the first thousand. */
  readonly unjudged: readonly Unjudged[];
  /** The run that re-indexes what was touched; null where there is none. */
  readonly reindex: RunDetails | null;
  /** Its newest thousand, with a transaction in the source each. */
  readonly audit: readonly AuditEntry[];
}

/** Everything about a run that `status` and `report` print. */
export interface RunDetails {
  readonly run: RunRecord;
  /** The fleet that it is of; null where it is of none. */
  readonly fleet: string | null;
  readonly plan: Plan;
  readonly windows: readonly WindowRecord[];
  readonly deletes: readonly DeleteRecord[];
  readonly proofs: readonly TableProof[];
  /** The first thousand. */
  readonly drift: readonly Drift[];
  readonly audit: readonly AuditEntry[];
}

/** What the waiting of `cancel` is told by. */
export interface CancelWaiting {
  /** Aborting ends the waiting: the run is as it was, and can be cancelled again. Default: it is waited for. */
  readonly signal?: AbortSignal;
  /** Called at each look with what is waited for. */
  readonly onWait?: (reason: string) => void;
}

/** What the command line does, for programs. Made by `createRefill`; opens connections when first needed. */
export interface Refill {
  /** The record of plans, runs and proofs, opened and migrated when first asked for. */
  readonly ledger: () => Promise<Ledger>;
  /** Every tenant found on any side of any cluster, with what is unclear of it. Throws where a cluster does not answer. */
  tenants(options?: { readonly dataset?: string }): Promise<readonly TenantFinding[]>;
  /**
   * Looks at everything that a run needs and changes nothing; what is wrong is a finding, not an exception. `fix`
   * registers Temporal's search attributes where they are missing. Default false.
   */
  doctor(options?: { readonly fix?: boolean }): Promise<readonly Finding[]>;
  /** Windows at once that were set by hand, for a cluster or (null) for all that have none of their own. */
  limits(): Promise<readonly LiveLimit[]>;
  /** Sets them, or withdraws what was set (null). Runs at work see it at their next look; 0 holds them. */
  setLimit(cluster: string | null, windows: number | null): Promise<readonly LiveLimit[]>;
  /** Windows at work just now, of all programs that share the ledger: what `limits` and the configuration's are counted by. */
  slots(): Promise<readonly SlotRecord[]>;
  /** Mutations that are not done, ours and others', with what keeps them. */
  mutations(options?: { readonly cluster?: string }): Promise<readonly MutationFinding[]>;
  /** Takes back the unfinished mutations of a run that this ledger knows, and returns them; nobody else's is touched. */
  killMutations(run: string): Promise<readonly MutationFinding[]>;
  /**
   * Counts a tenant's rows on both sides, by table and by day.
   *
   * @param request `untimed` also counts source rows without a time, which reads whole tables. Default false.
   */
  survey(request: TenantRequest & { readonly range: Range; readonly untimed?: boolean }): Promise<Survey>;
  /** The same of tenants that `tenantsByCluster` has found, one after another; they are not looked for again. */
  surveys(request: {
    readonly tenants: readonly TenantFinding[];
    readonly range: Range;
    readonly untimed?: boolean;
    readonly dataset?: string;
  }): AsyncIterable<Survey>;
  /** Plans a tenant's range and saves the plan; deletes and writes nothing. Throws `TENANT_UNKNOWN`, `PREFLIGHT_FAILED`. */
  plan(request: PlanRequest): Promise<Plan>;
  /** A plan of some scorecards (or whatever the dataset's ids are of) and all that is derived from them. At most 1,000. */
  planIds(request: IdsRequest): Promise<Plan>;
  /** Executes a saved plan. The last event is the result; a failure of the run is a result, not an exception. */
  run(plan: string, options?: RunOptions): AsyncIterable<RunEvent>;
  /** Goes on with a run that was interrupted or paused; the only one, when not named. Throws `RUN_STATE`, `RUN_BUSY`. */
  resume(run?: string, options?: RunOptions): AsyncIterable<RunEvent>;
  /** Begins again what failed, was cancelled or shows differences; what is proven stays. Throws `RUN_STATE`. */
  retry(run?: string, options?: RunOptions): AsyncIterable<RunEvent>;
  /** Asks a run to pause or to end, whichever program is at work on it. */
  pause(run?: string): Promise<RunRecord>;
  /**
   * The same, to end it: statements at work are stopped, mutations that were sent end by themselves. Where nobody is at
   * work on it, the end of workflows that its re-indexer has left at work is waited for here.
   */
  cancel(run?: string, waiting?: CancelWaiting): Promise<RunRecord>;
  /** Newest first; 20 where no limit is given. */
  runs(options?: { readonly limit?: number }): Promise<readonly RunRecord[]>;
  /** Newest run when not named. */
  status(run?: string): Promise<RunDetails>;
  /** Compares both sides of a range, row by row, and writes nothing but the proofs. Differences are a result. */
  verify(
    request: TenantRequest & {
      readonly range: Range;
      readonly tables?: readonly string[];
      readonly onProgress?: (done: number, total: number) => void;
    },
  ): Promise<VerifyResult>;
  /** Of one row's key: where it is, where it should be, and why. One entry a table that knows it. */
  explain(request: TenantRequest & { readonly id: string }): Promise<readonly Explanation[]>;
  /** The tenants of clusters. One that cannot be asked is unknown, with its reason, and hides none of the others. */
  tenantsByCluster(options?: {
    readonly dataset?: string;
    readonly clusters?: readonly string[];
  }): Promise<readonly ClusterFindings[]>;
  /**
   * Plans many tenants. Throws `TENANTS_COLLIDE` where two of them have one database; a tenant that cannot be planned,
   * and a cluster that cannot be reached, are named in the plan.
   */
  planFleet(request: FleetRequest, options?: PlanFleetOptions): Promise<FleetPlan>;
  /**
   * Executes a fleet plan, once. The last event is the result; a tenant's failure is in it, not an exception.
   *
   * @param fleet Id of the fleet, or the beginning of it; so for all that follow.
   */
  runFleet(fleet: string, options?: RunOptions): AsyncIterable<FleetEvent>;
  /** Goes on with one that was interrupted or paused: what has ended stays so, runs are gone on with, others begun. */
  resumeFleet(fleet: string, options?: RunOptions): AsyncIterable<FleetEvent>;
  /** Goes on with every tenant that is not proven. */
  retryFleet(fleet: string, options?: RunOptions): AsyncIterable<FleetEvent>;
  /** Asks a fleet to pause or to end, whichever program is at work on it. */
  pauseFleet(fleet: string): Promise<FleetRecord>;
  /** The same, to end it with the runs of its tenants, as `cancel` does. */
  cancelFleet(fleet: string, waiting?: CancelWaiting): Promise<FleetRecord>;
  /** Newest first; 20 where no limit is given. */
  fleets(options?: { readonly limit?: number }): Promise<readonly FleetRecord[]>;
  /** How a fleet stands, however many windows it has. Throws `FLEET_UNKNOWN`. */
  fleetStatus(fleet: string): Promise<FleetStatus>;
  /** The same with its plan and every tenant. */
  fleetReport(fleet: string): Promise<FleetReport>;
  /**
   * Works on runs of the Temporal executor until `stop`. Throws `CONFIG_INVALID` where no Temporal server is configured,
   * `TEMPORAL_MISSING`, `TEMPORAL_UNREACHABLE`.
   */
  work(options: WorkOptions): Promise<void>;
  /** Counts what a backfill would judge, and saves that under an id. The scorer is not asked. */
  planBackfill(request: BackfillRequest): Promise<BackfillPlan>;
  /** Asks the scorer about every item and returns what would be written. Nothing is. */
  rehearseBackfill(id: string, options?: { readonly signal?: AbortSignal }): Promise<BackfillTally>;
  /**
   * Executes a saved backfill, or goes on with one: the only thing that writes to the users' Postgres. The last event is
   * the result; a failure is a result, not an exception.
   */
  backfill(id: string, options?: Pick<RunOptions, 'drain' | 'force'>): AsyncIterable<BackfillEvent>;
  /** Goes on with a backfill that was interrupted or paused. Throws `RUN_STATE`, `RUN_BUSY`. */
  resumeBackfill(id: string, options?: Pick<RunOptions, 'drain' | 'force'>): AsyncIterable<BackfillEvent>;
  /** Goes on with one that has failed or was cancelled. Throws `RUN_STATE`. */
  retryBackfill(id: string, options?: Pick<RunOptions, 'drain' | 'force'>): AsyncIterable<BackfillEvent>;
  /** Asks a backfill to pause or to end, with the run that re-indexes, whichever program is at work on it. */
  pauseBackfill(id: string): Promise<BackfillRecord>;
  /** The same, to end it, as `cancel` does. What was written to Postgres stays. */
  cancelBackfill(id: string, waiting?: CancelWaiting): Promise<BackfillRecord>;
  /** Newest first; 20 where no limit is given. */
  backfills(options?: { readonly limit?: number }): Promise<readonly BackfillRecord[]>;
  /** Where a backfill is. Throws `BACKFILL_UNKNOWN`. */
  backfillStatus(id: string): Promise<BackfillRecord>;
  /** The same with who could not be judged, who wrote what, and the run that re-indexes. */
  backfillReport(id: string): Promise<BackfillReport>;
  /** Ends what is at work and all connections. A second call does nothing. */
  close(): Promise<void>;
}
