import type { ClusterConfig, ReindexerConfig } from '../config/config.ts';
import type { Reindexer } from '../domain/reindexer.ts';
import type { SourceAddress } from '../source/postgres.ts';
import { openTarget, type Target } from '../target/clickhouse.ts';
import { findReach, type Reach } from '../target/reach.ts';
import { discoverTopology, type Topology } from '../target/topology.ts';
import { PacedReindexer } from './units.ts';

/** Turns a reference (`env:NAME`, …) into the secret. */
export type ResolveSecret = (reference: string) => Promise<string>;

/** How to reach both sides of a cluster. The target's connections are shared; sources are opened when needed. */
export interface Cluster {
  readonly name: string;
  readonly config: ClusterConfig;
  /** Any server of the target. */
  readonly target: Target;
  /** The target's shards and replicas, as they are now; which of them answer changes while one looks. */
  layout(): Promise<Layout>;
  source(database: string): SourceAddress;
  /** What derives a dataset's rows in place of Refill; null where Refill does. */
  reindexer(dataset: string): PacedReindexer | null;
  close(): Promise<void>;
}

/** Which servers a target has, and how a statement gets to each shard. */
export interface Layout {
  readonly topology: Topology;
  readonly reach: Reach;
}

export async function openCluster(
  name: string,
  config: ClusterConfig,
  resolve: ResolveSecret,
  openReindexer: (config: ReindexerConfig) => Reindexer,
): Promise<Cluster> {
  const { password: pgReference, ...postgres } = config.postgres;
  const { password: chReference, ...clickhouse } = config.clickhouse;
  const password = pgReference === undefined ? undefined : await resolve(pgReference);
  const opened = openTarget({
    ...clickhouse,
    password: chReference === undefined ? undefined : await resolve(chReference),
  });
  const reindexers = new Map(
    Object.entries(config.reindexers ?? {}).map(([dataset, one]) => [dataset, new PacedReindexer(openReindexer(one))]),
  );
  return {
    name,
    config,
    target: opened.any,
    layout: async () => {
      const topology = await discoverTopology(opened.any, config.clickhouse.cluster ?? '');
      return { topology, reach: await findReach(opened.any, opened.addresses, topology) };
    },
    source: (database) => ({ ...postgres, database, password }),
    reindexer: (dataset) => reindexers.get(dataset) ?? null,
    close: async () => {
      await opened.close();
      for (const { reindexer } of reindexers.values()) await reindexer.close();
    },
  };
}
