import { type Client, escapeIdentifier, escapeLiteral } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import type { Readable } from 'node:stream';

import { RefillError } from '../../domain/errors.ts';
import { clientConfig, PgClient } from '../../postgres/client.ts';
import type { SampleSpec } from './numbers.ts';
import { SELECTS } from './postgres-rows.ts';
import {
  createFilledSql,
  indexesSql,
  primaryKeySql,
  schemasSql,
  tableName,
  type SourceTable,
} from './postgres-schema.ts';
import { WORK_SCHEMA, workSql } from './work-rows.ts';

export interface PostgresAddress {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly password?: string;
}

/** Runs `work` with a connection of its own. */
export async function withPostgres<T>(
  address: PostgresAddress,
  database: string,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = new PgClient(clientConfig({ ...address, password: address.password, database, tls: 'disable' }));
  await client.connect();
  try {
    // Commits are waited for: until they are on disk, VACUUM cannot mark pages as visible to all.
    await client.query(`SET timezone = 'UTC'; SET work_mem = '64MB';
      SET maintenance_work_mem = '256MB'; SET max_parallel_maintenance_workers = 0; SET jit = off; SET client_min_messages = warning`);
    return await work(client);
  } finally {
    await client.end();
  }
}

/** Makes the database; one that is there is replaced only if it bears a sample's mark and the caller said so. */
export async function createDatabase(
  address: PostgresAddress,
  database: string,
  mark: string,
  replace: boolean,
): Promise<void> {
  await withPostgres(address, 'postgres', async (client) => {
    const { rows } = await client.query<{ mark: string | null }>(
      `SELECT shobj_description(oid, 'pg_database') AS mark FROM pg_database WHERE datname = $1`,
      [database],
    );
    const existing = rows[0];
    if (existing !== undefined) {
      refuseUnlessSample(`Postgres database ${database}`, existing.mark ?? '', replace);
      await client.query(`DROP DATABASE ${escapeIdentifier(database)} WITH (FORCE)`);
    }
    await client.query(`CREATE DATABASE ${escapeIdentifier(database)} TEMPLATE template0`);
    await client.query(`COMMENT ON DATABASE ${escapeIdentifier(database)} IS ${escapeLiteral(mark)}`);
  });
}

/** Removes every database that bears a sample's mark. */
export async function dropSampleDatabases(address: PostgresAddress): Promise<void> {
  await withPostgres(address, 'postgres', async (client) => {
    const { rows } = await client.query<{ name: string }>(
      `SELECT datname AS name FROM pg_database WHERE starts_with(shobj_description(oid, 'pg_database'), $1)`,
      [SAMPLE_MARK],
    );
    for (const { name } of rows) await client.query(`DROP DATABASE ${escapeIdentifier(name)} WITH (FORCE)`);
  });
}

/** Nothing that somebody else made is ever dropped. */
export function refuseUnlessSample(what: string, mark: string, replace: boolean): void {
  if (replace && mark.startsWith(SAMPLE_MARK)) return;
  const why = mark.startsWith(SAMPLE_MARK) ? 'it holds a sample' : 'it is not a sample';
  throw new RefillError('USAGE', `the ${what} exists already: ${why}`, {
    hint: mark.startsWith(SAMPLE_MARK)
      ? 'Ask for it to be replaced, or name another customer or profile.'
      : 'Name another customer or profile.',
  });
}

export const SAMPLE_MARK = 'refill sample';

/** What the rows are made from. */
export async function prepareSource(client: Client, spec: SampleSpec): Promise<void> {
  await client.query(`${schemasSql()} ${workSql(spec)}`);
}

/** Makes and fills tables, without indexes. */
export async function fillTables(
  client: Client,
  spec: SampleSpec,
  tables: readonly SourceTable[],
  onStep: (what: string) => void,
): Promise<void> {
  // Each table in the transaction that makes it: where the server keeps a minimal log, it then writes none for its rows.
  // Rows in their order, which parallel workers would mix.
  await client.query(`SET search_path = ${WORK_SCHEMA}; SET max_parallel_workers_per_gather = 0`);
  for (const table of tables) {
    onStep(tableName(table));
    await client.query(createFilledSql(table, SELECTS[table](spec)));
  }
}

/** What can be done while others read. */
export async function indexTables(client: Client, tables: readonly SourceTable[]): Promise<void> {
  for (const sql of tables.flatMap((table) => indexesSql(table))) await client.query(sql);
}

/**
 * What locks the tables for a moment, then statistics and the visibility map: when nobody reads any more with a snapshot
 * from before the rows, because to that reader they are not visible.
 */
export async function finishTables(client: Client, tables: readonly SourceTable[]): Promise<void> {
  for (const table of tables) {
    await client.query(primaryKeySql(table));
    await client.query(`VACUUM (FREEZE, ANALYZE) ${tableName(table)}`);
  }
}

export async function dropWork(client: Client): Promise<void> {
  await client.query(`DROP SCHEMA ${WORK_SCHEMA} CASCADE`);
}

const micros = (column: string) => `(extract(epoch FROM ${column}) * 1000000)::bigint`;

/** The tables that the target is derived from, as the raw tables of the staging database have them. */
const RAW = {
  // Those without scores of leaf criteria have no row anywhere in the target, and can be nearly all there are.
  raw_card: `SELECT resource_id, template_id, template_revision, conversation_id, agent_user_id, creator_user_id,
      submitter_user_id, scorecard_type, submission_source, calibrated_scorecard_id, score, comment,
      ${micros('created_at')}, ${micros('updated_at')}, ${micros('submitted_at')}
    FROM director.scorecards WHERE resource_id IN (SELECT id FROM ${WORK_SCHEMA}.card WHERE n > 0)`,
  raw_chat: `SELECT conversation_id, agent_user_id, ${micros('started_at')}, ${micros('ended_at')}, language FROM app.chats`,
  raw_user: `SELECT user_id, is_dev_user::int FROM app.users`,
  raw_template: `SELECT resource_id, revision, type FROM director.scorecard_templates`,
  raw_score: `SELECT resource_id, scorecard_id, criterion_identifier, numeric_value, text_value, weight,
      not_applicable::int, ai_scored::int, ai_value
    FROM director.scores`,
} as const;

export type RawTable = keyof typeof RAW;

/** The rows for one raw table, as COPY text, which ClickHouse reads as TabSeparated. */
export function rawRows(client: Client, table: RawTable): Readable {
  return client.query(copyTo(`COPY (${RAW[table]}) TO STDOUT`));
}

/** What two samples of one seed have in common: a sum over every row of every table, whatever their order. */
export async function sourceChecksum(client: Client): Promise<string> {
  const tables = ['app.users', 'app.chats', 'director.scorecard_templates', 'director.scorecards', 'director.scores'];
  const sums: string[] = [];
  for (const table of tables) {
    const { rows } = await client.query<{ sum: string }>(
      `SELECT count(*) || ':' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) AS sum FROM ${table} AS t`,
    );
    sums.push(rows[0]?.sum ?? '');
  }
  return sums.join(' ');
}
