import { mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';

import { launchAttached } from '../../src/embedded/guardian.ts';
import { CLICKHOUSE_CLUSTER, LOOPBACK } from '../../src/embedded/info.ts';
import { choosePorts, isPortTaken, PORT_ATTEMPTS } from '../../src/embedded/ports.ts';
import type { Cluster, ClusterNode, ClusterOptions, Server } from './cluster.ts';
import { replica, type Layout } from './replica.ts';
import { compileLauncher, engineLibrary } from './requirements.ts';
import { LaunchedServer } from './server.ts';
import { zookeeper } from './zookeeper.ts';

/** `startCluster` where the environment names no servers. */
export async function launchCluster(options: ClusterOptions): Promise<Cluster> {
  const temporary = options.dir === undefined;
  const dir = temporary ? await mkdtemp(join(tmpdir(), 'refill-cluster-')) : resolve(options.dir);
  await mkdir(dir, { recursive: true });
  if ((await readdir(dir)).length > 0) throw new Error(`${dir} is not empty, and a cluster starts from nothing`);

  const removeAtEnd = temporary ? [dir] : [];
  const launch = launchAttached(removeAtEnd);
  const launcher = join(dir, 'launch');
  const [library] = await Promise.all([engineLibrary(), compileLauncher(launcher)]);
  for (let attempt = 1; ; attempt++) {
    // A place of its own, so that a second attempt finds nothing of the first.
    const home = join(dir, `attempt-${attempt}`);
    const [nodes, zookeeperPort] = await choosePlaces(options);
    const layout = { dir: home, library, launcher, launch, nodes, zookeeperPort, clocks: options.clocks ?? {} };
    const cluster = new LaunchedCluster(layout, removeAtEnd);
    try {
      await cluster.start();
      return cluster;
    } catch (error) {
      await cluster.kill();
      if (attempt === PORT_ATTEMPTS || !isPortTaken(error)) throw error;
    }
  }
}

/** The nodes with their ports, and ZooKeeper's port. */
async function choosePlaces({ shards, replicas }: ClusterOptions): Promise<readonly [ClusterNode[], number]> {
  const count = shards * replicas;
  const [zookeeperPort = 0, ...ports] = await choosePorts(Array.from({ length: 1 + 2 * count }, () => undefined));
  const nodes = Array.from({ length: count }, (_, i): ClusterNode => {
    const [shard, replica] = [Math.floor(i / replicas) + 1, (i % replicas) + 1];
    const [http, tcp] = [ports[2 * i] ?? 0, ports[2 * i + 1] ?? 0];
    return { name: `s${shard}r${replica}`, shard, replica, http: `http://${LOOPBACK}:${http}`, tcp };
  });
  return [nodes, zookeeperPort];
}

class LaunchedCluster implements Cluster {
  readonly cluster = CLICKHOUSE_CLUSTER;
  readonly nodes: readonly ClusterNode[];
  readonly urls: readonly string[];
  readonly zookeeper: LaunchedServer;
  readonly #replicas: ReadonlyMap<string, LaunchedServer>;
  readonly #removeAtEnd: readonly string[];

  constructor(layout: Layout, removeAtEnd: readonly string[]) {
    this.nodes = layout.nodes;
    this.urls = layout.nodes.map(({ http }) => http);
    this.zookeeper = new LaunchedServer(zookeeper(layout));
    this.#replicas = new Map(layout.nodes.map((node) => [node.name, new LaunchedServer(replica(layout, node))]));
    this.#removeAtEnd = removeAtEnd;
  }

  node(name: string): Server {
    const found = this.#replicas.get(name);
    if (found === undefined) throw new Error(`no node ${name}: there are ${[...this.#replicas.keys()].join(', ')}`);
    return found;
  }

  async start(): Promise<void> {
    await this.zookeeper.start();
    // All of them have started or failed before the first failure is told: none is left starting.
    const started = await Promise.allSettled([...this.#replicas.values()].map((server) => server.start()));
    const failed = started.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** All at once and with -9: nobody wants the data. */
  async kill(): Promise<void> {
    await Promise.all([this.zookeeper, ...this.#replicas.values()].map((server) => server.kill()));
  }

  async end(): Promise<void> {
    await this.kill();
    for (const path of this.#removeAtEnd) await rm(path, { recursive: true, force: true, maxRetries: 3 });
  }
}
