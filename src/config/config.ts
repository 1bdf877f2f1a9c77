import type { DatasetDefinition } from '../dataset/definition.ts';
import type { Executor } from '../domain/executor.ts';
import type { Calendar } from '../domain/calendar-rules.ts';
import type { HealthLimits } from '../domain/indicators.ts';
import type { Limits } from '../domain/limits.ts';

/**
 * A reference to a secret: `env:NAME`, `file:PATH` or `exec:COMMAND`. Never the secret itself. In a loaded configuration
 * nothing in it is relative: it means the same from any directory.
 */
export type SecretReference = string;

/** A Postgres server; on a cluster's there is a database for each tenant. */
export interface PostgresConfig {
  /** Name or address, or the directory of a Unix socket. */
  readonly host: string;
  /** Default 5432, Postgres's own. */
  readonly port: number;
  readonly user: string;
  readonly password?: SecretReference;
  /**
   * TLS: `disable` (default: this machine, a private network, a tunnel), `require`, or `verify-full` with the system's
   * certificates.
   */
  readonly tls: 'disable' | 'require' | 'verify-full';
}

/** Where the record is kept: a schema `refill` in a Postgres database. */
export interface LedgerConfig extends PostgresConfig {
  /** No default: the ledger in a wrong database would look like a ledger without runs. */
  readonly database: string;
}

/** A ClickHouse server, or a cluster of them. */
export interface ClickHouseConfig {
  /** HTTP addresses, without path, user and password; with several, each is a way to the same cluster. */
  readonly urls: readonly string[];
  readonly user: string;
  readonly password?: SecretReference;
  /** The cluster's name in `system.clusters`, where it has more than one server. */
  readonly cluster?: string;
  /**
   * Compress inserts: `auto` (default) does so where the server is not on this machine; on the same one it costs more
   * than it saves.
   */
  readonly compress: 'auto' | 'always' | 'never';
}

/** A Temporal server whose workers do the steps of runs. */
export interface TemporalConfig {
  /** The frontend, as `host:port`. */
  readonly address: string;
  /** Default `default`, Temporal's own. */
  readonly namespace: string;
  /** Whether the connection is encrypted, by the system's certificates. Default false: a tunnel or a private network. */
  readonly tls: boolean;
  readonly apiKey?: SecretReference;
  /**
   * Beginning of the task queues' names. Default `refill`: fleets are on `refill`, the runs of a cluster on
   * `refill-<cluster>`, so that a worker sits next to its databases.
   */
  readonly taskQueue: string;
  /** A module whose default export is a list of payload codecs. Absolute in a loaded configuration. Default: none. */
  readonly codec?: string;
}

/** A tenant as listed by hand. `database` is the one on both sides; default `databaseName(tenant)`. */
export interface TenantConfig {
  readonly customer: string;
  readonly profile: string;
  readonly database?: string;
  readonly sourceDatabase?: string;
  readonly targetDatabase?: string;
}

/** A ClickHouse cluster with the Postgres server that its tenants' databases are on. */
export interface ClusterConfig {
  readonly postgres: PostgresConfig;
  readonly clickhouse: ClickHouseConfig;
  /** When it may be worked on. Default: the configuration's calendar. */
  readonly calendar?: Calendar;
  /** Its own Temporal server. Default: the configuration's. */
  readonly temporal?: TemporalConfig;
  /** Default `discover`: a list is out of date with the next tenant. */
  readonly tenants: 'discover' | readonly TenantConfig[];
}

/** A configuration after it was read, checked and completed with defaults. */
export interface RefillConfig {
  readonly ledger: LedgerConfig;
  readonly clusters: Readonly<Record<string, ClusterConfig>>;
  readonly datasets: readonly DatasetDefinition[];
  readonly limits: Limits;
  /** By what the servers' health is judged. */
  readonly health: HealthLimits;
  /** Of clusters that have none of their own. Default: always open. */
  readonly calendar?: Calendar;
  /** What does the steps of a run that is begun. Default `local`: it needs no server. */
  readonly executor?: Executor;
  /** Of clusters that have none of their own. Default: none; then runs are local. */
  readonly temporal?: TemporalConfig;
}
