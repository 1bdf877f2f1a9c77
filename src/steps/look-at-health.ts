import { type Reading, reading } from '../domain/health.ts';
import type { HealthLimits, IndicatorKey } from '../domain/indicators.ts';
import { within } from '../domain/within.ts';
import { sourceHealth } from '../source/health.ts';
import { withSource } from '../source/postgres.ts';
import { type Found, largest, targetHealth } from '../target/health.ts';
import type { Workbench } from './workbench.ts';

/** Looks at both sides of a tenant's cluster. What a look cannot tell is unknown; it never throws. */
export interface HealthLook {
  look(): Promise<readonly Reading[]>;
}

/** A server that takes longer is not known to be well. */
const PATIENCE_MS = 15_000;

const TARGET: readonly IndicatorKey[] = [
  'unfinishedMutations',
  'partsAboveBaseline',
  'replicaLag',
  'diskFreeShare',
  'diskFreeBytes',
];

/** Parts of each partition at the first look of a run, by what it is called; empty before that. */
export type PartsBaseline = Map<string, number>;

/**
 * A look that knows the parts there were at its first time: what a partition always has does not make it sick.
 *
 * @param baseline What a look at the same run has found before.
 */
export function createHealthLook(
  bench: Workbench,
  limits: HealthLimits,
  baseline: PartsBaseline = new Map(),
): HealthLook {
  const place = `Postgres ${bench.tenant.sourceDatabase}`;

  /** The worst server of a cluster is now this one and now that: the indicator is the cluster's. */
  const ofCluster = (one: Reading): Reading => ({ ...one, place: bench.tenant.cluster });
  /** What the source could tell at its last look: that stays unknown when it does not answer. */
  let seen: readonly IndicatorKey[] = ['freeConnections'];

  const ofTarget = async (): Promise<readonly Reading[]> => {
    const found = await within(
      PATIENCE_MS,
      targetHealth(bench.target, bench.topology, bench.tenant.targetDatabase).catch(() => null),
      null,
    );
    if (!found) return TARGET.map((key) => ofCluster(reading(key, bench.tenant.cluster, null, limits)));
    if (baseline.size === 0) for (const { subject, value } of found.parts) baseline.set(subject, value);
    const above = found.parts.map(({ subject, value }) => ({ subject, value: value - (baseline.get(subject) ?? 0) }));
    const told = (key: IndicatorKey, one: Found | null) =>
      one === null ? [] : [ofCluster(reading(key, one.subject, Math.max(0, one.value), limits))];
    return [
      ...told('unfinishedMutations', found.unfinishedMutations),
      ...told('partsAboveBaseline', largest(above) ?? { subject: bench.tenant.targetDatabase, value: 0 }),
      ...told('replicaLag', found.replicaLag),
      ...told('diskFreeShare', found.diskFreeShare),
      ...told('diskFreeBytes', found.diskFreeBytes),
    ];
  };

  const ofSource = async (): Promise<readonly Reading[]> => {
    const found = await within(
      PATIENCE_MS,
      withSource(bench.source, sourceHealth).catch(() => null),
      null,
    );
    if (!found) return seen.map((key) => reading(key, place, null, limits));
    // What the user has no right to see is left out, not unknown: it would slow every run for ever.
    const visible = (key: 'activeSessions' | 'lockWaits' | 'replicationLag') =>
      found[key] === null ? [] : [reading(key, place, found[key], limits)];
    seen = (['activeSessions', 'lockWaits', 'freeConnections', 'replicationLag'] as const).filter(
      (key) => found[key] !== null,
    );
    return [
      ...visible('activeSessions'),
      ...visible('lockWaits'),
      reading('freeConnections', place, found.freeConnections, limits),
      ...visible('replicationLag'),
    ];
  };

  return { look: async () => (await Promise.all([ofTarget(), ofSource()])).flat() };
}
