import { Context } from '@temporalio/activity';
import { ApplicationFailure } from '@temporalio/common';
import { pollersOf } from './pollers.ts';

/**
 * How often a window is handed back before a worker does it all the same: what it knows of the others may be old, and of
 * ten workers that are full but for one, six tries in a row find that one every other time.
 */
export const HANDED_BACK_AT_MOST = 6;
/** Before the server offers it again: a moment, as another worker is asking already. */
const OFFERED_AGAIN = '20 milliseconds';
/** Windows that take less than this are not worth handing back: it costs a worker and the server some milliseconds. */
const WORTH_MS = 250;
/** Of the last ten windows or so, as of more than that the beginning would be remembered too long. */
const NEWEST_SHARE = 0.2;
/** How long the number of workers is believed. */
const BELIEVED_MS = 10_000;

/** Windows of one run on this worker. */
interface AtWork {
  windows: number;
  /** How long the last ones took; undefined before the first has ended. */
  ms: number | undefined;
}

/**
 * Shares the windows of a run evenly among the workers of its task queue.
 *
 * A server gives a window to whichever of the workers' polls it finds first, and a task queue has several partitions with
 * polls of their own: of twenty windows one of two workers gets thirteen in every third run, whatever the number of
 * polls, of slots or of what is dispatched eagerly. So a worker that has its share of a run's windows at work hands
 * another one back, and the server offers it again at once. That costs no history: it knows the last attempt only.
 */
export class EvenHanded {
  readonly #runs = new Map<string, AtWork>();
  readonly #workers = new Map<string, { readonly at: number; readonly number: Promise<number> }>();

  /**
   * Does a window of a run. Null where it is to be handed back: nothing was done.
   *
   * @param atOnce Windows of the run that are at work at once, on all workers together.
   */
  async window<T>(run: string, atOnce: number, task: () => Promise<T>): Promise<T | null> {
    const workers = await this.#workersHere();
    const here = this.#runs.get(run) ?? { windows: 0, ms: undefined };
    this.#runs.set(run, here);
    const share = Math.ceil(atOnce / workers);
    const worth = here.ms === undefined || here.ms >= WORTH_MS;
    if (worth && here.windows >= share && Context.current().info.attempt <= HANDED_BACK_AT_MOST) return null;
    const began = Date.now();
    here.windows += 1;
    try {
      const done = await task();
      const ms = Date.now() - began;
      here.ms = here.ms === undefined ? ms : here.ms + NEWEST_SHARE * (ms - here.ms);
      return done;
    } finally {
      here.windows -= 1;
    }
  }

  /** A run has ended. */
  forget(run: string): void {
    this.#runs.delete(run);
  }

  /** Workers that ask the task queue of this activity for work; 1 where the server does not say. */
  async #workersHere(): Promise<number> {
    const { taskQueue } = Context.current().info;
    const known = this.#workers.get(taskQueue);
    if (known && Date.now() - known.at < BELIEVED_MS) return await known.number;
    const { client } = Context.current();
    const number = pollersOf(client.workflowService, client.options.namespace, taskQueue).then(
      (names) => Math.max(1, names.length),
      () => 1,
    );
    this.#workers.set(taskQueue, { at: Date.now(), number });
    return await number;
  }
}

/** What has the server offer a window again. No failure of anything: the SDK neither logs nor counts it. */
export function handedBack(): ApplicationFailure {
  return ApplicationFailure.create({
    message: 'another worker has fewer windows of this run at work',
    type: 'HANDED_BACK',
    nextRetryDelay: OFFERED_AGAIN,
    category: 'BENIGN',
  });
}
