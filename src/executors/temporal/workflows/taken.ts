import { CancellationScope, CancelledFailure, patched } from '@temporalio/workflow';
import { formatTenant } from '../../../domain/words.ts';
import { toFailure } from '../shared/failure.ts';
import { takenJob, type TakenJob, type TakenType } from '../shared/taken.ts';
import { setAttributes } from './attributes.ts';
import { takenActivities } from './taken-activities.ts';
import { placeOf } from './taken-place.ts';

/**
 * Finds the cluster, plans there, then executes that plan there: a worker that dies in between finds it in the history,
 * and goes on with its run. A cancel ends that too, whichever worker is left to do it.
 */
async function taken(type: TakenType, payload: unknown): Promise<unknown> {
  let job: TakenJob;
  try {
    job = takenJob(type, payload);
  } catch (error) {
    throw toFailure(error);
  }
  // Workflows that began before clusters were asked stay where they were planned.
  const place = patched('taken-place') ? await placeOf(type, job.request.tenant) : null;
  const { refillTakenPlan, refillTakenRun, refillTakenCancel } = takenActivities(place?.taskQueue);
  const plan = await refillTakenPlan({ type, payload, ...(place === null ? {} : { cluster: place.cluster }) });
  const { attributes = false } = plan;
  setAttributes(attributes, {
    ...(plan.kind === 'backfill' ? { RefillRun: plan.id } : {}),
    ...(place === null ? {} : { RefillCluster: place.cluster }),
    RefillTenant: formatTenant(job.request.tenant),
    RefillState: 'running',
  });
  try {
    const result = await refillTakenRun(plan);
    const { run, state } = result;
    setAttributes(attributes, {
      ...(plan.kind === 'plan' && typeof run === 'string' ? { RefillRun: run } : {}),
      RefillState: typeof state === 'string' ? state : 'succeeded',
    });
    return result;
  } catch (error) {
    // Not by the error: where its worker is gone, a cancelled activity has timed out.
    const cancelled = CancellationScope.current().consideredCancelled;
    if (cancelled) await CancellationScope.nonCancellable(() => refillTakenCancel(plan));
    setAttributes(attributes, { RefillState: cancelled ? 'cancelled' : 'failed' });
    if (!cancelled) throw error;
    throw new CancelledFailure(`${plan.kind} ${plan.id} was cancelled`);
  }
}

export const ReindexConversations = (payload: unknown): Promise<unknown> => taken('ReindexConversations', payload);
export const ReindexProcessScorecards = (payload: unknown): Promise<unknown> =>
  taken('ReindexProcessScorecards', payload);
export const BackfillScorecards = (payload: unknown): Promise<unknown> => taken('BackfillScorecards', payload);
