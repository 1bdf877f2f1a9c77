import { formatTenant } from '../../domain/words.ts';
import type { MemberRecord } from '../../ledger/ledger.ts';
import { debugPoint } from '../../steps/debug-points.ts';
import { endedAs } from '../fleet.ts';
import { readFleetResult } from '../fleet-result.ts';
import { attend } from './attend.ts';
import { fleetSliceOf } from './fleet-slice.ts';
import type { WorkerEnvironment } from './opened.ts';
import type { RefillActivities, SentMember } from './shared/activity-types.ts';
import { Fields } from './shared/fields.ts';
import type { MemberPayload } from './shared/payloads.ts';

type FleetActivities = Pick<RefillActivities, 'refillFleetBegin' | 'refillTenantFailed' | 'refillFleetEnd'>;

/** The beginning and the end of a fleet as activities: the ledger is all that they need. */
export function createFleetActivities(environment: WorkerEnvironment): FleetActivities {
  const { actor, limits } = environment;
  return {
    refillFleetBegin: (payload) =>
      attend('begin', limits, async () => {
        const fields = new Fields('refillFleetBegin', payload);
        const fleet = fields.text('fleet');
        const ledger = await environment.ledger();
        const [members, { dataset, state, wanted }] = await Promise.all([ledger.members(fleet), ledger.fleet(fleet)]);
        // Resumed just when its end was kept.
        if (state === 'paused' && wanted === 'run') await ledger.setFleetState(fleet, 'running', actor);
        await debugPoint('fleet-begun');
        const most = fields.optionalWhole('most', 1, Infinity);
        const sent = members.map((member) => sentMember(member, dataset, payload.how));
        return {
          ...fleetSliceOf(sent, fields.optionalNumbers('after'), most),
          tenants: limits.tenants,
          failures: limits.fleetFailures,
        };
      }),

    refillTenantFailed: ({ fleet, order, error }) =>
      attend('the reason of a failure', limits, async () => {
        const ledger = await environment.ledger();
        const [member] = await ledger.members(fleet, order);
        // An ended run tells for itself.
        if (member?.runState !== 'failed') await ledger.setMemberError(fleet, order, error);
        await debugPoint('tenant-failure-kept');
      }),

    refillFleetEnd: ({ fleet, stopped, cancelled, seconds }) =>
      attend('end', limits, async () => {
        const ledger = await environment.ledger();
        const record = await ledger.fleet(fleet);
        // Kept before, and the answer was lost.
        if (record.state !== 'running') return { state: record.state === 'planned' ? 'paused' : record.state };
        if (cancelled && record.wanted !== 'cancel') await ledger.requestFleet(fleet, 'cancel', actor);
        const result = await readFleetResult(ledger, await ledger.fleet(fleet), {
          stopped,
          failures: limits.fleetFailures,
          seconds,
        });
        await debugPoint('fleet-ending');
        await ledger.setFleetState(fleet, result.state, actor, {
          seconds,
          ...(result.error ? { error: result.error } : {}),
        });
        await debugPoint('fleet-ended');
        return { state: result.state };
      }),
  };
}

function sentMember(member: MemberRecord, dataset: string, how: MemberPayload['how']): SentMember {
  return {
    order: member.order,
    cluster: member.cluster,
    tenant: formatTenant(member),
    dataset,
    plan: member.plan ?? '',
    ended: endedAs(member, how),
    how,
  };
}
