import type { ClusterConfig } from '../config/config.ts';
import { openTarget, type Target } from '../target/clickhouse.ts';
import type { SourceAddress } from '../source/postgres.ts';

/** Turns a reference (`env:NAME`, …) into the secret. */
export type ResolveSecret = (reference: string) => Promise<string>;

/** How to reach both sides of a cluster. The target's connection is shared; sources are opened when needed. */
export interface Cluster {
  readonly name: string;
  readonly config: ClusterConfig;
  readonly target: Target;
  source(database: string): SourceAddress;
  close(): Promise<void>;
}

export async function openCluster(name: string, config: ClusterConfig, resolve: ResolveSecret): Promise<Cluster> {
  const { password: pgReference, ...postgres } = config.postgres;
  const { password: chReference, ...clickhouse } = config.clickhouse;
  const password = pgReference === undefined ? undefined : await resolve(pgReference);
  const target = openTarget({
    ...clickhouse,
    password: chReference === undefined ? undefined : await resolve(chReference),
  });
  return {
    name,
    config,
    target,
    source: (database) => ({ ...postgres, database, password }),
    close: () => target.close(),
  };
}
