import { ActivityCancellationType, CancellationScope, CancelledFailure, proxyActivities } from '@temporalio/workflow';
import type { TakenActivities } from '../shared/activity-types.ts';
import { toFailure } from '../shared/failure.ts';
import { takenJob, type TakenType } from '../shared/taken.ts';

const { refillTakenPlan, refillTakenRun, refillTakenCancel } = proxyActivities<TakenActivities>({
  startToCloseTimeout: '30 days',
  heartbeatTimeout: '30 seconds',
  cancellationType: ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
  retry: { initialInterval: '1 second', backoffCoefficient: 2, maximumInterval: '15 seconds' },
});

/**
 * Plans, then executes that plan: a worker that dies in between finds it in the history, and goes on with its run. A
 * cancel ends that too, whichever worker is left to do it.
 */
async function taken(type: TakenType, payload: unknown): Promise<unknown> {
  try {
    takenJob(type, payload);
  } catch (error) {
    throw toFailure(error);
  }
  const plan = await refillTakenPlan({ type, payload });
  try {
    return await refillTakenRun(plan);
  } catch (error) {
    // Not by the error: where its worker is gone, a cancelled activity has timed out.
    if (!CancellationScope.current().consideredCancelled) throw error;
    await CancellationScope.nonCancellable(() => refillTakenCancel(plan));
    throw new CancelledFailure(`${plan.kind} ${plan.id} was cancelled`);
  }
}

export const ReindexConversations = (payload: unknown): Promise<unknown> => taken('ReindexConversations', payload);
export const ReindexProcessScorecards = (payload: unknown): Promise<unknown> =>
  taken('ReindexProcessScorecards', payload);
export const BackfillScorecards = (payload: unknown): Promise<unknown> => taken('BackfillScorecards', payload);
