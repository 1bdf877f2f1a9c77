/** The clusters of a fleet in a box: invented names, and whether the samples put tenants there. */
const CLUSTERS = {
  atlas: true,
  borealis: true,
  cinder: true,
  delta: true,
  ember: true,
  fjord: false,
  garnet: false,
  harbor: false,
} as const;

export type FleetClusterName = keyof typeof CLUSTERS;

/** Those with data first. */
export const FLEET_CLUSTERS = Object.keys(CLUSTERS).filter(isFleetCluster);

export function isFleetCluster(name: string): name is FleetClusterName {
  return Object.hasOwn(CLUSTERS, name);
}

/** A cluster with the one whose engine it uses: itself, mostly. */
export interface EngineChoice {
  readonly name: FleetClusterName;
  readonly engine: FleetClusterName;
}

/** What an engine needs beside its 265 MB when a tenant is filled in or re-indexed, and what is for all the rest. */
const ENGINE_BYTES = 400_000_000;
const RESERVE_BYTES = 1_500_000_000;

/** How many engines `availableBytes` of memory are enough for. */
export function enginesFor(availableBytes: number): number {
  return Math.max(1, Math.floor((availableBytes - RESERVE_BYTES) / ENGINE_BYTES));
}

/**
 * Who has an engine of its own where there are at most `engines`. Clusters without data share before those with data do,
 * and never with one of them: on an engine with other clusters' databases, `discover` would list these as tenants that
 * only the target knows. What has an engine already keeps it, since its data is there.
 */
export function chooseEngines(
  known: readonly EngineChoice[],
  wanted: readonly FleetClusterName[],
  engines: number,
): readonly EngineChoice[] {
  const chosen = [...known];
  const missing = wanted.filter((name) => !known.some((choice) => choice.name === name));
  const inOrder = FLEET_CLUSTERS.filter((name) => missing.includes(name));
  for (const name of inOrder) {
    const own = chosen.filter((choice) => choice.name === choice.engine);
    const alike = own.filter((choice) => CLUSTERS[choice.name] === CLUSTERS[name]);
    // One is kept back for the clusters without data, which come last.
    const reserved = CLUSTERS[name] && inOrder.some((other) => !CLUSTERS[other]) ? 1 : 0;
    const shared = own.length + reserved < engines ? undefined : alike.at(-1);
    chosen.push({ name, engine: shared?.name ?? name });
  }
  return chosen;
}
