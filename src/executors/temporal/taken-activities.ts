import { Context } from '@temporalio/activity';
import type { ErrorRecord } from '../../domain/errors.ts';
import { errorOf } from '../../domain/errors.ts';
import type { Limits } from '../../domain/limits.ts';
import type { TenantName } from '../../domain/words.ts';
import { keptAlive } from './attend.ts';
import type { TakenActivities } from './shared/activity-types.ts';
import { toFailure } from './shared/failure.ts';
import { NEWS_SIGNAL } from './shared/names.ts';
import {
  type TakenBeat,
  takenJob,
  type TakenJob,
  type TakenNews,
  type TakenPlace,
  type TakenPlan,
  type TakenType,
} from './shared/taken.ts';

/** How the run or the backfill of a plan ended. */
export type TakenEnd =
  | { readonly ended: 'well'; readonly result: Readonly<Record<string, unknown>> }
  /** For good: all that could be tried again was. */
  | { readonly ended: 'badly'; readonly error: ErrorRecord };

/** What taken workflows do, over whatever opens the configuration. */
export interface TakenJobs {
  has(cluster: string, tenant: TenantName): Promise<boolean>;
  /** Throws `PAYLOAD_INVALID` where the cluster, or where none is named all of them, do not have the tenant. */
  plan(type: TakenType, job: TakenJob): Promise<TakenPlan>;
  /**
   * Executes a plan, or goes on with it, or watches whoever is at work on it, until it has ended. Throws where that
   * cannot be known, or is not to be waited for any more.
   */
  execute(
    plan: TakenPlan,
    options: {
      readonly signal: AbortSignal;
      readonly onBeat: (beat: TakenBeat) => void;
      /** Called with the run's id and its state, also where they are as they were. */
      readonly onNews: (news: TakenNews) => void;
    },
  ): Promise<TakenEnd>;
  /** Ends for good what `execute` has left. */
  cancel(plan: TakenPlan, signal: AbortSignal): Promise<void>;
}

/**
 * @param limits How often, and how long, what another try can mend is tried again.
 * @param places The clusters of the Temporal server.
 * @param attributes Whether that server has our search attributes.
 */
export function createTakenActivities(
  jobs: TakenJobs,
  limits: Pick<Limits, 'attempts' | 'outageMinutes'>,
  places: readonly TakenPlace[],
  attributes: () => Promise<boolean>,
): TakenActivities {
  return {
    refillTakenPlaces: async () => {
      const known = await attributes();
      return places.map((place) => ({ ...place, attributes: known }));
    },
    refillTakenFind: ({ cluster, tenant }) =>
      attended(limits, { State: zero(0), Refill: { doing: `looking for the tenant on ${cluster}` } }, (signal) =>
        unlessStopped(signal, jobs.has(cluster, tenant)),
      ),
    refillTakenPlan: ({ type, payload, cluster }) =>
      attended(limits, { State: zero(0), Refill: { doing: 'planning' } }, async (signal) => ({
        ...(await unlessStopped(signal, jobs.plan(type, on(cluster, takenJob(type, payload))))),
        attributes: await attributes(),
      })),
    refillTakenRun: async (plan) => {
      const first = { State: zero(plan.total), Refill: { [plan.kind]: plan.id } };
      const onNews = plan.attributes === true ? newsTeller() : () => undefined;
      const end = await attended(limits, first, (signal, onBeat) => jobs.execute(plan, { signal, onBeat, onNews }));
      // Its end is in the ledger: another try would find the same.
      if (end.ended === 'badly') throw toFailure(errorOf(end.error), 'final');
      return end.result;
    },
    refillTakenCancel: (plan) =>
      attended(limits, { State: zero(plan.total), Refill: { doing: 'cancelling' } }, (signal) =>
        unlessStopped(signal, jobs.cancel(plan, signal)),
      ),
  };
}

/**
 * Tells the workflow what its run is and how it stands, once for each change: it knows the plan alone, until its activity
 * has ended. What could not be told is told with the next look.
 */
function newsTeller(): (news: TakenNews) => void {
  const context = Context.current();
  let last = '';
  let telling = Promise.resolve();
  const tell = async (news: TakenNews) => {
    const { workflowId, runId } = context.info.workflowExecution ?? {};
    if (workflowId !== undefined) await context.client.workflow.getHandle(workflowId, runId).signal(NEWS_SIGNAL, news);
  };
  return (news) => {
    const now = `${news.run} ${news.state}`;
    if (now === last) return;
    last = now;
    // One after another, as the last one counts.
    telling = telling
      .then(() => tell(news))
      .catch(() => {
        last = '';
      });
  };
}

/** Nobody waits for what only looks, which may take minutes, when its activity is to end: it is begun again elsewhere. */
async function unlessStopped<T>(signal: AbortSignal, task: Promise<T>): Promise<T> {
  const given = new AbortController();
  const stopped = new Promise<never>((_, reject) => {
    const leave = () => reject(signal.reason);
    if (signal.aborted) leave();
    signal.addEventListener('abort', leave, { once: true, signal: given.signal });
  });
  try {
    return await Promise.race([task, stopped]);
  } finally {
    given.abort();
  }
}

/** A job on the cluster that was found to have its tenant. */
function on(cluster: string | undefined, job: TakenJob): TakenJob {
  if (cluster === undefined) return job;
  if (job.of === 'range') return { ...job, request: { ...job.request, cluster } };
  if (job.of === 'ids') return { ...job, request: { ...job.request, cluster } };
  return { ...job, request: { ...job.request, cluster } };
}

const zero = (total: number) => ({ ReindexedConversations: 0, FailedConversations: 0, TotalConversationCount: total });

/** Heartbeats in the shape that they have always had, with the newest numbers. */
async function attended<T>(
  limits: Pick<Limits, 'attempts' | 'outageMinutes'>,
  first: TakenBeat,
  work: (signal: AbortSignal, onBeat: (beat: TakenBeat) => void) => Promise<T>,
): Promise<T> {
  let beat = first;
  const onBeat = (now: TakenBeat) => {
    beat = now;
  };
  return await keptAlive({
    limits,
    beat: () => beat,
    work: (signal) => work(signal, onBeat),
    onRetry: ({ source, code }, seconds) => {
      beat = { ...beat, Refill: { ...beat.Refill, doing: `waiting for ${source} (${code}), ${seconds} s` } };
    },
  });
}
