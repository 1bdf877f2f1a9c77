import type { BackfillEvent, BackfillResult } from '../domain/backfill.ts';
import { asRefillError, RefillError, type ErrorRecord } from '../domain/errors.ts';
import type { Limits } from '../domain/limits.ts';
import type { Wanted } from '../domain/states.ts';
import { type BackfillOutcome, type ReindexEnd, runBackfillFlow } from '../flow/backfill.ts';
import type { Actor, BackfillRecord, Ledger } from '../ledger/ledger.ts';
import type { ChunkOptions } from '../steps/backfill/chunk.ts';
import { createBackfillSteps } from '../steps/backfill/steps.ts';
import type { EventQueue } from './events.ts';
import { withRetries } from './retry.ts';
import { ledgerLost, underLock } from './under-lock.ts';
import { watchWanted } from './watch-wanted.ts';

/** What re-indexes what a backfill has touched. */
export interface Reindexing {
  /** Begins its run, or goes on with it. `drain` and `force` are those of the run. */
  readonly run: (
    record: BackfillRecord,
    options: {
      readonly drain: AbortSignal;
      readonly force: AbortSignal;
      readonly onNotice: (message: string) => void;
    },
  ) => Promise<ReindexEnd>;
  /** Asks its run, where it has not ended, for what the backfill was asked for. */
  readonly ask: (record: BackfillRecord, wanted: 'pause' | 'cancel') => Promise<void>;
}

export interface LocalBackfill extends Omit<ChunkOptions, 'signal'> {
  readonly ledger: Ledger;
  readonly actor: Actor;
  readonly limits: Limits;
  readonly reindexing: Reindexing;
  /** Aborting finishes the chunk that was begun, and pauses. */
  readonly drain?: AbortSignal;
  /** Aborting stops at once. */
  readonly force?: AbortSignal;
}

/** Unjudged items that a result names. */
const NAMED = 20;

/**
 * Runs a backfill in this process. Yields what happens; the last event is the result. Throws where nothing was begun, and
 * where the ledger is lost.
 */
export async function* runLocalBackfill(options: LocalBackfill): AsyncGenerator<BackfillEvent> {
  const lock = await options.ledger.lockBackfill(options.plan.id, options.actor);
  yield* underLock<BackfillEvent>(lock, {
    name: 'backfill',
    force: options.force,
    work: (events, stop) => execute(options, events, stop),
  });
}

async function execute(
  options: LocalBackfill,
  events: EventQueue<BackfillEvent>,
  stop: AbortController,
): Promise<void> {
  const { ledger, plan, actor, drain } = options;
  const began = Date.now();
  await ledger.setBackfillState(plan.id, 'running', actor);
  let wanted: Wanted = 'run';
  const leave = new AbortController();
  const drained = () => leave.abort();
  if (drain?.aborted === true) drained();
  drain?.addEventListener('abort', drained, { once: true });
  const ended = new AbortController();
  const watch = watchWanted(
    () => ledger.backfillWanted(plan.id),
    ended.signal,
    (now) => {
      wanted = now;
      if (now !== 'run') leave.abort();
      if (now === 'cancel') stop.abort(new RefillError('INTERRUPTED', 'the backfill was cancelled'));
    },
  );
  let outcome: BackfillOutcome | undefined;
  let failure: unknown;
  try {
    outcome = await flow(options, events, { leave: leave.signal, stop: stop.signal });
  } catch (error) {
    failure = error;
  } finally {
    ended.abort();
    drain?.removeEventListener('abort', drained);
    await watch;
  }
  const lost = ledgerLost(stop.signal);
  if (lost) throw lost;
  const record = await ledger.backfill(plan.id);
  if (wanted !== 'run') await options.reindexing.ask(record, wanted);
  const left = stop.signal.aborted || (leave.signal.aborted && isInterruption(failure));
  const state = endState(outcome, { unjudged: record.tally.unjudged, wanted, left });
  const error = state === 'failed' ? errorOf(failure, record.run) : undefined;
  const after = outcome?.ended === 'written' ? outcome.after : undefined;
  await ledger.setBackfillState(plan.id, state, actor, {
    seconds: (Date.now() - began) / 1000,
    ...(after === undefined ? {} : { after }),
    ...(error === undefined ? {} : { error }),
  });
  events.push(await resultOf(ledger, plan.id, state));
}

/** The flow, with retries around each step and with what happens made into events. */
async function flow(
  options: LocalBackfill,
  events: EventQueue<BackfillEvent>,
  { leave, stop }: { readonly leave: AbortSignal; readonly stop: AbortSignal },
): Promise<BackfillOutcome> {
  const { ledger, plan, limits, reindexing } = options;
  const onNotice = (message: string) => events.push({ type: 'notice', backfill: plan.id, message });
  const onChunk = ({ tally }: BackfillRecord) =>
    events.push({ type: 'backfill-progress', backfill: plan.id, items: plan.items, tally });
  const onRetry = (error: RefillError, seconds: number) =>
    onNotice(`${error.code}: ${error.message}; tried again in ${seconds} s`);
  const steps = createBackfillSteps({ ...options, signal: stop, onChunk });
  const retried = <T>(task: () => Promise<T>) => withRetries({ limits, signal: stop, onRetry }, task);
  return runBackfillFlow(
    { nextChunk: () => retried(() => steps.nextChunk()), count: () => retried(() => steps.count()) },
    {
      mayBegin: async () => !stop.aborted && !leave.aborted,
      reindex: async () =>
        plan.reindex
          ? reindexing.run(await ledger.backfill(plan.id), { drain: leave, force: stop, onNotice })
          : 'proven',
    },
  );
}

/** Whoever follows a run that is done elsewhere has only stopped following it. */
function isInterruption(failure: unknown): boolean {
  return failure instanceof RefillError && failure.code === 'INTERRUPTED';
}

function endState(
  outcome: BackfillOutcome | undefined,
  { unjudged, wanted, left }: { readonly unjudged: number; readonly wanted: Wanted; readonly left: boolean },
): BackfillResult['state'] {
  if (outcome?.ended === 'written' && outcome.reindexed) return unjudged > 0 ? 'incomplete' : 'succeeded';
  if (wanted === 'cancel') return 'cancelled';
  return left || outcome?.ended === 'left' ? 'paused' : 'failed';
}

function errorOf(failure: unknown, run: string | null): ErrorRecord {
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
