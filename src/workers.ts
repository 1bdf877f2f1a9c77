import { Backfills } from './backfills.ts';
import { asRefillError, RefillError } from './domain/errors.ts';
import type { Environment } from './environment.ts';
import { Gates } from './executors/temporal/gate.ts';
import type { WorkerEnvironment } from './executors/temporal/opened.ts';
import { clusterQueue } from './executors/temporal/shared/names.ts';
import type { Served } from './executors/temporal/worker.ts';
import type { WorkOptions } from './refill.ts';
import { Runs } from './runs.ts';
import { withSource } from './source/postgres.ts';
import { listed } from './steps/ask-source.ts';
import { verify } from './steps/verify.ts';
import { createTakenJobs } from './taken-jobs.ts';
import { packageVersion } from './version.ts';

/** Works on the task queues of clusters until `stop`. See `Refill.work`. */
export async function work(environment: Environment, options: WorkOptions): Promise<void> {
  const config = await environment.config();
  const clusters = namesOf(Object.keys(config.clusters), options.clusters);
  const served = await servedBy(environment, clusters);
  const { onLog = () => undefined, onReady = () => undefined, onNotice = () => undefined, stop } = options;
  await refuseUnable(environment, clusters);
  for (const { clusters: own } of served) await registerAttributes(environment, own[0], onNotice);
  const own: WorkerEnvironment = {
    actor: environment.actor,
    limits: config.limits,
    serverOf: (name) => environment.serverOf(name),
    ledger: () => environment.ledger(),
    workbenchOf: (plan) => environment.workbenchOf(plan),
    governed: (plan) => environment.governed(plan),
    named: async ({ dataset, cluster }) => {
      const [only, ...others] = Object.keys(config.clusters);
      const found = cluster ?? (others.length === 0 ? only : undefined);
      return {
        dataset: dataset ?? (await environment.dataset(undefined)).name,
        ...(found === undefined ? {} : { cluster: found }),
      };
    },
    verify: async (request, watch) => {
      const bench = await environment.workbench(request);
      const found = await verify(bench, {
        range: request.range,
        limits: config.limits,
        ledger: await environment.ledger(),
        actor: environment.actor,
        ...watch,
      });
      return { ...found, cluster: bench.tenant.cluster };
    },
  };
  const { runWorker } = await import('./executors/temporal/worker.ts');
  const runs = new Runs(environment);
  await runWorker({
    taken: createTakenJobs(environment, runs, new Backfills(environment, runs)),
    takeover: options.takeover === true,
    environment: own,
    version: packageVersion(),
    gates: new Gates(own),
    served,
    stop,
    onReady,
    onLog,
  });
}

function namesOf(all: readonly string[], wanted: readonly string[] | undefined): readonly string[] {
  const unknown = wanted?.find((name) => !all.includes(name));
  if (unknown !== undefined)
    throw new RefillError('CONFIG_INVALID', `no cluster ${unknown} in the configuration; it has ${all.join(', ')}`);
  return wanted ?? all;
}

/**
 * Refuses to begin what could do nothing but fail the runs of others: it would take work from workers that are well. A
 * database that is away may be back before it is needed, and is waited for then.
 *
 * @throws RefillError What the ledger or a database says of this program: its version, its passwords, its rights.
 */
async function refuseUnable(environment: Environment, clusters: readonly string[]): Promise<void> {
  await environment.ledger();
  for (const cluster of await environment.clusters(clusters)) {
    const { tenants } = cluster.config;
    const [first] = tenants === 'discover' ? [] : listed(cluster, tenants);
    const looks = [
      cluster.layout(),
      withSource(cluster.source(first?.sourceDatabase ?? 'postgres'), (source) => source.query('SELECT 1')),
    ];
    for (const look of await Promise.allSettled(looks)) {
      if (look.status === 'fulfilled') continue;
      const error = asRefillError(look.reason);
      if (error.code === 'PG_AUTH' || error.code === 'CH_AUTH' || error.source === 'config') throw error;
    }
  }
}

/** The Temporal servers of these clusters. Throws `CONFIG_INVALID` where one has none. */
async function servedBy(environment: Environment, wanted: readonly string[]): Promise<readonly Served[]> {
  const served: Served[] = [];
  for (const name of wanted) await environment.temporalSettings(name);
  const all = await environment.temporals();
  for (const { clusters, address, namespace } of all) {
    const own = clusters.filter((name) => wanted.includes(name));
    if (own.length === 0) continue;
    const same = all.filter((one) => one.address === address && one.namespace === namespace);
    served.push({
      settings: await environment.temporalSettings(own[0]),
      clusters: own,
      // Whoever has registered what was missing, and when.
      attributes: async () =>
        await environment.temporal(own[0]).then(
          (client) => client.knowsAttributes(),
          () => false,
        ),
      // A task queue of the users' is found by the server and the namespace alone.
      places: same.flatMap(({ taskQueue, clusters: names }) =>
        names.map((cluster) => ({ cluster, taskQueue: clusterQueue(taskQueue, cluster) })),
      ),
    });
  }
  return served;
}

/** Operators search by them; a worker that may not register them works all the same. */
async function registerAttributes(
  environment: Environment,
  cluster: string | undefined,
  onNotice: (message: string) => void,
): Promise<void> {
  try {
    const made = await (await environment.temporal(cluster)).registerAttributes();
    if (made.length > 0) onNotice(`search attributes were registered: ${made.join(', ')}`);
  } catch (error) {
    if (error instanceof RefillError && error.code === 'TEMPORAL_UNREACHABLE') throw error;
    onNotice('search attributes are missing and could not be registered: `refill doctor` says how');
  }
}
