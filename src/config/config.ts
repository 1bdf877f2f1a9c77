import type { DatasetDefinition } from '../dataset/definition.ts';
import type { FunctionScorer } from './scorer.ts';
import type { DependentAnswers } from '../domain/dependents.ts';
import type { DeleteChoice } from '../domain/delete-kind.ts';
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
  /** How rows are deleted. Default `auto`: each delete as is cheaper, by the share of its partition; the plan shows it. */
  readonly deletes?: DeleteChoice;
}

/** Certificates of one's own for an encrypted connection, as PEM; each by reference, as a secret is. */
export interface TemporalTls {
  /** Of who has signed the server's certificate. Default: those that the system trusts. */
  readonly ca?: SecretReference;
  /** This client's, with its key, where the server asks for one. Default: none. */
  readonly certificate?: SecretReference;
  readonly key?: SecretReference;
  /** The name in the server's certificate. Default: that of the address. */
  readonly serverName?: string;
}

/** How a Temporal server is reached, Refill's own or that of a re-indexer. */
export interface TemporalConnection {
  /** The frontend, as `host:port`. */
  readonly address: string;
  /** Default `default`, Temporal's own. */
  readonly namespace: string;
  /**
   * Whether the connection is encrypted, by the system's certificates or by one's own. Default: true where there is an
   * API key, which nobody else is to read; else false, for a tunnel or a private network.
   */
  readonly tls?: boolean | TemporalTls;
  readonly apiKey?: SecretReference;
  /** A module whose default export is a list of payload codecs. Absolute in a loaded configuration. Default: none. */
  readonly codec?: string;
}

/** A Temporal server whose workers do the steps of runs. */
export interface TemporalConfig extends TemporalConnection {
  /**
   * Beginning of the task queues' names. Default `refill`: fleets are on `refill`, the runs of a cluster on
   * `refill-<cluster>`, so that a worker sits next to its databases.
   */
  readonly taskQueue: string;
}

/** A workflow that exists, on the users' Temporal server, and derives a dataset's rows; Refill starts and follows it. */
export interface ReindexerConfig extends TemporalConnection {
  readonly type: 'temporal';
  readonly workflowType: string;
  readonly taskQueue: string;
  /** Pattern of its ids, with `{customer}`, `{profile}` and `{id}`. */
  readonly workflowId: string;
  /** Its one argument: JSON, in whose texts `{customer}`, `{profile}`, `{from}`, `{to}` and `{id}` are put in. */
  readonly payload: unknown;
  /** Where its heartbeat's details have the numbers. Default: as `[{"State":{"ReindexedConversations":n, …}}]`. */
  readonly progress: { readonly done: string; readonly failed: string; readonly total: string };
  /** Workflows at once. Default 2. */
  readonly atOnce: number;
  /** Seconds that a workflow aims at: windows are cut for it. Default 3600: what fails after an hour is an hour's loss. */
  readonly aimSeconds: number;
  /** Seconds between looks at it. Default 10. */
  readonly pollSeconds: number;
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
  /** Workflows that derive datasets in place of Refill, by the dataset's name. Default: none. */
  readonly reindexers?: Readonly<Record<string, ReindexerConfig>>;
  /** What runs do about what depends on their tables, by its name. Default: a plan that would damage one is refused. */
  readonly dependents?: DependentAnswers;
  /** Its own Temporal server. Default: the configuration's. */
  readonly temporal?: TemporalConfig;
  /** Default `discover`: a list is out of date with the next tenant. */
  readonly tenants: 'discover' | readonly TenantConfig[];
}

/** A scorer behind HTTP, by the contract of scorer.openapi.json. */
export interface HttpScorerConfig {
  /** Where batches are posted to. */
  readonly url: string;
  /** Reference of the key that is sent as `Authorization: Bearer …`. */
  readonly key?: SecretReference;
  /** Items a request. Default 20: some seconds of a model's time, so that little is judged again after a crash. */
  readonly batch?: number;
  /** Seconds that a request may take. Default 60. */
  readonly timeoutSeconds?: number;
  /** Megabytes that an answer may have. Default 8: twenty items with a hundred scores of 4 KB each. */
  readonly answerMegabytes?: number;
}

/** What judges conversations for `refill backfill`. */
export type ScorerConfig = HttpScorerConfig | FunctionScorer;

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
  /** What judges conversations for `refill backfill`, by name. Default: none. */
  readonly scorers?: Readonly<Record<string, ScorerConfig>>;
  /** What does the steps of a run that is begun. Default `local`: it needs no server. */
  readonly executor?: Executor;
  /** Of clusters that have none of their own. Default: none; then runs are local. */
  readonly temporal?: TemporalConfig;
}
