import { RefillError } from '../domain/errors.ts';
import type { FleetResult } from '../domain/fleet-events.ts';
import type { ClusterTally } from '../domain/fleet.ts';
import type { Wanted } from '../domain/states.ts';
import type { FleetRecord, Ledger } from '../ledger/ledger.ts';

/** Tenants that are not proven which a result names; a fleet has hundreds at most. */
const UNPROVEN = 10_000;

/** What the result of a fleet is made of besides its ledger. */
export interface FleetEnd {
  /** Whether tenants are left because so many failed. */
  readonly stopped: boolean;
  /** How many may fail. */
  readonly failures: number;
  /** Seconds at work that are not in the ledger yet. */
  readonly seconds: number;
}

/** The result of a fleet as its ledger has it now. */
export async function readFleetResult(ledger: Ledger, fleet: FleetRecord, end: FleetEnd): Promise<FleetResult> {
  const [tallies, unproven, wanted] = await Promise.all([
    ledger.fleetTally(fleet.id),
    ledger.unproven(fleet.id, UNPROVEN),
    ledger.fleetWanted(fleet.id),
  ]);
  const seconds = Math.round((fleet.seconds + end.seconds) * 10) / 10;
  return {
    ...fleetResult(fleet, tallies, { ...end, wanted, seconds }),
    unproven: unproven.map((one) => (one.state === 'running' ? { ...one, state: 'left' } : one)),
  };
}

/** A fleet's result from its ledger. What was begun and has not ended is left. */
function fleetResult(
  fleet: Pick<FleetRecord, 'id' | 'unknown'>,
  tallies: readonly ClusterTally[],
  end: { readonly stopped: boolean; readonly wanted: Wanted; readonly failures: number; readonly seconds: number },
): Omit<FleetResult, 'unproven'> {
  const clusters = tallies.map(({ running, ...tally }) => ({ ...tally, left: tally.left + running }));
  const sum = (of: 'tenants' | 'proven' | 'differences' | 'failed' | 'left') =>
    clusters.reduce((n, cluster) => n + cluster[of], 0);
  const tenants = {
    total: sum('tenants'),
    proven: sum('proven'),
    differences: sum('differences'),
    failed: sum('failed'),
    left: sum('left'),
  };
  const error =
    end.stopped && end.wanted !== 'cancel'
      ? new RefillError(
          'FLEET_FAILURES',
          `${end.failures} tenants failed, so nothing new was begun: ${tenants.left} are left`,
        )
      : undefined;
  return {
    type: 'fleet-result',
    fleet: fleet.id,
    state: stateOf(tenants, fleet.unknown.length, error !== undefined, end.wanted),
    tenants,
    clusters,
    unknown: fleet.unknown,
    seconds: end.seconds,
    ...(error ? { error: error.toJSON() } : {}),
  };
}

function stateOf(
  tenants: FleetResult['tenants'],
  unknown: number,
  stopped: boolean,
  wanted: Wanted,
): FleetResult['state'] {
  if (tenants.left > 0) {
    if (wanted === 'cancel') return 'cancelled';
    return stopped ? 'failed' : 'paused';
  }
  if (tenants.failed + unknown > 0) return 'failed';
  return tenants.differences > 0 ? 'differences' : 'succeeded';
}
