import { Context } from '@temporalio/activity';
import { RefillError } from '../../domain/errors.ts';
import type { TakenActivities } from './shared/activity-types.ts';
import { toFailure } from './shared/failure.ts';
import { type TakenBeat, takenJob, type TakenJob, type TakenPlan, type TakenType } from './shared/taken.ts';

/** What taken workflows do, over whatever opens the configuration. */
export interface TakenJobs {
  plan(type: TakenType, job: TakenJob): Promise<TakenPlan>;
  /** Executes a plan, or goes on with it. Throws where it does not end well. */
  execute(
    plan: TakenPlan,
    options: { readonly signal: AbortSignal; readonly onBeat: (beat: TakenBeat) => void },
  ): Promise<Readonly<Record<string, unknown>>>;
  /** Ends for good what `execute` has left. */
  cancel(plan: TakenPlan): Promise<void>;
}

const BEAT_MS = 2000;

export function createTakenActivities(jobs: TakenJobs): TakenActivities {
  return {
    refillTakenPlan: ({ type, payload }) =>
      attended({ State: zero(0), Refill: { doing: 'planning' } }, () => jobs.plan(type, takenJob(type, payload))),
    refillTakenRun: (plan) =>
      attended(
        { State: zero(plan.total), Refill: { [plan.kind]: plan.id } },
        (signal, onBeat) => jobs.execute(plan, { signal, onBeat }),
        () => jobs.cancel(plan),
      ),
  };
}

const zero = (total: number) => ({ ReindexedConversations: 0, FailedConversations: 0, TotalConversationCount: total });

/** Heartbeats every 2 s with the newest numbers; ends as the cancellation, the worker's end or the work itself says. */
async function attended<T>(
  first: TakenBeat,
  work: (signal: AbortSignal, onBeat: (beat: TakenBeat) => void) => Promise<T>,
  cancel: () => Promise<void> = () => Promise.resolve(),
): Promise<T> {
  const context = Context.current();
  let beat = first;
  context.heartbeat(beat);
  const ticker = setInterval(() => context.heartbeat(beat), BEAT_MS);
  const { cancellationSignal: signal } = context;
  try {
    return await work(signal, (now) => {
      beat = now;
    });
  } catch (error) {
    if (!signal.aborted) throw toFailure(error);
    if (context.cancellationDetails?.cancelRequested === true) {
      await cancel();
      throw signal.reason;
    }
    throw toFailure(new RefillError('INTERRUPTED', 'the worker gave its work back'));
  } finally {
    clearInterval(ticker);
  }
}
