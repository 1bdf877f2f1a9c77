import type { WorkflowExecutionDescription } from '@temporalio/client';
import type { TemporalClient } from './client.ts';

/** How long nobody has to be at work before it is asked whether anybody could be, and how often it is asked then. */
const QUIET_MS = 5000;
/** Temporal's number of an activity that a worker has: its enums are in a package that we do not depend on. */
const STARTED = 2;

/** Notices that what a workflow waits for is a worker: without one it waits for good, and says nothing. */
export class QueueWatch {
  readonly #client: Pick<TemporalClient, 'pollers'>;
  #quietSince: number | null = null;
  #askedAt = 0;
  #told: string | null = null;

  constructor(client: Pick<TemporalClient, 'pollers'>) {
    this.#client = client;
  }

  /** What is waited for, as of this look; null where somebody is at work, or nothing is known. */
  async look(described: WorkflowExecutionDescription | null, now = Date.now()): Promise<string | null> {
    const pending = described?.raw.pendingActivities ?? [];
    if (described === null || pending.some(({ state }) => Number(state) === STARTED)) {
      this.#quietSince = null;
      this.#told = null;
      return null;
    }
    this.#quietSince ??= now;
    if (now - this.#quietSince >= QUIET_MS && now - this.#askedAt >= QUIET_MS) {
      this.#askedAt = now;
      const queue = described.taskQueue;
      const workers = await this.#client.pollers(queue).catch(() => null);
      this.#told =
        workers?.length === 0 ? `a worker: none takes work from ${queue}, \`refill worker\` starts one` : null;
    }
    return this.#told;
  }
}
