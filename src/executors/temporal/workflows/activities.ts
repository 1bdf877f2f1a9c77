import { ActivityCancellationType, type ActivityInterfaceFor, proxyActivities } from '@temporalio/workflow';
import type { RefillActivities } from '../shared/activity-types.ts';

/**
 * The activities as workflows call them.
 *
 * - An activity may take as long as a window or a delete does; whether its worker is alive is told by heartbeats, every
 *   2 s. 15 s without one are seven lost: then another worker begins it again.
 * - It is tried again for ever where the worker or the ledger was lost; every other failure is final when it comes here
 *   (shared/failure.ts).
 * - A cancelled one is waited for: the end of a run is kept after the last row.
 */
export const activities: ActivityInterfaceFor<RefillActivities> = proxyActivities<RefillActivities>({
  startToCloseTimeout: '30 days',
  heartbeatTimeout: '15 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '15 seconds' },
});
