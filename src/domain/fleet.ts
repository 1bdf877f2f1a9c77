import type { DependentAnswers } from './dependents.ts';
import type { ErrorRecord } from './errors.ts';
import type { TenantFinding } from './events.ts';
import type { Warning } from './plan.ts';
import type { RunState } from './states.ts';
import { formatTenant, type Instant, type Range, type Strategy, type Tenant, type TenantName } from './words.ts';

/**
 * A fleet is a plan over many tenants, and its execution: one id for both, as it is executed once.
 *
 * - `planned`: nothing was begun. `run` makes it `running`.
 * - the others are those of a run (states.ts), which `resume` and `retry` make `running` again:
 *   `paused` and `cancelled` on request, `failed` where a tenant failed or could not be planned, `differences` where
 *   rows differ and nothing failed, `succeeded` where every tenant is proven.
 */
export type FleetState = 'planned' | RunState;

/** What a fleet plan is asked for. */
export interface FleetRequest {
  readonly range: Range;
  /** Default: that of a plan for one tenant, tenant by tenant. */
  readonly strategy?: Strategy;
  /** Default: the only or the first dataset of the configuration. */
  readonly dataset?: string;
  /** Default: all tables of the dataset, the optional ones only where the target has rows in them. */
  readonly tables?: readonly string[];
  /** What to do about dependents of any of its tenants, by name; goes before the configuration. */
  readonly dependents?: DependentAnswers;
  /** Default: all clusters of the configuration. */
  readonly clusters?: readonly string[];
  /** Default: all tenants of the clusters. */
  readonly tenants?: readonly TenantName[];
  /** Tenants that are left out on every cluster. */
  readonly exclude?: readonly TenantName[];
  /** By `customer/profile`; higher goes first. Default 0 for each. */
  readonly priorities?: Readonly<Record<string, number>>;
}

/** A tenant of a fleet, as it was planned. */
export interface FleetMember extends TenantName {
  /** From 1: in this order the tenants of a cluster begin. */
  readonly order: number;
  readonly cluster: string;
  readonly priority: number;
  /** Its own plan; null where `problem` says why there is none. */
  readonly plan: string | null;
  readonly problem: ErrorRecord | null;
  /** Rows in the target before, and what its plan costs; 0 where there is no plan, as then nothing is touched. */
  readonly rowsBefore: number;
  readonly rowsToDelete: number;
  readonly rowsToWrite: number;
  readonly rowsToRewrite: number;
  /** What its plan warns of. */
  readonly warnings: readonly Warning[];
}

/** A cluster that could not be asked: whether it has tenants is not known. */
export interface UnknownCluster {
  readonly cluster: string;
  readonly error: ErrorRecord;
}

/** The tenants of a cluster, or why they are unknown. */
export interface ClusterFindings {
  readonly cluster: string;
  /** Empty where `error` says why they are unknown, and where there are none. */
  readonly tenants: readonly TenantFinding[];
  /** Null where the cluster was asked. */
  readonly error: ErrorRecord | null;
}

/** What a fleet touches at most. */
export interface FleetReach {
  readonly tenants: number;
  readonly clusters: number;
  readonly rowsToDelete: number;
  readonly rowsToWrite: number;
  /** Rows of the partitions that the deletes rewrite, those that stay included. */
  readonly rowsToRewrite: number;
}

/** What will be done with many tenants. Saved once and never changed. */
export interface FleetPlan {
  readonly id: string;
  readonly createdAt: Instant;
  /** `user@host` of who made it. */
  readonly createdBy: string;
  readonly request: FleetRequest;
  readonly dataset: string;
  /** In their order. */
  readonly members: readonly FleetMember[];
  readonly unknown: readonly UnknownCluster[];
  readonly reach: FleetReach;
}

/** What `planOrder` looks at. */
type Ordered = Pick<FleetMember, 'cluster' | 'customer' | 'profile' | 'priority' | 'rowsToWrite' | 'plan'>;

const text = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/**
 * The order in which tenants begin: higher priority first, then small first, as most of a fleet is then done soon and
 * what is wrong shows on little. Names decide where all else is equal, so that the same tenants have the same order.
 */
export function planOrder<T extends Ordered>(members: readonly T[]): (T & { readonly order: number })[] {
  return [...members]
    .sort(
      (a, b) =>
        b.priority - a.priority ||
        a.rowsToWrite - b.rowsToWrite ||
        text(a.cluster, b.cluster) ||
        text(a.customer, b.customer) ||
        text(a.profile, b.profile),
    )
    .map((member, index) => ({ ...member, order: index + 1 }));
}

/** What the tenants that have a plan touch at most, all together. */
export function reachOf(members: readonly Omit<FleetMember, 'order'>[]): FleetReach {
  const planned = members.filter(({ plan }) => plan !== null);
  const sum = (of: (member: Omit<FleetMember, 'order'>) => number) => planned.reduce((n, member) => n + of(member), 0);
  return {
    tenants: planned.length,
    clusters: new Set(planned.map(({ cluster }) => cluster)).size,
    rowsToDelete: sum((m) => m.rowsToDelete),
    rowsToWrite: sum((m) => m.rowsToWrite),
    rowsToRewrite: sum((m) => m.rowsToRewrite),
  };
}

/**
 * The servers that a side of a cluster is on, by what they say of themselves. Addresses tell nothing: a server has as
 * many as there are ways to it.
 */
export interface Servers {
  readonly known: readonly string[];
  /** All of them have said it; one that has not may be any server. */
  readonly all: boolean;
}

/** Whether two sides are known to have a server in common. */
export const shareServer = (a: Servers, b: Servers): boolean => a.known.some((one) => b.known.includes(one));

/** Whether they may have one: what is unknown is not another one. */
export const mayShareServer = (a: Servers, b: Servers): boolean => !a.all || !b.all || shareServer(a, b);

/** Where a tenant lies: a database with the servers that it is on, as two clusters can share them. */
export interface PlacedTenant extends Tenant {
  /** Servers of each side: two that may share one name the same databases. */
  readonly sourceServers: Servers;
  readonly targetServers: Servers;
}

/** Two entries of the tenant map that cannot both be right. */
export interface Collision {
  /** What they share: a database of a side, or the tenant itself. */
  readonly side: 'source' | 'target' | 'tenant';
  readonly tenants: readonly [PlacedTenant, PlacedTenant];
}

/**
 * Whether the tenant map is a bijection: each tenant of a cluster has one database on each side, and no two tenants
 * have the same one. Otherwise a delete of one could be meant for the other: `customer_profile` with `_` for everything
 * else cannot be reversed.
 *
 * @returns The pairs that break it; none where it is a bijection.
 */
export function collisions(tenants: readonly PlacedTenant[]): readonly Collision[] {
  const sides: readonly {
    readonly side: Collision['side'];
    readonly name: (tenant: PlacedTenant) => string;
    /** Whether two of one name are one. */
    readonly same: (a: PlacedTenant, b: PlacedTenant) => boolean;
  }[] = [
    { side: 'tenant', name: formatTenant, same: (a, b) => a.cluster === b.cluster },
    {
      side: 'source',
      name: (t) => t.sourceDatabase,
      same: (a, b) => mayShareServer(a.sourceServers, b.sourceServers),
    },
    {
      side: 'target',
      name: (t) => t.targetDatabase,
      same: (a, b) => mayShareServer(a.targetServers, b.targetServers),
    },
  ];
  return sides.flatMap(({ side, name, same }) => {
    const named = new Map<string, PlacedTenant[]>();
    return tenants.flatMap((tenant): Collision[] => {
      const earlier = named.get(name(tenant)) ?? [];
      named.set(name(tenant), earlier);
      const other = earlier.find((one) => same(one, tenant));
      earlier.push(tenant);
      return other === undefined ? [] : [{ side, tenants: [other, tenant] }];
    });
  });
}

/** A collision in words, with both names. */
export function collisionWords({ side, tenants: [a, b] }: Collision): string {
  const name = (t: PlacedTenant) => `${formatTenant(t)} (cluster ${t.cluster})`;
  if (side === 'tenant') {
    return `${name(a)} has two entries: ${a.sourceDatabase} to ${a.targetDatabase}, and ${b.sourceDatabase} to ${b.targetDatabase}`;
  }
  const [database, one, other] =
    side === 'source'
      ? [a.sourceDatabase, a.sourceServers, b.sourceServers]
      : [a.targetDatabase, a.targetServers, b.targetServers];
  const unknown = a.cluster === b.cluster || shareServer(one, other) ? '' : ', as far as their servers answer';
  return `${name(a)} and ${name(b)} have the same ${side} database ${database}${unknown}`;
}

/**
 * How a tenant of a fleet stands, by its run where it has one.
 *
 * - `left`: not begun, or paused or cancelled on the way.
 * - `running`: begun and not ended; whether a program is alive is told by the locks.
 * - `proven`, `differences`, `failed`: how its run ended; `failed` also where it could not begin, or be planned.
 */
export const MEMBER_STATES = ['proven', 'differences', 'failed', 'running', 'left'] as const;
export type MemberState = (typeof MEMBER_STATES)[number];

/** How the tenants of a cluster stand, and their rows. */
export interface ClusterTally {
  readonly cluster: string;
  readonly tenants: number;
  readonly proven: number;
  readonly differences: number;
  readonly failed: number;
  readonly running: number;
  readonly left: number;
  readonly rowsBefore: number;
  readonly rowsDeleted: number;
  readonly rowsWritten: number;
  readonly rowsToWrite: number;
  /** Rows in the target by the proofs; null as long as a tenant is not verified: unknown is not zero. */
  readonly rowsAfter: number | null;
  /** Seconds at work, of all its tenants together: of two side by side both count. */
  readonly seconds: number;
}

/** A tenant that is not proven, and why. */
export interface Unproven extends TenantName {
  readonly cluster: string;
  readonly state: Exclude<MemberState, 'proven'>;
  readonly run: string | null;
  readonly reason: string;
  readonly error: ErrorRecord | null;
}
