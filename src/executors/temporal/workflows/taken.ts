import { CancellationScope, CancelledFailure, defineSignal, patched, setHandler } from '@temporalio/workflow';
import { formatRange, formatTenant } from '../../../domain/words.ts';
import { fromFailure, toFailure } from '../shared/failure.ts';
import { NEWS_SIGNAL } from '../shared/names.ts';
import { takenJob, takenNews, type TakenJob, type TakenPlan, type TakenType } from '../shared/taken.ts';
import type { Attributes } from '../shared/attributes.ts';
import { setAttributes } from './attributes.ts';
import { takenActivities } from './taken-activities.ts';
import { placeOf } from './taken-place.ts';

const newsSignal = defineSignal<[unknown]>(NEWS_SIGNAL);

/**
 * Finds the cluster, plans there, then executes that plan there: a worker that dies in between finds it in the history,
 * and goes on with its run. A cancel ends that too, whichever worker is left to do it.
 */
async function taken(type: TakenType, payload: unknown): Promise<unknown> {
  const job = jobOf(type, payload);
  const { request } = job;
  // Workflows that began before tell nothing, whichever worker has done their activities.
  const tells = patched('taken-attributes');
  // Whether the server knows them is told by the first activity that can.
  let known = false;
  const tell = (values: Attributes) => setAttributes(tells && known, values);
  setHandler(newsSignal, (raw) => {
    const news = takenNews(raw);
    if (news) tell({ RefillRun: news.run, RefillState: news.state });
  });
  let queue: string | undefined;
  let plan: TakenPlan | undefined;
  try {
    // Workflows that began before clusters were asked stay where they were planned.
    const places = patched('taken-place') ? await takenActivities().refillTakenPlaces() : null;
    known = places?.some(({ attributes }) => attributes === true) ?? false;
    tell({ RefillTenant: formatTenant(request.tenant), RefillState: 'running' });
    const place = places === null ? null : await placeOf(type, request.tenant, places);
    queue = place?.taskQueue;
    const at = place === null ? {} : { cluster: place.cluster };
    plan = await takenActivities(queue, whatOf(job)).refillTakenPlan({ type, payload, ...at });
    known ||= plan.attributes === true;
    tell({
      ...(plan.kind === 'backfill' ? { RefillRun: plan.id } : {}),
      ...(place === null ? {} : { RefillCluster: place.cluster }),
      ...(plan.dataset === undefined ? {} : { RefillDataset: plan.dataset }),
      RefillTenant: formatTenant(request.tenant),
      RefillState: 'running',
    });
    const result = await takenActivities(queue, `${plan.kind} ${plan.id}`).refillTakenRun(plan);
    const { run, state } = result;
    tell({
      ...(plan.kind === 'plan' && typeof run === 'string' ? { RefillRun: run } : {}),
      RefillState: typeof state === 'string' ? state : 'succeeded',
    });
    return result;
  } catch (error) {
    // Not by the error: where its worker is gone, a cancelled activity has timed out.
    const cancelled = CancellationScope.current().consideredCancelled;
    const name = plan && `${plan.kind} ${plan.id}`;
    const begun = plan;
    try {
      if (cancelled && begun)
        await CancellationScope.nonCancellable(() => takenActivities(queue, name).refillTakenCancel(begun));
      tell({ RefillState: cancelled ? 'cancelled' : endOf(error) });
    } catch (unended) {
      tell({ RefillState: 'failed' });
      throw unended;
    }
    if (!cancelled || !begun) throw error;
    throw new CancelledFailure(`${name} was cancelled`);
  }
}

/** What is planned, in a few words. */
function whatOf({ of, request }: TakenJob): string {
  const tenant = formatTenant(request.tenant);
  return of === 'ids' ? `${tenant}: ${request.ids.length} scorecards` : `${tenant}: ${formatRange(request.range)}`;
}

function jobOf(type: TakenType, payload: unknown): TakenJob {
  try {
    return takenJob(type, payload);
  } catch (error) {
    throw toFailure(error);
  }
}

/** The state of what has ended badly: it says so where it did not fail. */
function endOf(error: unknown): 'differences' | 'cancelled' | 'failed' {
  const { state } = fromFailure(error).details;
  return state === 'differences' || state === 'cancelled' ? state : 'failed';
}

export const ReindexConversations = (payload: unknown): Promise<unknown> => taken('ReindexConversations', payload);
export const ReindexProcessScorecards = (payload: unknown): Promise<unknown> =>
  taken('ReindexProcessScorecards', payload);
export const BackfillScorecards = (payload: unknown): Promise<unknown> => taken('BackfillScorecards', payload);
