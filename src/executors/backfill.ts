import type { BackfillEvent, BackfillResult } from '../domain/backfill.ts';
import { asRefillError, RefillError, type ErrorRecord } from '../domain/errors.ts';
import type { Limits } from '../domain/limits.ts';
import { type BackfillOutcome, runBackfillFlow } from '../flow/backfill.ts';
import type { Actor, BackfillRecord, Ledger } from '../ledger/ledger.ts';
import type { ChunkOptions } from '../steps/backfill/chunk.ts';
import { createBackfillSteps } from '../steps/backfill/steps.ts';
import { createEventQueue, type EventQueue } from './events.ts';
import { withRetries } from './retry.ts';

export interface LocalBackfill extends Omit<ChunkOptions, 'signal'> {
  readonly ledger: Ledger;
  readonly actor: Actor;
  readonly limits: Limits;
  /** Re-indexes what was touched, and returns the run and whether it is proven. Null where there is nothing to do. */
  readonly reindex: (
    record: BackfillRecord,
    onEvent: (message: string) => void,
    signal: AbortSignal,
  ) => Promise<{ readonly run: string; readonly proven: boolean } | null>;
  /** Aborting finishes the chunk that was begun, and pauses. */
  readonly drain?: AbortSignal;
  /** Aborting stops at once. */
  readonly force?: AbortSignal;
}

/** Unjudged items that a result names. */
const NAMED = 20;

/** Runs a backfill in this process. Yields what happens; the last event is the result. Throws where nothing was begun. */
export async function* runLocalBackfill(options: LocalBackfill): AsyncGenerator<BackfillEvent> {
  const { ledger, plan, actor } = options;
  const lock = await ledger.lockBackfill(plan.id, actor);
  const events = createEventQueue<BackfillEvent>();
  const stop = new AbortController();
  void lock.lost.then((error) => stop.abort(error));
  const force = () => stop.abort(new RefillError('INTERRUPTED', 'stopped at once'));
  if (options.force?.aborted === true) force();
  options.force?.addEventListener('abort', force, { once: true });
  const work = execute(options, events, stop.signal).then(
    () => events.end(),
    (error: unknown) => events.fail(error),
  );
  try {
    yield* events;
  } finally {
    // Whoever stops listening stops the backfill: it is not left to go on unseen.
    stop.abort(new RefillError('INTERRUPTED', 'nobody listens to the backfill any more'));
    await work;
    options.force?.removeEventListener('abort', force);
    await lock.release();
  }
}

async function execute(options: LocalBackfill, events: EventQueue<BackfillEvent>, signal: AbortSignal): Promise<void> {
  const { ledger, plan, actor, limits, drain } = options;
  const began = Date.now();
  await ledger.setBackfillState(plan.id, 'running', actor);
  const notice = (message: string) => events.push({ type: 'notice', backfill: plan.id, message });
  const onChunk = ({ tally }: BackfillRecord) =>
    events.push({ type: 'backfill-progress', backfill: plan.id, items: plan.items, tally });
  const steps = createBackfillSteps({ ...options, signal, onChunk });
  const retried = <T>(task: () => Promise<T>) =>
    withRetries(
      {
        limits,
        signal,
        onRetry: (error, seconds) => notice(`${error.code}: ${error.message}; tried again in ${seconds} s`),
      },
      task,
    );
  let outcome: BackfillOutcome | undefined;
  let failure: unknown;
  let run: string | undefined;
  try {
    outcome = await runBackfillFlow(
      { nextChunk: () => retried(() => steps.nextChunk()), count: () => retried(() => steps.count()) },
      {
        mayBegin: async () => !signal.aborted && drain?.aborted !== true,
        reindex: async () => {
          if (!plan.reindex) return true;
          const done = await options.reindex(await ledger.backfill(plan.id), notice, signal);
          run = done?.run;
          return done?.proven ?? true;
        },
      },
    );
  } catch (error) {
    failure = error;
  }
  const seconds = (Date.now() - began) / 1000;
  const { tally } = await ledger.backfill(plan.id);
  const state = endState(outcome, tally.unjudged, signal);
  const error = state === 'failed' ? errorOf(failure, run) : undefined;
  const after = outcome?.ended === 'written' ? outcome.after : undefined;
  await ledger.setBackfillState(plan.id, state, actor, {
    seconds,
    ...(run === undefined ? {} : { run }),
    ...(after === undefined ? {} : { after }),
    ...(error === undefined ? {} : { error }),
  });
  events.push(await resultOf(ledger, plan.id, state));
}

function endState(
  outcome: BackfillOutcome | undefined,
  unjudged: number,
  signal: AbortSignal,
): BackfillResult['state'] {
  if (outcome?.ended === 'written' && outcome.reindexed) return unjudged > 0 ? 'incomplete' : 'succeeded';
  return outcome?.ended === 'left' || signal.aborted ? 'paused' : 'failed';
}

function errorOf(failure: unknown, run: string | undefined): ErrorRecord {
  if (failure !== undefined) return asRefillError(failure).toJSON();
  return new RefillError('REINDEX_UNPROVEN', `what was written is not proven in ClickHouse: run ${run ?? ''}`, {
    details: { run },
  }).toJSON();
}

async function resultOf(ledger: Ledger, id: string, state: BackfillResult['state']): Promise<BackfillResult> {
  const { tally, plan, after, run, seconds, error } = await ledger.backfill(id);
  return {
    type: 'backfill-result',
    backfill: id,
    state,
    tally,
    before: plan.before,
    after,
    unjudged: await ledger.unjudged(id, NAMED),
    seconds: Math.round(seconds * 10) / 10,
    run,
    ...(error === null ? {} : { error }),
  };
}
