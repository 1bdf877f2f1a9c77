/** The users' tables in ClickHouse, as they are in production. Tests and samples make their databases with these. */

const CARD_IDENTITY = `customer_id             String,
    profile_id              String,`;
const TIMES = `scorecard_time          DateTime64(3, 'UTC'),
    conversation_start_time DateTime64(3, 'UTC'),
    conversation_end_time   DateTime64(3, 'UTC'),
    agent_user_id           String,`;
const TEMPLATE = `template_id             LowCardinality(String),
    template_revision       LowCardinality(String),`;
const VERSION = `update_time             DateTime64(6, 'UTC')`;
const CARD_KEY = '(agent_user_id, toStartOfHour(conversation_end_time), scorecard_id)';
const SCORE_KEY = '(agent_user_id, toStartOfHour(conversation_end_time), criterion_id, score_id)';

/** The target's tables. */
export type TargetTable = 'scorecard' | 'score' | 'scorecard_score';

const CLICKHOUSE_TABLES: readonly { readonly name: TargetTable; readonly columns: string; readonly key: string }[] = [
  {
    name: 'scorecard',
    key: CARD_KEY,
    columns: `${CARD_IDENTITY}
    scorecard_id            String,
    conversation_id         String,
    ${TIMES}
    creator_user_id         String,
    submitter_user_id       String,
    ${TEMPLATE}
    template_type           UInt8,
    submission_source       UInt8,
    language                LowCardinality(String),
    is_dev_user             UInt8,
    score                   Nullable(Float64),
    comment                 String,
    created_at              DateTime64(3, 'UTC'),
    submitted_at            DateTime64(3, 'UTC'),
    ${VERSION}`,
  },
  {
    name: 'score',
    key: SCORE_KEY,
    columns: `${CARD_IDENTITY}
    score_id                String,
    scorecard_id            String,
    conversation_id         String,
    ${TIMES}
    ${TEMPLATE}
    criterion_id            LowCardinality(String),
    numeric_value           Nullable(Float64),
    text_value              String,
    weight                  Float64,
    not_applicable          UInt8,
    ai_scored               UInt8,
    ai_value                Nullable(Float64),
    ${VERSION}`,
  },
  {
    name: 'scorecard_score',
    key: SCORE_KEY,
    columns: `${CARD_IDENTITY}
    score_id                String,
    scorecard_id            String,
    conversation_id         String,
    ${TIMES}
    ${TEMPLATE}
    template_type           UInt8,
    language                LowCardinality(String),
    is_dev_user             UInt8,
    scorecard_score         Nullable(Float64),
    submitted_at            DateTime64(3, 'UTC'),
    criterion_id            LowCardinality(String),
    numeric_value           Nullable(Float64),
    text_value              String,
    weight                  Float64,
    not_applicable          UInt8,
    ${VERSION}`,
  },
];

export interface ClickHouseSchemaOptions {
  readonly database: string;
  /** The cluster of the three `*_d` tables. Without it they are not made. */
  readonly cluster?: string;
  /** Makes everything `ON CLUSTER`, with `ReplicatedReplacingMergeTree`; needs `cluster` and Keeper. Default false. */
  readonly replicated?: boolean;
  /** Kept with the database, to tell a sample from a real one. */
  readonly comment?: string;
}

/** Everything a tenant's ClickHouse database has, a statement an element: the HTTP interface takes one at a time. */
export function clickhouseSchemaSql(options: ClickHouseSchemaOptions): string[] {
  const { cluster, replicated = false, comment } = options;
  const database = quoteName(options.database);
  const onCluster = replicated && cluster !== undefined ? ` ON CLUSTER ${quoteText(cluster)}` : '';
  const engine = replicated
    ? `ReplicatedReplacingMergeTree('/clickhouse/tables/{shard}/{database}/{table}', '{replica}', update_time)`
    : 'ReplacingMergeTree(update_time)';
  const statements = [
    `CREATE DATABASE ${database}${onCluster}${comment === undefined ? '' : ` COMMENT ${quoteText(comment)}`}`,
  ];
  for (const { name, columns, key } of CLICKHOUSE_TABLES) {
    statements.push(
      `CREATE TABLE ${database}.${name}${onCluster}
(
    ${columns}
)
ENGINE = ${engine}
PARTITION BY toYYYYMM(scorecard_time)
ORDER BY ${key}`,
    );
  }
  if (cluster === undefined) return statements;
  for (const { name } of CLICKHOUSE_TABLES) {
    statements.push(
      `CREATE TABLE ${database}.${name}_d${onCluster} AS ${database}.${name}
ENGINE = Distributed(${quoteText(cluster)}, ${quoteText(options.database)}, ${quoteText(name)},
  toUnixTimestamp(if(conversation_id = '', scorecard_time, conversation_start_time)))`,
    );
  }
  return statements;
}

/** A ClickHouse identifier. */
export function quoteName(name: string): string {
  return `\`${name.replace(/[\\`]/gu, '\\$&')}\``;
}

/** A ClickHouse string. */
export function quoteText(text: string): string {
  return `'${text.replace(/[\\']/gu, '\\$&')}'`;
}
