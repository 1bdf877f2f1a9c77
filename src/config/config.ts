import type { DatasetDefinition } from '../dataset/definition.ts';
import type { Limits } from '../domain/limits.ts';

/** A reference to a secret: `env:NAME`, `file:PATH` or `exec:COMMAND`. Never the secret itself. */
export type SecretReference = string;

export interface PostgresConfig {
  readonly host: string;
  /** Default 5432. */
  readonly port: number;
  readonly user: string;
  readonly password?: SecretReference;
  /** TLS: `disable` (default), `require`, or `verify-full` with the system's certificates. */
  readonly tls: 'disable' | 'require' | 'verify-full';
}

export interface LedgerConfig extends PostgresConfig {
  readonly database: string;
}

export interface ClickHouseConfig {
  /** HTTP addresses; with several, each is a way to the same cluster. */
  readonly urls: readonly string[];
  readonly user: string;
  readonly password?: SecretReference;
  /** The cluster's name in `system.clusters`. */
  readonly cluster?: string;
  /** Compress inserts: `auto` (default) does so where the server is not on this machine. */
  readonly compress: 'auto' | 'always' | 'never';
}

/** A tenant as listed by hand. `database` is the one on both sides; default `databaseName(tenant)`. */
export interface TenantConfig {
  readonly customer: string;
  readonly profile: string;
  readonly database?: string;
  readonly sourceDatabase?: string;
  readonly targetDatabase?: string;
}

export interface ClusterConfig {
  readonly postgres: PostgresConfig;
  readonly clickhouse: ClickHouseConfig;
  readonly tenants: 'discover' | readonly TenantConfig[];
}

/** A configuration after it was read, checked and completed with defaults. */
export interface RefillConfig {
  readonly ledger: LedgerConfig;
  readonly clusters: Readonly<Record<string, ClusterConfig>>;
  readonly datasets: readonly DatasetDefinition[];
  readonly limits: Limits;
}
