import type { Explanation, Finding, RunEvent, TenantFinding, VerifyResult } from './domain/events.ts';
import type { MutationFinding } from './domain/mutations.ts';
import type { Plan } from './domain/plan.ts';
import type { PlanRequest, Survey } from './domain/requests.ts';
import type { Range, TenantName } from './domain/words.ts';
import type { AuditEntry, DeleteRecord, Ledger, RunRecord, WindowRecord } from './ledger/ledger.ts';
import type { Drift, TableProof } from './domain/drift.ts';

/** A tenant and how to find it and its tables. */
export interface TenantRequest {
  readonly tenant: TenantName;
  readonly cluster?: string;
  readonly dataset?: string;
}

export interface RunOptions {
  /** Whether counts are compared with the plan's before it is run. Default true; false right after planning. */
  readonly recount?: boolean;
  /** Aborting drains: no new window is taken, and the run ends `paused`. */
  readonly drain?: AbortSignal;
  /** Aborting stops at once: statements are cancelled; what is half written is written again by `resume`. */
  readonly force?: AbortSignal;
}

/** Everything about a run that `status` and `report` print. */
export interface RunDetails {
  readonly run: RunRecord;
  readonly plan: Plan;
  readonly windows: readonly WindowRecord[];
  readonly deletes: readonly DeleteRecord[];
  readonly proofs: readonly TableProof[];
  /** The first thousand. */
  readonly drift: readonly Drift[];
  readonly audit: readonly AuditEntry[];
}

/** What the command line does, for programs. Made by `createRefill`; opens connections when first needed. */
export interface Refill {
  readonly ledger: () => Promise<Ledger>;
  tenants(options?: { readonly dataset?: string }): Promise<readonly TenantFinding[]>;
  doctor(): Promise<readonly Finding[]>;
  /** Mutations that are not done, ours and others', with what keeps them. */
  mutations(options?: { readonly cluster?: string }): Promise<readonly MutationFinding[]>;
  /** Takes back the unfinished mutations of a run that this ledger knows, and returns them; nobody else's is touched. */
  killMutations(run: string): Promise<readonly MutationFinding[]>;
  survey(request: TenantRequest & { readonly range: Range; readonly untimed?: boolean }): Promise<Survey>;
  plan(request: PlanRequest): Promise<Plan>;
  /** Executes a saved plan. The last event is the result; a failure of the run is a result, not an exception. */
  run(plan: string, options?: RunOptions): AsyncIterable<RunEvent>;
  resume(run?: string, options?: RunOptions): AsyncIterable<RunEvent>;
  retry(run?: string, options?: RunOptions): AsyncIterable<RunEvent>;
  /** Asks a run to pause or to end, whichever program is at work on it. */
  pause(run?: string): Promise<RunRecord>;
  cancel(run?: string): Promise<RunRecord>;
  runs(options?: { readonly limit?: number }): Promise<readonly RunRecord[]>;
  /** Newest run when not named. */
  status(run?: string): Promise<RunDetails>;
  verify(
    request: TenantRequest & {
      readonly range: Range;
      readonly tables?: readonly string[];
      readonly onProgress?: (done: number, total: number) => void;
    },
  ): Promise<VerifyResult>;
  explain(request: TenantRequest & { readonly id: string }): Promise<readonly Explanation[]>;
  close(): Promise<void>;
}
