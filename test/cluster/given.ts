import { createClient } from '@clickhouse/client';
import { z } from 'zod';

import { CLICKHOUSE_CLUSTER } from '../../src/embedded/info.ts';
import type { Cluster, ClusterNode, ClusterOptions, Server } from './cluster.ts';

/** Servers that somebody else runs, for example those of compose.yaml. */
export interface GivenServers {
  readonly urls: readonly string[];
  readonly cluster: string;
}

const Place = z.object({ shard: z.number(), replica: z.number(), tcp: z.number() });

/** What the environment says: REFILL_TEST_CLUSTER_URLS, comma separated, and REFILL_TEST_CLUSTER, the cluster's name. */
export function given(): GivenServers | undefined {
  const list = process.env['REFILL_TEST_CLUSTER_URLS'] ?? '';
  const urls = list.split(',').flatMap((url) => (url.trim() === '' ? [] : [url.trim()]));
  if (urls.length === 0) return undefined;
  // An empty variable is one that is not set.
  return { urls, cluster: process.env['REFILL_TEST_CLUSTER'] || CLICKHOUSE_CLUSTER };
}

/** The same as a launched cluster has, but for what stops its servers. */
export async function givenCluster({ urls, cluster }: GivenServers, wanted: ClusterOptions): Promise<Cluster> {
  const unordered = await Promise.all(urls.map((url) => nodeAt(url, cluster)));
  const nodes = unordered.sort((a, b) => a.shard - b.shard || a.replica - b.replica);
  const shards = new Set(nodes.map(({ shard }) => shard));
  const complete = [...shards].every((of) => nodes.filter(({ shard }) => shard === of).length >= wanted.replicas);
  if (shards.size < wanted.shards || !complete) {
    const has = nodes.map(({ name }) => name).join(', ');
    throw new Error(
      `the test needs ${wanted.shards} shards with ${wanted.replicas} replicas each; ` +
        `REFILL_TEST_CLUSTER_URLS names ${has} of cluster ${cluster}`,
    );
  }
  const notOurs = (): Server => {
    throw new Error('the servers of REFILL_TEST_CLUSTER_URLS are not ours to stop');
  };
  return {
    cluster,
    nodes,
    urls: nodes.map(({ http }) => http),
    node: notOurs,
    get zookeeper() {
      return notOurs();
    },
    end: async () => undefined,
  };
}

async function nodeAt(url: string, cluster: string): Promise<ClusterNode> {
  const client = createClient({ url });
  try {
    const rows = await client.query({
      query: `SELECT shard_num AS shard, replica_num AS replica, port AS tcp
        FROM system.clusters WHERE cluster = {cluster: String} AND is_local`,
      query_params: { cluster },
      format: 'JSONEachRow',
    });
    const [first] = await rows.json();
    if (first === undefined) {
      throw new Error(`${new URL(url).host} is no replica of cluster ${cluster} (REFILL_TEST_CLUSTER)`);
    }
    const place = Place.parse(first);
    return { name: `s${place.shard}r${place.replica}`, ...place, http: url };
  } finally {
    await client.close();
  }
}
