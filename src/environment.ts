import { hostname, userInfo } from 'node:os';
import type { RefillConfig } from './config/config.ts';
import type { ConfigInput } from './config/define.ts';
import { completeConfig } from './config/load.ts';
import { resolveSecret } from './config/secrets.ts';
import { readTemporalConnection } from './config/temporal-connection.ts';
import type { DatasetDefinition } from './dataset/definition.ts';
import { narrow } from './dataset/narrow.ts';
import { RefillError } from './domain/errors.ts';
import type { Plan } from './domain/plan.ts';
import type { Only } from './domain/words.ts';
import type { Governed, RunPlace } from './executors/local-run.ts';
import { TemporalClient } from './executors/temporal/client.ts';
import type { TemporalSettings } from './executors/temporal/settings.ts';
import type { Actor, Ledger } from './ledger/ledger.ts';
import { openLedger } from './ledger/open.ts';
import { openReindexer } from './open-reindexer.ts';
import type { TenantRequest } from './refill.ts';
import { type Cluster, openCluster } from './steps/connect.ts';
import { SourceNames } from './steps/source-names.ts';
import { findTenant, tenantOf } from './steps/tenants.ts';
import { openWorkbench, type Workbench } from './steps/workbench.ts';

/** A Temporal server, by what tells it from others. */
export interface ServedTemporal extends Pick<TemporalSettings, 'address' | 'namespace' | 'taskQueue'> {
  /** Whose runs it has. */
  readonly clusters: readonly string[];
  readonly open: () => Promise<TemporalClient>;
}

/** The Temporal server of a re-indexer. */
export type TheirTemporal = Pick<ServedTemporal, 'address' | 'taskQueue' | 'open'>;

/** What a configuration names, each opened when it is first needed: the ledger, the clusters, a tenant's workbench. */
export class Environment {
  readonly actor: Actor = { user: userInfo().username, host: hostname(), pid: process.pid };
  readonly #input: ConfigInput;
  #completed: Promise<RefillConfig> | undefined;
  #ledger: Promise<Ledger> | undefined;
  readonly #clusters = new Map<string, Promise<Cluster>>();
  readonly #temporals = new Map<string, Promise<TemporalClient>>();
  readonly #servers = new SourceNames((name) => this.cluster(name));

  constructor(input: ConfigInput) {
    this.#input = input;
  }

  config(): Promise<RefillConfig> {
    this.#completed ??= completeConfig(this.#input);
    return this.#completed;
  }

  ledger(): Promise<Ledger> {
    this.#ledger ??= (async () => {
      const { ledger } = await this.config();
      const { password } = ledger;
      return openLedger(ledger, password === undefined ? undefined : await resolveSecret(password));
    })().catch((error: unknown) => {
      // A ledger that was away may be back at the next call.
      this.#ledger = undefined;
      throw error;
    });
    return this.#ledger;
  }

  /**
   * The clusters of these names; all where none are given. Only theirs are the secrets that are looked up.
   *
   * @throws RefillError `CONFIG_INVALID` for a name that no cluster has.
   */
  async clusters(names?: readonly string[]): Promise<readonly Cluster[]> {
    const { clusters } = await this.config();
    const all = Object.keys(clusters);
    const unknown = names?.find((name) => !all.includes(name));
    if (unknown !== undefined)
      throw new RefillError('CONFIG_INVALID', `no cluster ${unknown} in the configuration; it has ${all.join(', ')}`, {
        hint: 'Name one of these, or add it to the configuration.',
      });
    const wanted = names === undefined ? all : all.filter((name) => names.includes(name));
    return Promise.all(wanted.map((name) => this.#open(name, clusters[name])));
  }

  async cluster(name: string): Promise<Cluster> {
    const [cluster] = await this.clusters([name]);
    if (!cluster) throw new RefillError('BUG', `no cluster ${name}`);
    return cluster;
  }

  /** The name of a cluster's Postgres server, which limits of that server go by. */
  serverOf(cluster: string): Promise<string> {
    return this.#servers.of(cluster);
  }

  #open(name: string, config: RefillConfig['clusters'][string] | undefined): Promise<Cluster> {
    if (!config) throw new RefillError('BUG', `no cluster ${name}`);
    const opened =
      this.#clusters.get(name) ??
      openCluster(name, config, resolveSecret, openReindexer).catch((error: unknown) => {
        // A secret that could not be read may be there at the next call.
        this.#clusters.delete(name);
        throw error;
      });
    this.#clusters.set(name, opened);
    return opened;
  }

  /** The dataset of this name; the first one where none is given. */
  async dataset(name: string | undefined): Promise<DatasetDefinition> {
    const { datasets } = await this.config();
    const found = name === undefined ? datasets[0] : datasets.find((d) => d.name === name);
    if (!found)
      throw new RefillError(
        'DATASET_UNKNOWN',
        `no dataset ${name ?? ''} in the configuration; it has ${datasets.map((d) => d.name).join(', ') || 'none'}`,
      );
    return found;
  }

  /** The workbench of a tenant, which is looked for on the cluster that is named, or on all. */
  async workbench(
    request: TenantRequest & { readonly tables?: readonly string[]; readonly only?: Only },
  ): Promise<Workbench> {
    const dataset = narrow(await this.dataset(request.dataset), request.only);
    const clusters = await this.clusters(request.cluster === undefined ? undefined : [request.cluster]);
    const { cluster, finding } = await findTenant(clusters, dataset, request.tenant);
    return openWorkbench(cluster, tenantOf(finding), dataset, request.tables);
  }

  /** The workbench of a saved plan: its tenant as it was found then, and its tables. */
  async workbenchOf(plan: Plan): Promise<Workbench> {
    const [cluster, dataset] = await Promise.all([this.cluster(plan.tenant.cluster), this.dataset(plan.dataset)]);
    try {
      return await openWorkbench(cluster, plan.tenant, narrow(dataset, plan.only), plan.tables);
    } catch (error) {
      // It fitted when the plan was made.
      if (!(error instanceof RefillError) || error.code !== 'DATASET_INVALID') throw error;
      throw new RefillError(
        'PLAN_FOREIGN',
        `plan ${plan.id} was made for another environment: a table or the dataset has changed since, and ${error.message}`,
        { cause: error, details: error.details },
      );
    }
  }

  /** What slows or holds a run: by today's configuration, whatever it was when the plan was made. */
  async governed({ tenant }: Plan): Promise<Governed> {
    const { health, calendar, clusters } = await this.config();
    return { health, calendar: clusters[tenant.cluster]?.calendar ?? calendar ?? null };
  }

  /** Where the windows of a run count beside those of other programs; by today's configuration, too. */
  async placeOf({ tenant }: Plan): Promise<RunPlace> {
    const { limits } = await this.config();
    return { limits, server: await this.serverOf(tenant.cluster) };
  }

  /**
   * The Temporal server of a cluster; that of fleets where none is named.
   *
   * @throws RefillError `CONFIG_INVALID` where none is configured, and what `resolveSecret` throws.
   */
  async temporalSettings(cluster?: string): Promise<TemporalSettings> {
    const { temporal, clusters } = await this.config();
    const found = (cluster === undefined ? undefined : clusters[cluster]?.temporal) ?? temporal;
    if (!found)
      throw new RefillError('CONFIG_INVALID', 'no Temporal server is configured', {
        hint: 'Write `temporal: { address: host:port }` into the configuration, or use the local executor.',
      });
    return { ...(await readTemporalConnection(found)), taskQueue: found.taskQueue };
  }

  /** A client of that server, opened once for all clusters that share it. */
  async temporal(cluster?: string): Promise<TemporalClient> {
    return this.#client(await this.temporalSettings(cluster));
  }

  #client(settings: TemporalSettings): Promise<TemporalClient> {
    const key = JSON.stringify([settings.address, settings.namespace, settings.taskQueue]);
    const opened =
      this.#temporals.get(key) ??
      TemporalClient.open(settings).catch((error: unknown) => {
        this.#temporals.delete(key);
        throw error;
      });
    this.#temporals.set(key, opened);
    return opened;
  }

  /** The Temporal servers of the configuration, each with the clusters whose runs it has; none where none is named. */
  async temporals(): Promise<readonly ServedTemporal[]> {
    const { temporal, clusters } = await this.config();
    const served = new Map<string, ServedTemporal & { readonly clusters: string[] }>();
    for (const [name, cluster] of Object.entries(clusters)) {
      const found = cluster.temporal ?? temporal;
      if (!found) continue;
      const { address, namespace, taskQueue } = found;
      const key = JSON.stringify([address, namespace, taskQueue]);
      const known = served.get(key);
      if (known) known.clusters.push(name);
      else served.set(key, { address, namespace, taskQueue, clusters: [name], open: () => this.temporal(name) });
    }
    return [...served.values()];
  }

  /** The users' workflows that derive rows, each with its server and the task queue of its workers. */
  async theirTemporals(): Promise<readonly TheirTemporal[]> {
    const { clusters } = await this.config();
    const reindexers = Object.values(clusters).flatMap((cluster) => Object.values(cluster.reindexers ?? {}));
    return reindexers.map((reindexer) => {
      const { address, taskQueue } = reindexer;
      const open = async () => this.#client({ ...(await readTemporalConnection(reindexer)), taskQueue });
      return { address, taskQueue, open };
    });
  }

  async close(): Promise<void> {
    for (const opening of this.#temporals.values()) await (await opening.catch(() => undefined))?.close();
    const ledger = this.#ledger && (await this.#ledger.catch(() => undefined));
    await ledger?.close();
    for (const opening of this.#clusters.values()) await (await opening.catch(() => undefined))?.close();
  }
}
