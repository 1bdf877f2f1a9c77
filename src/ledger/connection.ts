import { setTimeout as sleep } from 'node:timers/promises';
import {
  type Client,
  Pool,
  types,
  type ClientBase,
  type ClientConfig,
  type CustomTypesConfig,
  type PoolClient,
  type QueryResultRow,
} from 'pg';
import { RefillError } from '../domain/errors.ts';
import type { LedgerConfig } from '../config/config.ts';
import { clientConfig, PgClient } from '../postgres/client.ts';
import { isLost, isRolledBack, ledgerError, ledgerName } from './failure.ts';
import { isBehindPooler, refuseSharedSessions, setUp } from './session.ts';

/** Statements inside one transaction. */
export interface Sql {
  rows<T extends QueryResultRow>(text: string, values?: readonly unknown[]): Promise<T[]>;
}

/** How long a method goes on trying when the ledger is away: as long as a restart or a failover of Postgres takes. */
export const PATIENCE_MS = 10_000;
const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
const CONNECT_TIMEOUT_MS = 5_000;
/** Longer than the server's limit on a statement, so that it speaks first; it ends the wait where the network swallows packets. */
const QUERY_TIMEOUT_MS = 35_000;
/** The first statement on a connection that may have died while it was idle (a VPN that was cut says nothing). */
const BEGIN = { text: 'BEGIN', query_timeout: 5_000 };
/** A statement that only has to look at what is in memory: without an answer by then, its connection is gone. */
const QUICK_TIMEOUT_MS = 5_000;
/** Enough for the windows at work and a few that look on. */
const POOL_SIZE = 10;

const INT8 = 20;
const TIMESTAMPTZ = 1184;

type Parser = (text: string) => unknown;
const PARSERS: Readonly<Record<number, Parser>> = {
  [INT8]: Number,
  // With the session's settings below Postgres writes `2026-01-05 06:00:00.123456+00`.
  [TIMESTAMPTZ]: (text) => new Date(text).toISOString(),
};

const TYPES: CustomTypesConfig = {
  // The parameter's type is an enum of pg-types that lists the built-in types; a server has more.
  getTypeParser: (id: number, format?: 'text' | 'binary'): Parser => PARSERS[id] ?? parserOf(id, format),
};

const parserOf: (id: number, format?: 'text' | 'binary') => Parser = types.getTypeParser;

function optionsOf(config: LedgerConfig, password: string | undefined): ClientConfig {
  return {
    ...clientConfig({ ...config, password }),
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: QUERY_TIMEOUT_MS,
    keepAliveInitialDelayMillis: 10_000,
    types: TYPES,
  };
}

function sqlOn(client: ClientBase, timeoutMs?: number): Sql {
  return {
    rows: async <T extends QueryResultRow>(text: string, values: readonly unknown[] = []) => {
      const query = { text, values: [...values], ...(timeoutMs === undefined ? {} : { query_timeout: timeoutMs }) };
      const result = await client.query<T>(query);
      return result.rows;
    },
  };
}

type Outcome<T> = { readonly done: true; readonly value: T } | { readonly done: false; readonly error: unknown };

/**
 * The ledger's database. A transaction is repeated for up to `patienceMs` when the connection was lost before it
 * committed, and its effect is there exactly once: when the connection is lost while COMMIT is on its way, Postgres is
 * asked by the transaction's number what became of it.
 * (After a failover to a standby that had not received the commit, the answer is about the standby's own history.)
 *
 * Needs sessions of its own, as neither locks nor settings last through a pooler that shares them: such a pooler is
 * refused at the first connection.
 */
export class Database implements Sql {
  readonly #config: LedgerConfig;
  readonly #client: ClientConfig;
  readonly #pool: Pool;
  readonly #patienceMs: number;
  /** Whether sessions are ours alone: asked once, as it says something of the way and not of a connection. */
  #owned: Promise<void> | undefined;

  constructor(config: LedgerConfig, password: string | undefined, patienceMs: number = PATIENCE_MS) {
    this.#config = config;
    this.#client = optionsOf(config, password);
    this.#patienceMs = patienceMs;
    this.#pool = new Pool({
      ...this.#client,
      Client: PgClient,
      max: POOL_SIZE,
      idleTimeoutMillis: 30_000,
      allowExitOnIdle: true,
    });
    // Without these an idle connection that Postgres ends would end the program. Whoever uses it next hears of it.
    this.#pool.on('error', () => {});
    this.#pool.on('connect', (client) => client.on('error', () => {}));
  }

  /** Waits for what is at work. A second call does nothing. */
  async close(): Promise<void> {
    if (!this.#pool.ending) await this.#pool.end();
  }

  /**
   * Runs `work` as one transaction. It may be called several times and must do nothing but statements. What it throws
   * rolls back.
   */
  async transaction<T>(work: (sql: Sql) => Promise<T>): Promise<T> {
    return await this.#patiently(() => this.#attempt(work));
  }

  /** One statement that only reads; a transaction of its own. */
  async rows<T extends QueryResultRow>(text: string, values: readonly unknown[] = []): Promise<T[]> {
    return await this.#statement(text, values);
  }

  /**
   * One statement that takes a moment, as a transaction of its own. It is repeated where its connection is lost, whether it
   * was done or not: it must be one that does nothing the second time.
   */
  async quick<T extends QueryResultRow>(text: string, values: readonly unknown[]): Promise<T[]> {
    return await this.#statement(text, values, QUICK_TIMEOUT_MS);
  }

  async #statement<T extends QueryResultRow>(
    text: string,
    values: readonly unknown[],
    timeoutMs?: number,
  ): Promise<T[]> {
    return await this.#patiently(async () => {
      const client = await this.#connect();
      try {
        const value = await sqlOn(client, timeoutMs).rows<T>(text, values);
        client.release();
        return { done: true, value };
      } catch (error) {
        client.release(isLost(error));
        return { done: false, error };
      }
    });
  }

  /** Runs `work` on a connection of its own, which is ended when `work` throws and else is the caller's. */
  async dedicated<T>(queryTimeoutMs: number, work: (sql: Sql, client: Client) => Promise<T>): Promise<T> {
    return await this.#patiently(async () => {
      const client = new PgClient({ ...this.#client, query_timeout: queryTimeoutMs });
      client.on('error', () => {});
      try {
        await client.connect();
        await this.#prepare(client);
      } catch (error) {
        void client.end().catch(() => {});
        throw ledgerError(error, this.#config, true);
      }
      try {
        return { done: true, value: await work(sqlOn(client), client) };
      } catch (error) {
        await client.end().catch(() => {});
        return { done: false, error };
      }
    });
  }

  /**
   * Repeats what failed for want of a connection, or was rolled back by Postgres, until it is done or time is up. Time
   * counts from the first failure: one alone can take longer than all of it.
   */
  async #patiently<T>(attempt: () => Promise<Outcome<T>>): Promise<T> {
    let deadline: number | undefined;
    for (let pause = FIRST_PAUSE_MS; ; pause = Math.min(pause * 2, LONGEST_PAUSE_MS)) {
      const outcome = await attempt().catch((error: unknown): Outcome<T> => ({ done: false, error }));
      if (outcome.done) return outcome.value;
      const error = ledgerError(outcome.error, this.#config);
      const again = isRolledBack(outcome.error) || (isUnreachable(error) && !(error instanceof UnknownFate));
      deadline ??= Date.now() + this.#patienceMs;
      if (!again || Date.now() + pause > deadline) throw error;
      await sleep(pause);
    }
  }

  async #connect(): Promise<PoolClient> {
    let client: PoolClient | undefined;
    try {
      client = await this.#pool.connect();
      if (!this.#prepared.has(client)) await this.#prepare(client);
      return client;
    } catch (error) {
      client?.release(true);
      throw ledgerError(error, this.#config, true);
    }
  }

  /** Sessions that are set up. */
  readonly #prepared = new WeakSet<ClientBase>();

  async #prepare(client: ClientBase): Promise<void> {
    this.#owned ??= this.#refuseShared(client);
    await this.#owned.catch((error: unknown) => {
      // Who could not ask has no answer: the next one asks again.
      this.#owned = undefined;
      throw error;
    });
    await setUp(client, ledgerName(this.#config));
    this.#prepared.add(client);
  }

  async #refuseShared(client: ClientBase): Promise<void> {
    if (!(await isBehindPooler(client))) return;
    await refuseSharedSessions(async () => {
      const probe = new PgClient({ ...this.#client, query_timeout: QUICK_TIMEOUT_MS });
      probe.on('error', () => {});
      await probe.connect();
      return probe;
    }, ledgerName(this.#config));
  }

  async #attempt<T>(work: (sql: Sql) => Promise<T>): Promise<Outcome<T>> {
    const client = await this.#connect();
    const sql = sqlOn(client);
    let number: string | null = null;
    let value: T;
    try {
      await client.query(BEGIN);
      value = await work(sql);
      const [row] = await sql.rows<{ number: string | null }>(
        'SELECT pg_current_xact_id_if_assigned()::text AS number',
      );
      number = row?.number ?? null;
    } catch (error) {
      const gone =
        isLost(error) ||
        !(await client.query('ROLLBACK').then(
          () => true,
          () => false,
        ));
      client.release(gone);
      return { done: false, error };
    }
    try {
      await sql.rows('COMMIT');
      client.release();
      return { done: true, value };
    } catch (error) {
      client.release(true);
      // A transaction without a number has written nothing, and can be repeated.
      if (number === null || !isLost(error)) return { done: false, error };
      return (await this.#committed(number)) ? { done: true, value } : { done: false, error };
    }
  }

  /** Whether a transaction whose COMMIT was not answered has committed. */
  async #committed(number: string): Promise<boolean> {
    const deadline = Date.now() + this.#patienceMs;
    while (Date.now() < deadline) {
      const [row] = await this.rows<{ status: string | null }>('SELECT pg_xact_status($1::xid8) AS status', [
        number,
      ]).catch((error: unknown) => {
        throw new UnknownFate(ledgerName(this.#config), error);
      });
      if (row?.status === 'committed') return true;
      if (row?.status === 'aborted') return false;
      if (row?.status !== 'in progress') break;
      await sleep(LONGEST_PAUSE_MS / 4);
    }
    throw new UnknownFate(ledgerName(this.#config), undefined);
  }
}

function isUnreachable(error: unknown): boolean {
  return error instanceof RefillError && error.code === 'LEDGER_UNREACHABLE';
}

/** The connection was lost during COMMIT, and the ledger cannot be asked whether it was done: never repeated here. */
class UnknownFate extends RefillError {
  constructor(name: string, cause: unknown) {
    super(
      'LEDGER_UNREACHABLE',
      `The ledger at ${name} went away during a commit; whether it was kept is not known before it is back.`,
      { cause },
    );
  }
}
