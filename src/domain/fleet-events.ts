import type { ErrorRecord } from './errors.ts';
import type { Eta } from './eta.ts';
import type { RunEvent } from './events.ts';
import type { Executor } from './executor.ts';
import type { ClusterTally, FleetReach, FleetState, UnknownCluster, Unproven } from './fleet.ts';
import type { Instant, Range, TenantName } from './words.ts';

/** How many tenants stand how, of a cluster or of all. */
export interface TenantCounts {
  readonly total: number;
  readonly proven: number;
  readonly differences: number;
  readonly failed: number;
  readonly running: number;
  readonly left: number;
}

/** How far a part of a fleet is. */
export interface FleetPart {
  readonly tenants: TenantCounts;
  readonly rowsWritten: number;
  /** Rows that the plans of its tenants expect to write. */
  readonly rowsTotal: number;
  /** Seconds left and between which they lie; null before 1 % is done or where no rate is known. */
  readonly left: Eta | null;
}

/** A tenant at work. */
export interface FleetWork extends TenantName {
  readonly cluster: string;
  readonly rowsWritten: number;
  readonly rowsTotal: number;
  /** What it does or waits for. */
  readonly doing: string;
}

/** One snapshot of how far a fleet is: it feeds terminal, JSON events and log alike. */
export interface FleetProgress extends FleetPart {
  readonly type: 'fleet-progress';
  readonly fleet: string;
  readonly at: Instant;
  /** Over the last half minute; 0 while nothing is written. */
  readonly rowsPerSecond: number;
  readonly clusters: readonly (FleetPart & {
    readonly cluster: string;
    /** Why tenants of it that are left do not begin yet; null where none is left. */
    readonly waits: string | null;
  })[];
  readonly running: readonly FleetWork[];
  /** What the fleet does or waits for, in one line. */
  readonly doing: string;
}

/** What a run of a fleet's tenant says, with whose it is. Progress of single runs is in the fleet's. */
export type TenantEvent = Exclude<RunEvent, { readonly type: 'progress' }> & {
  readonly fleet: string;
  readonly cluster: string;
  readonly tenant: TenantName;
};

/** What a fleet says while it goes on, one JSON object a line with `--json`. The last one is the result. */
export type FleetEvent =
  | {
      readonly type: 'fleet-started';
      readonly fleet: string;
      readonly range: Range;
      readonly reach: FleetReach;
      readonly resumed: boolean;
      /** As of a run. */
      readonly executor: Executor;
    }
  | TenantEvent
  | {
      /** A tenant whose run could not begin or go on. */
      readonly type: 'tenant-failed';
      readonly fleet: string;
      readonly cluster: string;
      readonly tenant: TenantName;
      readonly error: ErrorRecord;
    }
  | { readonly type: 'fleet-notice'; readonly fleet: string; readonly message: string }
  | FleetProgress
  | FleetResult;

export interface FleetResult {
  readonly type: 'fleet-result';
  readonly fleet: string;
  readonly state: Exclude<FleetState, 'planned' | 'running'>;
  readonly tenants: Omit<TenantCounts, 'running'>;
  /** By cluster, in the order of their names. A tenant that was begun and has not ended is `left`. */
  readonly clusters: readonly Omit<ClusterTally, 'running'>[];
  /** Every tenant that is not proven. */
  readonly unproven: readonly Unproven[];
  readonly unknown: readonly UnknownCluster[];
  readonly seconds: number;
  readonly error?: ErrorRecord;
}
