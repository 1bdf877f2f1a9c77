import type { Range, TenantName } from '../domain/words.ts';
import type { FleetInfo } from '../embedded/fleet.ts';
import type { FleetSampleTenant } from '../embedded/sample/fleet.ts';
import { count } from '../report/format.ts';
import type { Cli } from './cli.ts';
import { countingView } from './progress.ts';

/** Elsewhere than on a terminal, a line at most every so often. */
const LINE_EVERY_MS = 10_000;

/** Sizes of a fleet's sample data, largest first. */
export const FLEET_SIZES = ['fleet', 'fleet-small'] as const;
export type FleetSize = (typeof FLEET_SIZES)[number];

export function isFleetSize(size: string): size is FleetSize {
  return FLEET_SIZES.some((known) => known === size);
}

/** What a cluster of the sample holds. */
export interface FleetSampleCluster {
  readonly cluster: string;
  readonly tenants: number;
  readonly scorecards: number;
  readonly scores: number;
}

/** A tenant of the sample, where it is, and how large. */
export interface SampledTenant extends TenantName {
  readonly cluster: string;
  readonly scorecards: number;
  readonly scores: number;
}

/** What a fleet's sample holds that a person goes on with. */
export interface FleetSample {
  readonly size: FleetSize;
  readonly range: Range;
  readonly clusters: readonly FleetSampleCluster[];
  readonly largest: SampledTenant;
  readonly smallest: SampledTenant;
  readonly seconds: number;
}

/** Starts a fleet, with the clusters that a sample of this size needs. */
export async function startBox(dir: string, size: FleetSize | null): Promise<FleetInfo> {
  const { startFleet } = await import('../embedded/fleet.ts');
  if (size === null) return await startFleet({ dir, guarded: true });
  const { clustersOf } = await import('../embedded/sample/fleet-shape.ts');
  return await startFleet({ dir, guarded: true, clusters: clustersOf(size) });
}

/** Fills a fleet with sample data, and says how far it is. */
export async function fillFleet(
  cli: Cli,
  fleet: FleetInfo,
  options: { readonly size: FleetSize; readonly seed: number | null; readonly quiet: boolean },
): Promise<FleetSample> {
  const { makeFleetSample } = await import('../embedded/sample/fleet.ts');
  const { FLEET_SHAPES } = await import('../embedded/sample/fleet-shape.ts');
  const view = minutesView(cli, options.quiet);
  try {
    const made = await makeFleetSample({
      fleet,
      shape: FLEET_SHAPES[options.size],
      ...(options.seed === null ? {} : { seed: options.seed }),
      onProgress: ({ tenants, tenantsTotal, scores, scoresTotal }) =>
        view.show(
          `Sample data: ${tenants} of ${tenantsTotal} tenants, ${count(scores)} of ${count(scoresTotal)} scores …`,
        ),
    });
    const clusters = fleet.clusters.map(({ name }): FleetSampleCluster => {
      const own = made.tenants.filter(({ cluster }) => cluster === name);
      return { cluster: name, tenants: own.length, scorecards: sum(own, 'scorecards'), scores: sum(own, 'scores') };
    });
    const [largest] = made.tenants;
    const smallest = made.tenants.at(-1);
    if (largest === undefined || smallest === undefined) throw new Error('a sample without tenants');
    return {
      size: options.size,
      range: made.range,
      clusters,
      largest: nameOf(largest),
      smallest: nameOf(smallest),
      seconds: made.durationMs / 1000,
    };
  } finally {
    view.end();
  }
}

/** A status line for work of minutes: elsewhere than on a terminal, a line now and then. */
function minutesView(cli: Cli, quiet: boolean): { show(text: string): void; end(): void } {
  if (quiet || cli.stderr.isTTY === true) return countingView(cli, quiet);
  let printedAt = Date.now();
  return {
    show: (text) => {
      if (Date.now() - printedAt < LINE_EVERY_MS) return;
      printedAt = Date.now();
      cli.note(text);
    },
    end: () => {},
  };
}

function nameOf({ customer, profile, cluster, scorecards, scores }: FleetSampleTenant): SampledTenant {
  return { customer, profile, cluster, scorecards, scores };
}

function sum(tenants: readonly FleetSampleTenant[], what: 'scorecards' | 'scores'): number {
  return tenants.reduce((total, tenant) => total + tenant[what], 0);
}
