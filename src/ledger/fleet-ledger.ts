import type { ErrorRecord } from '../domain/errors.ts';
import type { Executor } from '../domain/executor.ts';
import type { ClusterTally, FleetPlan, FleetState, MemberState, Unproven } from '../domain/fleet.ts';
import type { RunState, Wanted } from '../domain/states.ts';
import type { Instant, TenantName } from '../domain/words.ts';
import type { Actor, Holder, RunLock } from './holder.ts';

/** A fleet without its tenants. */
export interface FleetRecord extends Omit<FleetPlan, 'members'> {
  readonly state: FleetState;
  readonly wanted: Wanted;
  readonly begunAt: Instant | null;
  readonly finishedAt: Instant | null;
  /** Seconds that programs were at work on it, pauses and outages left out. */
  readonly seconds: number;
  readonly error: ErrorRecord | null;
  readonly holder: Holder | null;
  /** `temporal` once its workflow was begun. */
  readonly executor: Executor;
  /** Id of its workflow; null with `local`. */
  readonly workflow: string | null;
}

/** A tenant of a fleet and where it is; its state follows from its run where it has one. */
export interface MemberRecord extends TenantName {
  readonly order: number;
  readonly cluster: string;
  readonly plan: string | null;
  readonly run: string | null;
  readonly runState: RunState | null;
  readonly state: MemberState;
  readonly rowsToWrite: number;
  readonly rowsWritten: number;
}

/** Tenants of a fleet that have changed since a look at it. */
export interface MemberChanges {
  /** In their order. */
  readonly members: readonly MemberRecord[];
  /** Where the next look begins. */
  readonly mark: string;
}

/** The ledger's part on fleets. */
export interface FleetLedger {
  /** Keeps a fleet plan; the plans of its tenants are there already. Saving the same again does nothing. */
  saveFleet(plan: FleetPlan, actor: Actor): Promise<void>;
  /** By its id or the beginning of it. Throws `FLEET_UNKNOWN`. */
  fleet(id: string): Promise<FleetRecord>;
  fleetPlan(id: string): Promise<FleetPlan>;
  /** Newest first. */
  fleets(limit: number): Promise<readonly FleetRecord[]>;
  /** The fleet that a plan was made for; null where it is of none. */
  fleetOf(plan: string): Promise<string | null>;
  /** In their order: all, or one. */
  members(fleet: string, order?: number): Promise<readonly MemberRecord[]>;
  /**
   * Tenants whose state, problem or run has changed since a mark, with their numbers of now; all of them where it is null.
   * Rows that are written change no tenant. One that was changed while the mark was taken may come twice, and none is
   * missed.
   */
  memberChanges(fleet: string, since: string | null): Promise<MemberChanges>;
  /** By cluster: one aggregate, however many windows there are. */
  fleetTally(fleet: string): Promise<readonly ClusterTally[]>;
  /** Tenants that are not proven, in their order, with the reason: all, or one. */
  unproven(fleet: string, limit: number, order?: number): Promise<readonly Unproven[]>;
  /** As `lockRun`. */
  lockFleet(id: string, actor: Actor): Promise<RunLock>;
  /** Throws `RUN_STATE` where the state does not allow it. `running` also withdraws what was wanted of it before. */
  setFleetState(
    id: string,
    state: Exclude<FleetState, 'planned'>,
    actor: Actor,
    extra?: { readonly error?: ErrorRecord; readonly seconds?: number },
  ): Promise<void>;
  /** Keeps that it is done by Temporal, in this workflow. */
  setFleetWorkflow(id: string, workflow: string): Promise<void>;
  requestFleet(id: string, wanted: Wanted, actor: Actor): Promise<void>;
  fleetWanted(id: string): Promise<Wanted>;
  /** Makes an ended or paused fleet `running`, and tenants that could not begin `left` again. Throws `RUN_STATE`. */
  retryFleet(id: string, actor: Actor): Promise<void>;
  /** Why a tenant's run could not begin or go on; null when it does. */
  setMemberError(fleet: string, order: number, error: ErrorRecord | null): Promise<void>;
}
