/** A real replicated ClickHouse cluster for tests: one that is started here, or one that the environment names. */
import { given, givenCluster } from './given.ts';
import { launchCluster } from './launched.ts';
import { notHere } from './requirements.ts';

export interface ClusterOptions {
  readonly shards: number;
  readonly replicas: number;
  /** Where data and logs go; empty or not there yet, and kept at the end. Default: a directory that goes with the cluster. */
  readonly dir?: string;
  /** Seconds by which clocks of nodes are ahead of the machine's, by name: `{ s2r1: 300 }`. Only of a cluster that is started here. */
  readonly clocks?: Readonly<Record<string, number>>;
}

export interface ClusterNode {
  /** `s1r2`: shard 1, replica 2, both as in `system.clusters`. */
  readonly name: string;
  readonly shard: number;
  readonly replica: number;
  /** `http://127.0.0.1:PORT`; of servers that the environment names, what it says, credentials included. */
  readonly http: string;
  readonly tcp: number;
}

/** One server of a cluster that was started here. Each of these resolves when it is so. */
export interface Server {
  /** Undefined while it does not run. */
  readonly pid: number | undefined;
  /** Ends it as an operator does. */
  stop(): Promise<void>;
  /** `kill -9`. */
  kill(): Promise<void>;
  /** On the same ports, with its data; resolves when it answers, which for a replica is before its tables are writable. */
  start(): Promise<void>;
}

export interface Cluster {
  /** Its name in `ON CLUSTER` and `Distributed`. */
  readonly cluster: string;
  /** The HTTP address of each node, in the order of `nodes`: by shard, then by replica. */
  readonly urls: readonly string[];
  readonly nodes: readonly ClusterNode[];
  /** To stop, kill and start a node. Of a cluster that the environment names there is none: it throws. */
  node(name: string): Server;
  /** The same for what coordinates the replicas. */
  readonly zookeeper: Server;
  /** Ends all that was started here. */
  end(): Promise<void>;
}

/**
 * Starts a cluster of ClickHouse replicas and a ZooKeeper on loopback, on free ports, so that several live side by side.
 * They end with this process, however it ends. Where REFILL_TEST_CLUSTER_URLS is set, that cluster is taken instead: a
 * test makes databases of its own in it and drops them.
 */
export async function startCluster(options: ClusterOptions): Promise<Cluster> {
  const servers = given();
  return servers === undefined ? await launchCluster(options) : await givenCluster(servers, options);
}

export type Availability = { readonly available: true } | { readonly available: false; readonly why: string };

/**
 * Whether `startCluster` has what it needs. With `stops`: also to stop and kill its servers, which are not ours where
 * the environment names them. In CI a program that is missing is an error: there the tests are not to be skipped.
 */
export function clusterAvailable(needs: { readonly stops?: boolean } = {}): Availability {
  if (given() !== undefined) {
    if (needs.stops !== true) return { available: true };
    return { available: false, why: 'the servers of REFILL_TEST_CLUSTER_URLS are not ours to stop' };
  }
  const missing = notHere();
  if (missing === undefined) return { available: true };
  if (missing.fixable && process.env['CI'] === 'true') throw new Error(missing.why);
  return { available: false, why: missing.why };
}

/** For `describe.skipIf`: true where there is no cluster, with the reason printed. */
export function withoutCluster(needs: { readonly stops?: boolean } = {}): boolean {
  const found = clusterAvailable(needs);
  if (!found.available) console.warn(`Tests on a replicated cluster are skipped: ${found.why}.`);
  return !found.available;
}
