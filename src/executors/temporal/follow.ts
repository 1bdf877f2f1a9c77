import { setTimeout as sleep } from 'node:timers/promises';
import { RefillError } from '../../domain/errors.ts';
import type { RunEvent } from '../../domain/events.ts';
import type { Plan } from '../../domain/plan.ts';
import type { Actor, Ledger, RunRecord } from '../../ledger/ledger.ts';
import { ProgressTracker } from '../progress.ts';
import { type EndState, resultOf } from '../result.ts';
import { beatsOf } from './beats.ts';
import { type TemporalClient, workflowEnded } from './client.ts';
import { workflowId } from './shared/names.ts';
import { UnitWatch } from './watch-units.ts';

export interface TemporalRun {
  readonly ledger: Ledger;
  readonly client: TemporalClient;
  readonly plan: Plan;
  readonly run: RunRecord;
  readonly actor: Actor;
  readonly resumed: boolean;
  /** Aborting ends the following; the run goes on. */
  readonly drain?: AbortSignal;
  readonly force?: AbortSignal;
}

/** How often the ledger and the server are looked at. */
const LOOK_MS = 500;

/**
 * Starts the workflow of a run, or attaches to it, and tells what happens until the run has ended; the last event is
 * the result. It only looks: whoever stops listening stops nothing.
 *
 * @throws RefillError `INTERRUPTED` where it is told to stop while the run goes on.
 */
export async function* runTemporal(options: TemporalRun): AsyncGenerator<RunEvent> {
  const { ledger, client, plan, run } = options;
  const [windows, deletes] = await Promise.all([ledger.windows(run.id), ledger.deletes(run.id)]);
  await client.startRun(run);
  yield {
    type: 'started',
    run: run.id,
    plan: plan.id,
    tenant: { customer: run.tenant.customer, profile: run.tenant.profile },
    strategy: run.strategy,
    range: run.range,
    resumed: options.resumed,
  };
  const tracker = new ProgressTracker(run.id, plan.cost.rowsToWrite, windows, deletes);
  const watch = new UnitWatch(ledger, run.id, tracker, { windows, deletes });
  const told = new Set<string>();
  let began = false;
  for (;;) {
    const look = await lookAt(options, began);
    // A run that was paused is so until its workflow has begun.
    began ||= look.state === 'running';
    yield* await watch.look();
    for (const notice of tell(look.beats, tracker)) {
      if (told.has(notice)) continue;
      told.add(notice);
      yield { type: 'notice', run: run.id, message: notice };
    }
    yield tracker.snapshot();
    if (look.ended) break;
    refuseGoingOn(options);
    await pause(options);
  }
  const { state, error } = await ledger.run(run.id);
  const ended: EndState = state === 'running' ? 'failed' : state === 'differences' ? 'succeeded' : state;
  const failure = error === null ? undefined : new RefillError(error.code, error.message, error);
  yield await resultOf({ ledger, run: run.id, tables: plan.tables.length, ended, failure, seconds: 0 });
}

/** One look at the ledger and the server. */
async function lookAt(
  { ledger, client, run, actor }: TemporalRun,
  began: boolean,
): Promise<{
  readonly state: RunRecord['state'];
  readonly beats: ReturnType<typeof beatsOf>;
  readonly ended: boolean;
}> {
  const described = await client.describe(run.workflow ?? workflowId(run.id)).catch((error: unknown) => {
    // The run is where it is: the ledger tells on.
    if (error instanceof RefillError && error.code === 'TEMPORAL_UNREACHABLE') return 'unknown' as const;
    throw error;
  });
  const { state } = await ledger.run(run.id);
  if (described === 'unknown') return { state, beats: [], ended: began && state !== 'running' };
  if (described?.status.name === 'RUNNING') return { state, beats: beatsOf(described), ended: false };
  // Asked after the workflow: an end that it kept is seen.
  await settle(ledger, client, await ledger.run(run.id), actor);
  return { state, beats: [], ended: true };
}

/**
 * A run that is `running` and whose workflow has ended was ended from outside, as by `temporal workflow terminate`: it
 * is failed then, and `retry` goes on. What is not known is left as it is.
 */
export async function settle(ledger: Ledger, client: TemporalClient, run: RunRecord, actor: Actor): Promise<void> {
  if (run.state !== 'running') return;
  const workflow = run.workflow ?? workflowId(run.id);
  const state = await client.state(workflow);
  if (state === 'running') return;
  // It may have kept its end since.
  if ((await ledger.run(run.id)).state !== 'running') return;
  await ledger.setRunState(run.id, 'failed', actor, { error: workflowEnded(workflow, state).toJSON() });
}

/** Puts what activities tell into the progress, and returns what a person should know. */
function tell(beats: ReturnType<typeof beatsOf>, tracker: ProgressTracker): readonly string[] {
  tracker.waitsOnly(new Map(beats.flatMap(({ unit, waits }) => (waits === null ? [] : [[unit, waits] as const]))));
  const notices: string[] = [];
  for (const { cursor, rows, notice } of beats) {
    if (cursor && rows !== null) tracker.rows(cursor.window, 'all', rows);
    if (notice !== null) notices.push(notice);
  }
  return notices;
}

async function pause({ drain, force }: TemporalRun): Promise<void> {
  const signals = [drain, force].filter((signal) => signal !== undefined);
  await sleep(LOOK_MS, undefined, { signal: AbortSignal.any(signals) }).catch(() => undefined);
}

function refuseGoingOn({ drain, force, run }: TemporalRun): void {
  if (drain?.aborted !== true && force?.aborted !== true) return;
  throw new RefillError('INTERRUPTED', `run ${run.id} goes on in Temporal: only its following has ended`, {
    hint: `Follow it again with: refill resume ${run.id}. Stop it with: refill pause ${run.id}, or refill cancel ${run.id}.`,
  });
}
