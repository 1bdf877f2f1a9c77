import type { WorkflowExecutionDescription } from '@temporalio/client';
import type { FleetTracker } from '../fleet-progress.ts';
import type { TemporalClient } from './client.ts';
import { clusterQueue, fleetQueue } from './shared/names.ts';

/** How long nobody has to be at work before it is asked whether anybody could be, and how often it is asked then. */
const QUIET_MS = 5000;
/** Temporal's number of an activity that a worker has: its enums are in a package that we do not depend on. */
const STARTED = 2;

/** The task queue at which a workflow's next step waits; null where a step of it is at work, or nothing is known. */
export function waitsAt(described: WorkflowExecutionDescription | null): string | null {
  const pending = described?.raw.pendingActivities ?? [];
  if (described === null || pending.some(({ state }) => Number(state) === STARTED)) return null;
  return described.taskQueue;
}

/** Notices that what is waited for is a worker: without one it is waited for good, and nobody says so. */
export class QueueWatch {
  readonly #client: Pick<TemporalClient, 'pollers'>;
  #quietSince: number | null = null;
  #askedAt = 0;
  #told: string | null = null;

  constructor(client: Pick<TemporalClient, 'pollers'>) {
    this.#client = client;
  }

  /**
   * What is waited for, as of this look; null where nothing is, as far as is known.
   *
   * @param queue The task queue at which something waits; null where nothing does.
   */
  async look(queue: string | null): Promise<string | null> {
    if (queue === null) {
      this.#quietSince = null;
      this.#told = null;
      return null;
    }
    const now = Date.now();
    this.#quietSince ??= now;
    if (now - this.#quietSince >= QUIET_MS && now - this.#askedAt >= QUIET_MS) {
      this.#askedAt = now;
      const workers = await this.#client.pollers(queue).catch(() => null);
      this.#told =
        workers?.length === 0 ? `a worker: none takes work from ${queue}, \`refill worker\` starts one` : null;
    }
    return this.#told;
  }
}

/** The task queues of a fleet: its own, and those of clusters at none of whose tenants anybody is at work. */
export class FleetQueues {
  readonly #client: TemporalClient;
  readonly #workflow: string;
  readonly #tracker: Pick<FleetTracker, 'idle'>;
  readonly #watches = new Map<string, QueueWatch>();
  #told: ReadonlySet<string> = new Set();

  constructor(client: TemporalClient, workflow: string, tracker: Pick<FleetTracker, 'idle'>) {
    this.#client = client;
    this.#workflow = workflow;
    this.#tracker = tracker;
  }

  /** What has come to be waited for since the last look. */
  async look(): Promise<readonly string[]> {
    const waits = new Set<string>();
    for (const [queue, idle] of await this.#queues()) {
      const watch = this.#watches.get(queue) ?? new QueueWatch(this.#client);
      this.#watches.set(queue, watch);
      const reason = await watch.look(idle ? queue : null);
      if (reason !== null) waits.add(`waiting for ${reason}`);
    }
    const news = [...waits].filter((one) => !this.#told.has(one));
    this.#told = waits;
    return news;
  }

  /** Each queue, and whether something waits there as far as is known. */
  async #queues(): Promise<ReadonlyMap<string, boolean>> {
    const clusters = this.#tracker.idle();
    const { taskQueue } = this.#client.settings;
    const queues = new Map([...clusters].map(([cluster, idle]) => [clusterQueue(taskQueue, cluster), idle]));
    // While a tenant is at work the fleet's workflow was, too.
    if (![...clusters.values()].every(Boolean)) return queues;
    const own = waitsAt(await this.#client.describe(this.#workflow).catch(() => null));
    return queues.set(fleetQueue(taskQueue), own !== null);
  }
}
