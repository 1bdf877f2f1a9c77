import { setTimeout as sleep } from 'node:timers/promises';
import { RefillError } from '../../domain/errors.ts';
import type { RunEvent } from '../../domain/events.ts';
import type { Actor, Ledger, RunRecord } from '../../ledger/ledger.ts';
import { type TemporalClient, workflowEnded } from './client.ts';
import { RunWatch } from './run-watch.ts';
import { workflowId } from './shared/names.ts';

/** What is followed, and until when. */
export interface Following {
  /** Aborting ends the following; what is followed goes on. */
  readonly drain?: AbortSignal | undefined;
  readonly force?: AbortSignal | undefined;
}

export interface TemporalRun extends Following {
  readonly ledger: Ledger;
  readonly client: TemporalClient;
  readonly run: RunRecord;
  readonly actor: Actor;
  readonly resumed: boolean;
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
  const { ledger, client, run } = options;
  const watch = await RunWatch.open(ledger, client, run.id);
  await client.startRun(run);
  yield watch.started(options.resumed);
  for (;;) {
    const ended = await hasEnded(options);
    yield* await watch.look();
    if (ended) break;
    await goOn(options, `run ${run.id}`, run.id, LOOK_MS);
  }
  yield await watch.result();
}

/** Whether the run has ended; where Temporal does not answer, the ledger alone tells. */
async function hasEnded({ ledger, client, run, actor }: TemporalRun): Promise<boolean> {
  try {
    return !(await settle(ledger, client, await ledger.run(run.id), actor));
  } catch (error) {
    if (error instanceof RefillError && error.code === 'TEMPORAL_UNREACHABLE')
      return (await ledger.run(run.id)).state !== 'running';
    throw error;
  }
}

/**
 * Whether a run's workflow is at work. A run that is `running` without one was ended from outside, as by `temporal
 * workflow terminate`: it is failed then, and `retry` goes on.
 */
export async function settle(ledger: Ledger, client: TemporalClient, run: RunRecord, actor: Actor): Promise<boolean> {
  const workflow = run.workflow ?? workflowId(run.id);
  const described = await client.describe(workflow);
  if (described?.status.name === 'RUNNING') return true;
  const since = await wasEnded(ledger, run.id, described?.closeTime);
  // It may have kept its end since.
  if (since && (await ledger.run(run.id)).state === 'running')
    await ledger.setRunState(run.id, 'failed', actor, { error: workflowEnded(workflow).toJSON() });
  return false;
}

/**
 * Whether a workflow has ended after the last thing that was done to its run or fleet. One that is not there yet, or
 * whose end is that of an earlier try, is just being started; where that was broken off, `resume` starts it.
 */
export async function wasEnded(ledger: Ledger, subject: string, closed: Date | undefined): Promise<boolean> {
  const [last] = await ledger.auditEntries({ subject, limit: 1 });
  return closed !== undefined && (last === undefined || Date.parse(last.at) <= closed.getTime());
}

/** Waits for the next look. Throws `INTERRUPTED` where the following is to end before what is followed does. */
export async function goOn({ drain, force }: Following, what: string, id: string, ms: number): Promise<void> {
  const signals = [drain, force].filter((signal) => signal !== undefined);
  const stopped = () => signals.some((signal) => signal.aborted);
  if (!stopped()) await sleep(ms, undefined, { signal: AbortSignal.any(signals) }).catch(() => undefined);
  if (!stopped()) return;
  throw new RefillError('INTERRUPTED', `${what} goes on in Temporal: only its following has ended`, {
    hint: `Follow it again with: refill resume ${id}. Stop it with: refill pause ${id}, or refill cancel ${id}.`,
  });
}
