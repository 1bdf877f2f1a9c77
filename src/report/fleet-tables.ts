import type { ClusterTally, UnknownCluster, Unproven } from '../domain/fleet.ts';
import { formatTenant } from '../domain/words.ts';
import { count } from './format.ts';
import type { TextTable } from './text-table.ts';

const SUMMED = [
  'tenants',
  'proven',
  'differences',
  'failed',
  'left',
  'rowsBefore',
  'rowsDeleted',
  'rowsWritten',
] as const;

/** Results by cluster, with their sum, and a line for each cluster that is unknown. */
export function clusterTable(
  clusters: readonly Omit<ClusterTally, 'running'>[],
  unknown: readonly UnknownCluster[],
): TextTable {
  const after = (rows: readonly (number | null)[]) =>
    rows.reduce((sum, n) => (sum === null || n === null ? null : sum + n), 0);
  const rowOf = (name: string, some: readonly Omit<ClusterTally, 'running'>[], whole: boolean) => [
    name,
    ...SUMMED.map((key) => count(some.reduce((n, one) => n + one[key], 0))),
    count(whole ? after(some.map((one) => one.rowsAfter)) : null),
    count(some.reduce((n, one) => n + one.seconds, 0)),
  ];
  return {
    head: [
      'cluster',
      'tenants',
      'proven',
      'differences',
      'failed',
      'left',
      'rows before',
      'deleted',
      'written',
      'after',
      'seconds',
    ],
    rows: [
      ...clusters.map((one) => rowOf(one.cluster, [one], true)),
      ...unknown.map(({ cluster }) => [cluster, 'unknown', ...Array.from({ length: 9 }, () => '—')]),
      ...(clusters.length + unknown.length > 1 ? [rowOf('all', clusters, unknown.length === 0)] : []),
    ],
  };
}

/** Each tenant that is not proven, and each cluster that is unknown, with the reason. */
export function unprovenTable(unproven: readonly Unproven[], unknown: readonly UnknownCluster[]): TextTable {
  return {
    head: ['cluster', 'tenant', 'state', 'run', 'reason'],
    rows: [
      ...unproven.map((one) => [
        one.cluster,
        formatTenant(one),
        one.state,
        one.run ?? '—',
        one.error === null ? one.reason : `${one.error.code}: ${one.reason}`,
      ]),
      ...unknown.map(({ cluster, error }) => [cluster, 'all of it', 'unknown', '—', `${error.code}: ${error.message}`]),
    ],
  };
}

/** What a run of a fleet left: begun and not ended counts as left. */
export function withoutRunning({ running, ...tally }: ClusterTally): Omit<ClusterTally, 'running'> {
  return { ...tally, left: tally.left + running };
}
