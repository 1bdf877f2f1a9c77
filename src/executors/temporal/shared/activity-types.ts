import type { TakenPlace, TakenPlan, TakenType } from './taken.ts';
import type { Verified, VerifyRequest } from './verify.ts';
import type { ErrorRecord } from '../../../domain/errors.ts';
import type { RunState, Wanted } from '../../../domain/states.ts';
import type { TenantName } from '../../../domain/words.ts';
import type { FlowTenant } from '../../../flow/fleet.ts';
import type { FlowWindow, Work } from '../../../flow/steps.ts';
import type { MemberPayload, SliceSize, UnitPayload } from './payloads.ts';

/** What a workflow searches by: whether the server knows our search attributes, and what is to be known of it already. */
export interface VerifyBegin {
  readonly attributes: boolean;
  readonly dataset: string;
  /** Not there where the tenant has to be looked for on several. */
  readonly cluster?: string;
}

/** What a verification came to, and where; a worker of before says less of the latter. */
export type VerifyEnd = Verified & { readonly attributes?: boolean; readonly cluster?: string };

/** A part of what a run still has to do. */
export interface Slice {
  readonly work: Work;
  /** Whether there is more after it. */
  readonly more: boolean;
  /** Windows at work at once, by the plan. */
  readonly windows: number;
  readonly wanted: Wanted;
}

/** What every step of a run returns: what somebody wants of the run, as the ledger has it. */
export interface StepEnd {
  readonly wanted: Wanted;
  /** Of a window: what it was cut into, where it was. */
  readonly windows?: readonly FlowWindow[];
  /** True where nothing was begun, as the run was paused or cancelled while the step waited for its turn. */
  readonly left?: boolean;
}

/** How a run ended; `running` where it goes on. */
export interface TenantEnd {
  readonly run: string;
  readonly state: RunState;
  readonly differences: number | null;
  readonly rowsWritten: number;
  readonly rowsDeleted: number;
  readonly error: ErrorRecord | null;
}

export interface EndPayload {
  readonly v: 1;
  readonly run: string;
  /** Seconds at work. */
  readonly seconds: number;
  /** Whether it goes on where the ledger knows of more: not so after a signal to pause, or where nothing got done. */
  readonly goesOn: boolean;
  /** Whether the workflow was cancelled. */
  readonly cancelled: boolean;
  /** What the flow threw, if it did. */
  readonly error: ErrorRecord | null;
  /** False where the last look over the range was not come to. Workflows from before it was said do not say it. */
  readonly swept?: boolean;
}

/** A fleet's tenant as its workflow needs it. */
export interface SentMember extends FlowTenant {
  /** `customer/profile` */
  readonly tenant: string;
  readonly dataset: string;
  readonly plan: string;
  readonly how: MemberPayload['how'];
}

/** The next tenants of a fleet in which there is something to do. */
export interface FleetSlice {
  readonly members: readonly SentMember[];
  /** Whether there are more after them; a worker of before has sent all, and does not say. */
  readonly more?: boolean;
  /** Tenants at work at once on a cluster, and failures after which nothing new is begun. */
  readonly tenants: number;
  readonly failures: number;
}

/** The activities of the executor. Each is safe to repeat: it looks in the ledger for what is done. */
export interface RefillActivities {
  /** Makes the run of a fleet's tenant, or prepares to go on with it. */
  refillOpen(payload: MemberPayload & { readonly v: 1 }): Promise<{ readonly run: string }>;
  refillBegin(payload: { readonly v: 1; readonly run: string; readonly slice: SliceSize }): Promise<Slice>;
  refillRehearseWindow(payload: UnitPayload): Promise<StepEnd>;
  refillWriteWindow(payload: UnitPayload): Promise<StepEnd>;
  refillSubmitDelete(payload: UnitPayload): Promise<StepEnd>;
  refillAwaitDelete(payload: UnitPayload): Promise<StepEnd>;
  refillProveWritten(payload: UnitPayload): Promise<StepEnd>;
  refillProveDelete(payload: UnitPayload): Promise<StepEnd>;
  refillSweep(payload: { readonly v: 1; readonly run: string }): Promise<StepEnd>;
  /** Keeps why a unit failed. */
  refillKeepFailure(payload: {
    readonly v: 1;
    readonly run: string;
    readonly unit: { readonly window: number } | { readonly delete: number };
    readonly error: ErrorRecord;
  }): Promise<void>;
  refillEnd(payload: EndPayload): Promise<TenantEnd>;
  refillFleetBegin(payload: {
    readonly v: 1;
    readonly fleet: string;
    readonly how: MemberPayload['how'];
    /** How many tenants at most, after which ones of each cluster; a workflow of before wants all, and does not say. */
    readonly most?: number;
    readonly after?: Readonly<Record<string, number>>;
  }): Promise<FleetSlice>;
  /** Keeps why a tenant's run could not begin or go on. */
  refillTenantFailed(payload: {
    readonly v: 1;
    readonly fleet: string;
    readonly order: number;
    readonly error: ErrorRecord;
  }): Promise<void>;
  refillFleetEnd(payload: {
    readonly v: 1;
    readonly fleet: string;
    readonly stopped: boolean;
    readonly cancelled: boolean;
    readonly seconds: number;
  }): Promise<{ readonly state: RunState }>;
  /** Looks at the configuration alone. */
  refillVerifyBegin(request: VerifyRequest): Promise<VerifyBegin>;
  refillVerifyRange(request: VerifyRequest): Promise<VerifyEnd>;
}

/** The activities of workflows that were taken over. */
export interface TakenActivities {
  /** The clusters whose runs are on this Temporal server. Done by whoever listens on the users' task queue. */
  refillTakenPlaces(): Promise<readonly TakenPlace[]>;
  /** Whether a cluster has a tenant: this and all that follow are done by workers of the cluster. */
  refillTakenFind(payload: { readonly cluster: string; readonly tenant: TenantName }): Promise<boolean>;
  refillTakenPlan(payload: {
    readonly type: TakenType;
    readonly payload: unknown;
    /** Absent in workflows that began before clusters were asked. */
    readonly cluster?: string;
  }): Promise<TakenPlan>;
  refillTakenRun(plan: TakenPlan): Promise<Readonly<Record<string, unknown>>>;
  /** Ends the run or the backfill of a plan whose workflow was cancelled. */
  refillTakenCancel(plan: TakenPlan): Promise<void>;
}
