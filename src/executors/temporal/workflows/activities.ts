import {
  ActivityCancellationType,
  type ActivityInterfaceFor,
  type ActivityOptions,
  proxyActivities,
} from '@temporalio/workflow';
import type { RefillActivities } from '../shared/activity-types.ts';
import { summaryOf } from '../shared/summary.ts';

/**
 * - An activity may take as long as a window or a delete does; whether its worker is alive is told by heartbeats, every
 *   2 s. 15 s without one are seven lost: then another worker begins it again.
 * - It is tried again for ever where the worker or the ledger was lost; every other failure is final when it comes here
 *   (shared/failure.ts).
 * - A cancelled one is waited for: the end of a run is kept after the last row.
 */
const OPTIONS: ActivityOptions = {
  startToCloseTimeout: '30 days',
  heartbeatTimeout: '15 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '15 seconds' },
};

/**
 * The activities as workflows call them.
 *
 * @param summary What a person sees of it in Temporal beside its type: a unit and its range, and nothing of rows.
 */
export function activities(summary?: string): ActivityInterfaceFor<RefillActivities> {
  return proxyActivities<RefillActivities>({
    ...OPTIONS,
    ...(summary === undefined ? {} : { summary: summaryOf(summary) }),
  });
}
