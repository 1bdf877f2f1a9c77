import type { ClientBase } from 'pg';
import { RefillError } from '../domain/errors.ts';
import { announcedBackend, PgClient, rowsOfAll } from '../postgres/client.ts';

/** No statement of ours takes many seconds; one that takes longer waits for something that will not come. */
const STATEMENT_TIMEOUT = '30s';
/** A program that is frozen within a transaction must not hold others up for ever. */
const IDLE_IN_TRANSACTION = '1min';

/** What the ledger's statements depend on, set in each session and read back. */
const SETTINGS: Readonly<Record<string, string>> = {
  TimeZone: 'UTC',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  extra_float_digits: '1',
  bytea_output: 'hex',
  client_encoding: 'UTF8',
  standard_conforming_strings: 'on',
  row_security: 'off',
  default_transaction_isolation: 'read committed',
  statement_timeout: STATEMENT_TIMEOUT,
  lock_timeout: '0',
  idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION,
  search_path: 'pg_catalog, public, pg_temp',
};

const SET = Object.entries(SETTINGS)
  .map(([name, value]) => (name === 'search_path' ? `SET ${name} = ${value}` : `SET ${name} = '${value}'`))
  .join('; ');

/** Since Postgres 17. */
const NO_TRANSACTION_TIMEOUT = `CASE WHEN current_setting('transaction_timeout', true) IS NOT NULL
  THEN set_config('transaction_timeout', '0', false) END`;

const READ_BACK = `SELECT ${NO_TRANSACTION_TIMEOUT} AS transaction_timeout, ${Object.keys(SETTINGS)
  .map((name) => `current_setting('${name}') AS "${name}"`)
  .join(', ')}`;

/** Sets a new session up, in one round trip. The session must be ours alone: what is set stays in it. */
export async function setUp(client: ClientBase, ledger: string): Promise<void> {
  const row = (await rowsOfAll<Record<string, unknown>>(client, `${SET}; ${READ_BACK}`)).at(-1);
  const other = Object.entries(SETTINGS).filter(([name, value]) => row?.[name] !== value);
  if (other.length === 0) return;
  const named = other.map(([name, value]) => `${name} is ${String(row?.[name])} and not ${value}`).join(', ');
  throw new RefillError('LEDGER_FAILED', `The ledger at ${ledger} does not keep what was set: ${named}`, {
    hint: 'Give `ledger` the address of Postgres itself.',
  });
}

export function pooledError(ledger: string, seen: string): RefillError {
  return new RefillError(
    'LEDGER_POOLED',
    `The ledger at ${ledger} is reached through a pooler that shares sessions: ${seen}`,
  );
}

/** Whether another program than Postgres answers: a pooler announces a backend of its own invention. */
export async function isBehindPooler(client: ClientBase): Promise<boolean> {
  const { rows } = await client.query<{ backend: number }>('SELECT pg_backend_pid() AS backend');
  const announced = client instanceof PgClient ? announcedBackend(client) : null;
  return announced !== null && announced !== rows[0]?.backend;
}

/** Poolers hand idle sessions out last in, first out, or in turn: each round would find either. */
const ROUNDS = 3;

/**
 * Refuses a pooler that gives a session to others between transactions, or between statements. Two clients ask in turn:
 * where each has a session of its own, it is always the same one, and never the other's.
 *
 * @param connect Opens a connection, on which nothing was set.
 * @throws RefillError `LEDGER_POOLED`
 */
export async function refuseSharedSessions(connect: () => Promise<PgClient>, ledger: string): Promise<void> {
  const [one, two] = [await connect(), await connect()];
  const backend = async (client: PgClient, statements: string) =>
    (await rowsOfAll<{ pid: number }>(client, statements))[0]?.pid;
  const PID = 'SELECT pg_backend_pid() AS pid';
  try {
    const first = await backend(one, `BEGIN; ${PID}; COMMIT`);
    for (let round = 0; round < ROUNDS; round += 1) {
      const other = await backend(two, `BEGIN; ${PID}`);
      if (other === first) throw pooledError(ledger, 'two connections were given the same one');
      const again = await backend(one, `BEGIN; ${PID}; COMMIT`);
      await two.query('COMMIT');
      if (again !== first) throw pooledError(ledger, 'one connection was given two of them');
    }
  } finally {
    await Promise.all([one, two].map((client) => client.end().catch(() => undefined)));
  }
}
