import type { DatasetDefinition } from '../dataset/definition.ts';
import type { Calendar } from '../domain/calendar-rules.ts';
import type { DependentAnswers } from '../domain/dependents.ts';
import type { IndicatorKey, Thresholds } from '../domain/indicators.ts';
import type { Limits } from '../domain/limits.ts';
import type {
  ClickHouseConfig,
  HttpScorerConfig,
  LedgerConfig,
  PostgresConfig,
  ReindexerConfig,
  TemporalConfig,
  TenantConfig,
} from './config.ts';
import type { FunctionScorer } from './scorer.ts';
import type { Executor } from '../domain/executor.ts';

/** `T` with the keys `K` left out at will, or set to `undefined`, which counts as left out. */
type Loosely<T, K extends keyof T> = Omit<T, K> & { readonly [P in K]?: T[P] | undefined };

/** The ledger as it is written in a configuration: what has a default can be left out. */
export type LedgerInput = Loosely<LedgerConfig, 'port' | 'password' | 'tls'>;
/** Postgres as it is written in a configuration. */
export type PostgresInput = Loosely<PostgresConfig, 'port' | 'password' | 'tls'>;
/** ClickHouse as it is written in a configuration. */
export type ClickHouseInput = Loosely<ClickHouseConfig, 'password' | 'cluster' | 'compress' | 'deletes'>;
/** A tenant as it is written in a configuration. */
export type TenantInput = Loosely<TenantConfig, 'database' | 'sourceDatabase' | 'targetDatabase'>;

/** A scorer behind HTTP as it is written in a configuration. */
export type HttpScorerInput = Loosely<HttpScorerConfig, 'key' | 'batch' | 'timeoutSeconds' | 'answerMegabytes'>;

/** A re-indexer as it is written in a configuration. */
export type ReindexerInput = Omit<
  Loosely<ReindexerConfig, 'namespace' | 'tls' | 'apiKey' | 'codec' | 'atOnce' | 'aimSeconds' | 'pollSeconds'>,
  'progress'
> & {
  readonly progress?: { readonly [K in keyof ReindexerConfig['progress']]?: string | undefined } | undefined;
};

/** A Temporal server as it is written in a configuration. */
export type TemporalInput = Loosely<TemporalConfig, 'namespace' | 'tls' | 'apiKey' | 'taskQueue' | 'codec'>;

/** A cluster as it is written in a configuration. */
export interface ClusterInput {
  readonly postgres: PostgresInput;
  readonly clickhouse: ClickHouseInput;
  /** When it may be worked on. */
  readonly calendar?: Calendar | undefined;
  /** Workflows that derive datasets in place of Refill, by the dataset's name. */
  readonly reindexers?: Readonly<Record<string, ReindexerInput>> | undefined;
  /** Its own Temporal server. */
  readonly temporal?: TemporalInput | undefined;
  /** What runs do about what depends on their tables, by its name. */
  readonly dependents?: DependentAnswers | undefined;
  /** Default `discover`. */
  readonly tenants?: 'discover' | readonly TenantInput[] | undefined;
}

/** A configuration as it is written: the same keys in YAML and in TypeScript. */
export interface ConfigInput {
  readonly ledger: LedgerInput;
  readonly clusters: Readonly<Record<string, ClusterInput>>;
  /** Names of built-in datasets, paths of modules that export one by default, or what `defineDataset` returns. */
  readonly datasets: readonly (string | DatasetDefinition)[];
  /** By what the servers' health is judged; what is left out has its default. */
  readonly health?:
    | ({ readonly [K in IndicatorKey]?: { readonly [T in keyof Thresholds]?: number | undefined } | undefined } & {
        readonly unknownLooks?: number | undefined;
      })
    | undefined;
  /** When clusters may be worked on that have no calendar of their own. */
  readonly calendar?: Calendar | undefined;
  /** What judges conversations for `refill backfill`, by name: behind HTTP, or what `defineScorer` returns. */
  readonly scorers?: Readonly<Record<string, HttpScorerInput | FunctionScorer>> | undefined;
  /** Default `local`. */
  readonly executor?: Executor | undefined;
  /** The Temporal server of clusters that have none of their own. */
  readonly temporal?: TemporalInput | undefined;
  readonly limits?: { readonly [K in keyof Limits]?: Limits[K] | undefined } | undefined;
}

/**
 * The configuration, for a `refill.config.ts`: returns it as it is, so that the compiler checks it and the editor
 * completes it. It is checked in full when it is loaded.
 */
export function defineConfig(input: ConfigInput): ConfigInput {
  return input;
}
