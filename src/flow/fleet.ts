import type { Pool } from '../domain/pool.ts';
import { all } from './all.ts';

/** How a tenant of a fleet ended, as far as the flow knows. */
export type TenantOutcome = 'proven' | 'differences' | 'failed' | 'left';

/** A tenant as the flow needs it, in the order in which tenants begin. */
export interface FlowTenant {
  /** Number in the fleet. */
  readonly order: number;
  readonly cluster: string;
  /** How it has ended already; null where there is something to do. */
  readonly ended: TenantOutcome | null;
}

/** The steps of a fleet. */
export interface FleetSteps {
  /**
   * Runs a tenant, or goes on with it, to its end. A failure of the tenant is an outcome; it throws only where nothing
   * can be kept any more, which ends the fleet.
   */
  runTenant(order: number): Promise<TenantOutcome>;
}

/** What the flow needs besides the steps; an executor hands it in. */
export interface FleetContext {
  /** Where the tenants of a cluster are run, in the order in which they come. */
  readonly tenants: (cluster: string) => Pool;
  /** True as long as new tenants may be begun; false after a pause, a cancel or a first Ctrl-C. */
  readonly mayBegin: () => Promise<boolean>;
  /** Tenants that may fail before nothing new is begun. */
  readonly failures: number;
}

export type FleetOutcome = Readonly<Record<TenantOutcome, number>> & {
  /** Whether tenants are left because so many failed. */
  readonly stopped: boolean;
};

/**
 * A fleet: clusters side by side, and on each its tenants in their order, as many at once as its pool admits. A tenant
 * that fails stops itself alone, until as many have failed as may; then those at work go on to their end and no other is
 * begun. It imports neither a database nor a clock.
 */
export async function runFleetFlow(
  steps: FleetSteps,
  context: FleetContext,
  tenants: readonly FlowTenant[],
): Promise<FleetOutcome> {
  let failed = 0;
  let stopped = false;
  let broken = false;
  const run = async (tenant: FlowTenant, mayBegin: () => Promise<boolean>): Promise<TenantOutcome> => {
    // Asked first: while it waits another one may break the fleet.
    if (!(await mayBegin()) || broken) return 'left';
    if (failed >= context.failures) {
      stopped = true;
      return 'left';
    }
    // Known before the place in the pool is given to the next one.
    const outcome = await steps.runTenant(tenant.order).catch((error: unknown) => {
      broken = true;
      throw error;
    });
    if (outcome === 'failed') failed += 1;
    return outcome;
  };
  const outcomes = await all(
    context,
    tenants.map(
      (tenant) => async (own) =>
        tenant.ended ?? (await context.tenants(tenant.cluster).run(() => run(tenant, own.mayBegin))),
    ),
  );
  const count = (outcome: TenantOutcome) => outcomes.filter((one) => one === outcome).length;
  return {
    proven: count('proven'),
    differences: count('differences'),
    failed: count('failed'),
    left: count('left'),
    stopped,
  };
}
