import type { FleetPayload } from './shared/payloads.ts';
import type { FleetSlice, SentMember } from './shared/activity-types.ts';

/**
 * A part of a fleet that fits into one execution of its workflow: the next tenants with something to do, of each cluster
 * as many, so that none of them stands still while the others are at work.
 */
export function fleetSliceOf(
  members: readonly SentMember[],
  after: FleetPayload['after'],
  most: number,
): Required<Pick<FleetSlice, 'members' | 'more'>> {
  const open = members.filter(({ ended, cluster, order }) => ended === null && order > (after[cluster] ?? 0));
  const each = Math.max(1, Math.floor(most / new Set(open.map(({ cluster }) => cluster)).size));
  const taken = new Map<string, number>();
  const slice = open.filter(({ cluster }) => {
    const place = (taken.get(cluster) ?? 0) + 1;
    taken.set(cluster, place);
    return place <= each;
  });
  return { members: slice, more: slice.length < open.length };
}
