import type * as Sdk from '@temporalio/worker';
import type { NativeConnection, Worker, WorkerOptions } from '@temporalio/worker';
import { createActivities } from './activities.ts';
import { workflowBundle } from './bundle.ts';
import type { Gates } from './gate.ts';
import type { WorkerEnvironment } from './opened.ts';
import { redact } from '../../domain/redact.ts';
import { temporalError } from '../../domain/temporal-error.ts';
import { connectionOptions, loaded, type TemporalSettings } from './settings.ts';
import type { RefillActivities, TakenActivities } from './shared/activity-types.ts';
import { clusterQueue, fleetQueue, workerIdentity } from './shared/names.ts';
import { TAKEN_QUEUES, type TakenPlace } from './shared/taken.ts';
import { createTakenActivities, type TakenJobs } from './taken-activities.ts';
import { createVerifyActivities } from './verify-activities.ts';

/** The clusters that one Temporal server is responsible for. */
export interface Served {
  readonly settings: TemporalSettings;
  readonly clusters: readonly string[];
  /** All clusters whose runs it has, whether this worker serves them or not. */
  readonly places: readonly TakenPlace[];
  /** Whether it has our search attributes by now. */
  readonly attributes: () => Promise<boolean>;
}

export interface WorkerRun {
  readonly environment: WorkerEnvironment;
  /** Of the package: `doctor` tells which versions are at work. */
  readonly version: string;
  readonly gates: Gates;
  readonly served: readonly Served[];
  /** Aborting shuts down: what is at work ends within the grace, or is handed back. */
  readonly stop: AbortSignal;
  /** Called when it takes work, with the task queues. */
  readonly onReady: (queues: readonly string[]) => void;
  readonly onLog: (level: string, message: string) => void;
  /** What the workflows of users that were taken over do: on the clusters' task queues. */
  readonly taken: TakenJobs;
  /** Whether it listens on the users' task queues. */
  readonly takeover: boolean;
}

/** How long work may go on after the shutdown has begun: under the 30 s after which Kubernetes kills. */
const GRACE = '10 seconds';
/** Most of them wait, for a mutation or for their turn, and hold nothing but a heartbeat. */
const ACTIVITIES_AT_ONCE = 500;
/** Workflows kept in memory: each is some hundred kilobytes, and one that is not there is replayed. */
const WORKFLOWS_KEPT = 50;

/** Works for as long as `stop` lets it, on the task queues of its clusters and on that of fleets. */
export async function runWorker(options: WorkerRun): Promise<void> {
  const sdk = await loaded(() => import('@temporalio/worker'));
  installRuntime(sdk);
  const bundled = await workflowBundle();
  const own = createActivities(options.environment, options.gates);
  const theirs = options.takeover ? Object.values(TAKEN_QUEUES) : [];
  const connections: NativeConnection[] = [];
  const workers: Serving[] = [];
  listeners.add(options);
  try {
    for (const { settings, clusters, places, attributes } of options.served) {
      const activities = {
        ...own,
        ...createVerifyActivities(options.environment, attributes),
        ...createTakenActivities(options.taken, options.environment.limits, places, attributes),
      };
      const connection = await asked(settings, sdk.NativeConnection.connect(connectionOptions(settings)));
      connections.push(connection);
      for (const taskQueue of [...queuesOf(settings, clusters), ...theirs]) {
        const common = {
          ...workerOptions(settings, activities),
          identity: workerIdentity(options.environment.actor, options.version),
          connection,
          workflowBundle: bundled,
        };
        workers.push({ settings, worker: await asked(settings, sdk.Worker.create({ ...common, taskQueue })) });
      }
    }
    await runAll(workers, options);
  } finally {
    await options.gates.close();
    // A connection cannot be closed before workers that were made and never run.
    for (const { worker } of workers) if (worker.getState() === 'INITIALIZED') await endUnused(worker);
    for (const connection of connections) await connection.close();
    listeners.delete(options);
  }
}

/** A worker of the SDK, which serves one task queue of one server. */
interface Serving {
  readonly worker: Worker;
  readonly settings: TemporalSettings;
}

/** What the SDK throws as an error of ours. */
async function asked<T>(settings: TemporalSettings, answer: Promise<T>): Promise<T> {
  return await answer.catch((error: unknown) => {
    throw temporalError(error, settings);
  });
}

/** Ends a worker without letting it take anything. */
async function endUnused(worker: Worker): Promise<void> {
  const running = worker.run();
  worker.shutdown();
  // Why nothing is run is told already.
  await running.catch(() => undefined);
}

/** Workers of this process: its runtime is one, and all of them hear its log. */
const listeners = new Set<WorkerRun>();
let installed = false;

/** Installs the runtime before anything uses it; the SDK refuses a second one, and starts this one again by itself. */
function installRuntime(sdk: typeof Sdk): void {
  if (installed) return;
  installed = true;
  sdk.Runtime.install({
    // Signals are the command line's.
    shutdownSignals: [],
    logger: new sdk.DefaultLogger('WARN', ({ level, message, meta }) => {
      for (const { onLog } of listeners) onLog(level, `${message}${circumstances(meta)}`);
    }),
    telemetryOptions: {
      logging: { filter: sdk.makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }), forward: {} },
    },
  });
}

/** Of what the SDK says beside a message: which workflow and activity it is about, and why. */
function circumstances(meta: Sdk.LogMetadata | undefined): string {
  const about = ['workflowId', 'activityType'].flatMap((name) => {
    const value: unknown = meta?.[name];
    return typeof value === 'string' ? [value] : [];
  });
  const error: unknown = meta?.['error'];
  const why = error instanceof Error ? `: ${redact(error.message)}` : '';
  return `${about.length === 0 ? '' : ` (${about.join(', ')})`}${why}`;
}

function queuesOf({ taskQueue }: TemporalSettings, clusters: readonly string[]): readonly string[] {
  return [fleetQueue(taskQueue), ...clusters.map((cluster) => clusterQueue(taskQueue, cluster))];
}

function workerOptions(
  { namespace, codecs }: TemporalSettings,
  activities: RefillActivities & TakenActivities,
): Omit<WorkerOptions, 'taskQueue'> {
  return {
    namespace,
    activities,
    dataConverter: { payloadCodecs: [...codecs] },
    shutdownGraceTime: GRACE,
    maxConcurrentActivityTaskExecutions: ACTIVITIES_AT_ONCE,
    // Else a server that dispatches eagerly gives up to three windows to the worker that has its workflow, and none to
    // the others.
    maxEagerActivityReservationsPerWorkflowTask: 0,
    maxCachedWorkflows: WORKFLOWS_KEPT,
    // A worker that was killed has its workflows wait so long for it, before another one replays them.
    stickyQueueScheduleToStartTimeout: '3 seconds',
    // Else details would reach the server at 80 % of the heartbeat's timeout.
    maxHeartbeatThrottleInterval: '2 seconds',
    defaultHeartbeatThrottleInterval: '2 seconds',
  };
}

async function runAll(serving: readonly Serving[], { stop, onReady }: WorkerRun): Promise<void> {
  const workers = serving.map(({ worker }) => worker);
  const end = () => {
    for (const worker of workers) if (worker.getState() === 'RUNNING') worker.shutdown();
  };
  const running = serving.map(({ worker, settings }) => asked(settings, worker.run()));
  onReady(workers.map((worker) => worker.options.taskQueue));
  if (stop.aborted) end();
  stop.addEventListener('abort', end, { once: true });
  try {
    // One that fails takes the others with it: a worker that serves half of its queues looks well and is not.
    await Promise.all(running);
  } finally {
    stop.removeEventListener('abort', end);
    end();
    await Promise.allSettled(running);
  }
}
