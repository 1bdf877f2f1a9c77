import { setTimeout as sleep } from 'node:timers/promises';
import { RefillError } from '../../domain/errors.ts';
import type { RunEvent } from '../../domain/events.ts';
import type { Actor, Ledger, RunRecord } from '../../ledger/ledger.ts';
import type { Governed } from '../local-run.ts';
import type { TemporalClient } from './client.ts';
import { RunWatch } from './run-watch.ts';
import { hasEnded, runSubject } from './settle.ts';

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
  readonly governed: Pick<Governed, 'calendar'>;
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
  const watch = await RunWatch.open(ledger, client, run.id, () => Promise.resolve(options.governed.calendar));
  const subject = runSubject(ledger, run, options.actor);
  await client.startRun(run);
  yield watch.started(options.resumed);
  for (;;) {
    const ended = await hasEnded(client, subject);
    yield* await watch.look();
    if (ended) break;
    await goOn(options, `run ${run.id}`, run.id, LOOK_MS);
  }
  yield await watch.result();
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
