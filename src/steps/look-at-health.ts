import { type Reading, reading } from '../domain/health.ts';
import type { HealthLimits, IndicatorKey } from '../domain/indicators.ts';
import { sourceHealth } from '../source/health.ts';
import { withSource } from '../source/postgres.ts';
import { targetHealth } from '../target/health.ts';
import type { Workbench } from './workbench.ts';

/** Looks at both sides of a tenant's cluster. What a look cannot tell is unknown; it never throws. */
export interface HealthLook {
  look(): Promise<readonly Reading[]>;
}

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

  const ofTarget = async (): Promise<readonly Reading[]> => {
    const found = await targetHealth(bench.target, bench.topology, bench.tenant.targetDatabase).catch(() => null);
    if (!found) return TARGET.map((key) => reading(key, bench.tenant.cluster, null, limits));
    baseline ??= found.parts.value;
    return [
      reading('unfinishedMutations', found.unfinishedMutations.subject, found.unfinishedMutations.value, limits),
      reading('partsAboveBaseline', found.parts.subject, Math.max(0, found.parts.value - baseline), limits),
      reading('replicaLag', found.replicaLag.subject, found.replicaLag.value, limits),
      reading('diskFreeShare', found.diskFreeShare.subject, found.diskFreeShare.value, limits),
      reading('diskFreeBytes', found.diskFreeBytes.subject, found.diskFreeBytes.value, limits),
    ];
  };

  const ofSource = async (): Promise<readonly Reading[]> => {
    const found = await withSource(bench.source, sourceHealth).catch(() => null);
    if (!found) return [reading('freeConnections', place, null, limits)];
    // What the user has no right to see is left out, not unknown: it would slow every run for ever.
    const visible = (key: 'activeSessions' | 'lockWaits') =>
      found[key] === null ? [] : [reading(key, place, found[key], limits)];
    return [
      ...visible('activeSessions'),
      ...visible('lockWaits'),
      reading('freeConnections', place, found.freeConnections, limits),
      reading('replicationLag', place, found.replicationLag, limits),
    ];
  };

  return { look: async () => (await Promise.all([ofTarget(), ofSource()])).flat() };
}
