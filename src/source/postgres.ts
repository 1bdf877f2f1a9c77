import { Client, type ClientConfig } from 'pg';
import { to as copyTo, type CopyToStreamQuery } from 'pg-copy-streams';
import type { PostgresConfig } from '../config/config.ts';
import { postgresError } from './errors.ts';

/** Where a source database is, with the password already resolved. */
export interface SourceAddress extends Omit<PostgresConfig, 'password'> {
  readonly database: string;
  readonly password: string | undefined;
}

/** One connection to a source database, in UTC, which only reads. */
export interface Source {
  query<Row extends Record<string, unknown>>(sql: string, values?: readonly unknown[]): Promise<Row[]>;
  /** The types of a SELECT's columns by their names in `pg_type`, in order; those of domains are what they are made of. */
  types(select: string): Promise<string[]>;
  /** Rows of a SELECT as COPY's text, a chunk for every few rows, with back-pressure. */
  copy(select: string): CopyToStreamQuery;
  /** Cancels what runs by closing the connection; Postgres notices at the next row it sends. */
  abort(): void;
  close(): Promise<void>;
}

/** A source whose statements all see one instant. */
export interface Snapshot extends Source {
  /**
   * When the transaction began, with microseconds: `2026-01-05 06:00:00.000000`. The snapshot is taken after it, so a row
   * that somebody changes after the snapshot can never have an older version than the one that is written from it.
   */
  readonly time: string;
}

/** What every session of ours sets, whatever the server's defaults. */
const SETTINGS = {
  timezone: 'UTC',
  datestyle: 'ISO',
  // What texts of intervals and bytes look like must not depend on a database's settings.
  intervalstyle: 'postgres',
  bytea_output: 'hex',
  extra_float_digits: 1,
  standard_conforming_strings: 'on',
  default_transaction_read_only: 'on',
  // Costs seconds on expressions as long as ours and gains nothing on rows that are mostly formatted.
  jit: 'off',
  // The default of 4 is for spinning disks: with it each window of the sample reads the whole table of scores, and the
  // seven windows of `tenant` cost Postgres 62 s of CPU in place of 36.
  random_page_cost: 1.1,
} as const;

function options(address: SourceAddress): ClientConfig {
  return {
    host: address.host,
    port: address.port,
    user: address.user,
    database: address.database,
    ...(address.password === undefined ? {} : { password: address.password }),
    ...(address.tls === 'disable' ? {} : { ssl: { rejectUnauthorized: address.tls === 'verify-full' } }),
    application_name: 'refill',
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    client_encoding: 'UTF8',
    options: Object.entries(SETTINGS)
      .map(([name, value]) => `-c ${name}=${value}`)
      .join(' '),
  };
}

/** Opens a connection. Errors: `PG_UNREACHABLE`, `PG_AUTH`, `PG_DATABASE_MISSING`, `PG_RESOURCES`. */
export async function openSource(address: SourceAddress): Promise<Source> {
  const client = new Client(options(address));
  const place = `Postgres ${address.host}:${address.port}/${address.database}`;
  // Without a listener a broken idle connection would end the process; the next statement reports it.
  client.on('error', () => undefined);
  try {
    await client.connect();
  } catch (error) {
    throw postgresError(error, place);
  }
  return {
    async query<Row extends Record<string, unknown>>(sql: string, values: readonly unknown[] = []) {
      try {
        return (await client.query<Row>(sql, [...values])).rows;
      } catch (error) {
        throw postgresError(error, place);
      }
    },
    async types(select) {
      try {
        const { fields } = await client.query(select);
        const { rows } = await client.query<{ name: string }>(
          `SELECT t.typname AS name FROM unnest($1::oid[]) WITH ORDINALITY o (id, n) JOIN pg_type t ON t.oid = o.id ORDER BY o.n`,
          [fields.map((f) => f.dataTypeID)],
        );
        return rows.map((r) => r.name);
      } catch (error) {
        throw postgresError(error, place);
      }
    },
    copy: (select) => client.query(copyTo(`COPY (${select}) TO STDOUT`)),
    abort: () => void client.end().catch(() => undefined),
    close: () => client.end().catch(() => undefined),
  };
}

/** Opens a connection and a read-only transaction with one snapshot for all of its statements. */
export async function openSnapshot(address: SourceAddress): Promise<Snapshot> {
  const source = await openSource(address);
  try {
    await source.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const [row] = await source.query<{ time: string }>(`SELECT to_char(now(), 'YYYY-MM-DD HH24:MI:SS.US') AS time`);
    return { ...source, time: row?.time ?? '' };
  } catch (error) {
    await source.close();
    throw error;
  }
}

/** Runs something on a connection and closes it whatever happens. */
export async function withSource<T>(address: SourceAddress, use: (source: Source) => Promise<T>): Promise<T> {
  const source = await openSource(address);
  try {
    return await use(source);
  } finally {
    await source.close();
  }
}

/** The same with a snapshot. */
export async function withSnapshot<T>(address: SourceAddress, use: (snapshot: Snapshot) => Promise<T>): Promise<T> {
  const snapshot = await openSnapshot(address);
  try {
    return await use(snapshot);
  } finally {
    await snapshot.close();
  }
}

/** The same with several connections that see the very same instant. */
export async function withSnapshots<T>(
  address: SourceAddress,
  connections: number,
  use: (snapshots: readonly [Snapshot, ...Snapshot[]]) => Promise<T>,
): Promise<T> {
  return withSnapshot(address, async (first) => {
    const [row] = await first.query<{ id: string }>('SELECT pg_export_snapshot() AS id');
    const others: Snapshot[] = [];
    try {
      while (others.length + 1 < connections) {
        const source = await openSource(address);
        others.push({ ...source, time: first.time });
        await source.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
        await source.query(`SET TRANSACTION SNAPSHOT '${row?.id ?? ''}'`);
      }
      return await use([first, ...others]);
    } finally {
      await Promise.all(others.map((snapshot) => snapshot.close()));
    }
  });
}

/**
 * Runs something in a transaction that may write: the only one that does, for `refill backfill`. It is rolled back where
 * `work` throws.
 */
export async function withWriter<T>(address: SourceAddress, work: (source: Source) => Promise<T>): Promise<T> {
  return withSource(address, async (source) => {
    await source.query('BEGIN READ WRITE');
    const result = await work(source);
    await source.query('COMMIT');
    return result;
  });
}
