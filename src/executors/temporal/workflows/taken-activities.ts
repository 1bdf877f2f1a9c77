import { ActivityCancellationType, type ActivityInterfaceFor, proxyActivities } from '@temporalio/workflow';
import type { TakenActivities } from '../shared/activity-types.ts';
import { summaryOf } from '../shared/summary.ts';

/**
 * The activities of workflows that were taken over.
 *
 * @param taskQueue Of the cluster whose workers do them. Default: the workflow's own, which is the users'.
 * @param summary What a person sees of it in Temporal beside its type.
 */
export function takenActivities(taskQueue?: string, summary?: string): ActivityInterfaceFor<TakenActivities> {
  return proxyActivities<TakenActivities>({
    startToCloseTimeout: '30 days',
    heartbeatTimeout: '30 seconds',
    cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
    retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '15 seconds' },
    ...(taskQueue === undefined ? {} : { taskQueue }),
    ...(summary === undefined ? {} : { summary: summaryOf(summary) }),
  });
}
