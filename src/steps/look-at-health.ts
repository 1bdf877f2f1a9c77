import { type Reading, reading } from '../domain/health.ts';
import type { HealthLimits, IndicatorKey } from '../domain/indicators.ts';
import { within } from '../domain/within.ts';
import { sourceHealth } from '../source/health.ts';
import { withSource } from '../source/postgres.ts';
import { targetHealth } from '../target/health.ts';
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

/** A look that knows the parts there were at its first time: what a partition always has does not make it sick. */
export function createHealthLook(bench: Workbench, limits: HealthLimits): HealthLook {
  let baseline: number | undefined;
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
    baseline ??= found.parts.value;
    return [
      reading('unfinishedMutations', found.unfinishedMutations.subject, found.unfinishedMutations.value, limits),
      reading('partsAboveBaseline', found.parts.subject, Math.max(0, found.parts.value - baseline), limits),
      reading('replicaLag', found.replicaLag.subject, found.replicaLag.value, limits),
      reading('diskFreeShare', found.diskFreeShare.subject, found.diskFreeShare.value, limits),
      reading('diskFreeBytes', found.diskFreeBytes.subject, found.diskFreeBytes.value, limits),
    ].map(ofCluster);
  };

  const ofSource = async (): Promise<readonly Reading[]> => {
    const found = await within(
      PATIENCE_MS,
      withSource(bench.source, sourceHealth).catch(() => null),
      null,
    );
    if (!found) return seen.map((key) => reading(key, place, null, limits));
    // What the user has no right to see is left out, not unknown: it would slow every run for ever.
    const visible = (key: 'activeSessions' | 'lockWaits') =>
      found[key] === null ? [] : [reading(key, place, found[key], limits)];
    seen = (['activeSessions', 'lockWaits', 'freeConnections', 'replicationLag'] as const).filter(
      (key) => found[key] !== null,
    );
    return [
      ...visible('activeSessions'),
      ...visible('lockWaits'),
      reading('freeConnections', place, found.freeConnections, limits),
      reading('replicationLag', place, found.replicationLag, limits),
    ];
  };

  return { look: async () => (await Promise.all([ofTarget(), ofSource()])).flat() };
}
