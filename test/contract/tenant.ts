import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { createClient, type ClickHouseClient } from '@clickhouse/client';
import { Client, escapeIdentifier } from 'pg';
import { onTestFinished } from 'vitest';

import type { EmbeddedInfo } from '../../src/embedded/info.ts';
import { clickhouseSchemaSql, postgresSchemaSql } from '../../src/embedded/sample/schema.ts';
import { refill, type Ended } from '../cli/built.ts';

/** The servers, as `refill up --json` names them. */
export type Servers = Pick<EmbeddedInfo, 'postgres' | 'clickhouse'>;

/** A row of a table, by column. */
export type Row = Readonly<Record<string, unknown>>;

/** What a tenant's databases hold, by table. */
export interface Rows {
  readonly source: Readonly<Record<string, readonly Row[]>>;
  readonly target: Readonly<Record<string, readonly Row[]>>;
}

export const SOURCE_TABLES = [
  'app.users',
  'app.chats',
  'director.scorecard_templates',
  'director.scorecards',
  'director.scores',
];
const TARGET_TABLES = ['scorecard', 'score', 'scorecard_score'];

/** A tenant that a user has made: a database on each side, named after it, with the users' tables and some rows. */
export class UserTenant {
  readonly name: string;
  readonly database: string;
  readonly #servers: Servers;
  readonly #customer: string;
  readonly #profile: string;

  constructor(servers: Servers, customer: string, profile: string) {
    this.#servers = servers;
    this.#customer = customer;
    this.#profile = profile;
    this.name = `${customer}/${profile}`;
    this.database = `${customer}_${profile}`.replace(/[^A-Za-z0-9_]/gu, '_');
  }

  /** Makes the databases and fills them; each row is given its owner. */
  async create(rows: Rows): Promise<this> {
    await createDatabase(this.#servers, this.database);
    await this.pg(async (client) => {
      await client.query(postgresSchemaSql());
      for (const [table, values] of Object.entries(rows.source)) {
        const owned = values.map((row) => ({ customer: this.#customer, profile: this.#profile, ...row }));
        await client.query(`INSERT INTO ${table} SELECT * FROM json_populate_recordset(NULL::${table}, $1)`, [
          JSON.stringify(owned),
        ]);
      }
    });
    await this.ch(async (client) => {
      for (const query of clickhouseSchemaSql({ database: this.database, cluster: 'conversations' }))
        await client.command({ query });
      for (const [table, values] of Object.entries(rows.target)) {
        const owned = values.map((row) => ({ customer_id: this.#customer, profile_id: this.#profile, ...row }));
        await client.insert({ table: `${this.database}.${table}`, values: owned, format: 'JSONEachRow' });
      }
    });
    return this;
  }

  async pg<T>(work: (client: Client) => Promise<T>): Promise<T> {
    return await withPostgres(this.#servers, this.database, work);
  }

  async ch<T>(work: (client: ClickHouseClient) => Promise<T>): Promise<T> {
    const { http, user, password } = this.#servers.clickhouse;
    const client = createClient({ url: http, username: user, password });
    try {
      return await work(client);
    } finally {
      await client.close();
    }
  }

  async command(sql: string): Promise<void> {
    await this.ch((client) => client.command({ query: sql, clickhouse_settings: { mutations_sync: '1' } }));
  }

  async select<T>(sql: string): Promise<T[]> {
    return await this.ch(async (client) => (await client.query({ query: sql, format: 'JSONEachRow' })).json<T>());
  }

  /** Counts and checksums of every table of both sides, the mutations too: what nobody may have changed. */
  async everything(): Promise<Readonly<Record<string, string>>> {
    const found: Record<string, string> = {};
    await this.pg(async (client) => {
      for (const table of SOURCE_TABLES) {
        const { rows } = await client.query<{ sum: string }>(
          `SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)::numeric), 0) AS sum FROM ${table} t`,
        );
        found[table] = rows[0]?.sum ?? '';
      }
    });
    for (const table of TARGET_TABLES) {
      const [row] = await this.select<{ sum: string }>(
        `SELECT concat(toString(count()), ' ', toString(sum(cityHash64(toString(tuple(*)))))) AS sum FROM ${this.database}.${table}`,
      );
      found[table] = row?.sum ?? '';
    }
    const [row] = await this.select<{ n: string }>(
      `SELECT toString(count()) AS n FROM system.mutations WHERE database = '${this.database}'`,
    );
    return { ...found, mutations: row?.n ?? '' };
  }
}

async function withPostgres<T>(
  { postgres: { host, port, user, password } }: Servers,
  database: string,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const client = new Client({ host, port, user, password, database });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

export async function createDatabase(servers: Servers, name: string): Promise<void> {
  await withPostgres(servers, 'postgres', (client) => client.query(`CREATE DATABASE ${escapeIdentifier(name)}`));
}

/** Runs a statement in a ledger's database, to plant what no command does. */
export async function withLedger(servers: Servers, ledger: string, sql: string): Promise<void> {
  await withPostgres(servers, ledger, (client) => client.query(sql));
}

/**
 * The configuration of the contract, key by key; `change` makes another one of it. Without a `clickhouseUser` it is the
 * servers' own user: that of `refill up` has a password, and `default` of a test's servers has none.
 */
export async function writeConfig(
  servers: Servers,
  ledger: string,
  options: { readonly clickhouseUser?: string; readonly change?: (yaml: string) => string } = {},
): Promise<string> {
  const { host, port, user } = servers.postgres;
  const dir = await mkdtemp(join(tmpdir(), 'refill-contract-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const { clickhouseUser } = options;
  const own = servers.clickhouse;
  const ownPassword = join(dir, 'clickhouse');
  await writeFile(ownPassword, own.password, { mode: 0o600 });
  const ownUser = `user: ${own.user}${own.password === '' ? '' : `, password: "file:${ownPassword}"`}`;
  const clickhouse = clickhouseUser === undefined ? ownUser : `user: ${clickhouseUser}, password: env:CH_PASSWORD`;
  const yaml = `ledger: { host: ${host}, port: ${port}, user: ${user}, password: env:LEDGER_PASSWORD, database: ${ledger} }
clusters:
  east:
    postgres: { host: ${host}, port: ${port}, user: ${user}, password: env:PG_PASSWORD }        # a database per tenant
    clickhouse: { urls: ["${servers.clickhouse.http}"], ${clickhouse}, cluster: conversations }
    tenants: discover          # or a list of { customer, profile, database }
datasets: [scorecards]
`;
  const file = join(dir, 'refill.config.yaml');
  await writeFile(file, options.change?.(yaml) ?? yaml);
  return file;
}

/** A command with `--json`: its exit status, and what it printed on stdout, a value a line. */
export interface Answer extends Ended {
  readonly lines: readonly Row[];
  readonly last: Row;
}

export async function ask(args: readonly string[], config: string, env: NodeJS.ProcessEnv): Promise<Answer> {
  const ended = await refill([...args, '--config', config, '--json'], { env });
  const lines = ended.stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line): Row => JSON.parse(line));
  return { ...ended, lines, last: lines.at(-1) ?? {} };
}
