import { DatabaseError } from 'pg';
import { to as copyTo, type CopyToStreamQuery } from 'pg-copy-streams';
import type { PostgresConfig } from '../config/config.ts';
import { RefillError } from '../domain/errors.ts';
import { clientConfig, PgClient } from '../postgres/client.ts';
import { sqlState } from '../postgres/said.ts';
import { postgresError } from './errors.ts';
import { beginTransaction, type Opened, type Transaction, utc } from './session.ts';

/** Where a source database is, with the password already resolved. */
export interface SourceAddress extends Omit<PostgresConfig, 'password'> {
  readonly database: string;
  readonly password: string | undefined;
}

/**
 * One connection to a source database, in one transaction: what results depend on is set there and holds until it is
 * closed, also where a pooler gives the session to others in between.
 */
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
   * Up to when everything that was committed is seen, with microseconds: `2026-01-05 06:00:00.000000`. On a primary the
   * transaction's start, on a standby the time of the last commit that it has replayed, both from before the snapshot is
   * taken. So a row that somebody changes after the snapshot can never have an older version than the one that is written
   * from it, however far a standby is behind.
   */
  readonly time: string;
  readonly standby: boolean;
  /** A pooler is in between: its sessions are few, and others wait for them. */
  readonly pooled: boolean;
}

const CONNECT_TIMEOUT_MS = 10_000;

const placeOf = ({ host, port, database }: SourceAddress) => `Postgres ${host}:${port}/${database}`;

async function connect(address: SourceAddress, place: string): Promise<PgClient> {
  const client = new PgClient({ ...clientConfig(address), connectionTimeoutMillis: CONNECT_TIMEOUT_MS });
  // Without a listener a broken idle connection would end the process; the next statement reports it.
  client.on('error', () => undefined);
  try {
    await client.connect();
    return client;
  } catch (error) {
    void client.end().catch(() => undefined);
    throw postgresError(error, place);
  }
}

/** Opens a connection and a transaction on it. Errors: `PG_SESSION`, `PG_TLS`, and what the server says. */
async function open(address: SourceAddress, transaction: Transaction): Promise<{ source: Source; opened: Opened }> {
  const place = placeOf(address);
  const client = await connect(address, place);
  try {
    const opened = await beginTransaction(client, transaction, place);
    return { source: sourceOn(client, place, opened.pooled, transaction), opened };
  } catch (error) {
    void client.end().catch(() => undefined);
    throw error;
  }
}

function sourceOn(client: PgClient, place: string, pooled: boolean, transaction: Transaction): Source {
  /** What ended the connection while nothing ran: the statement after it knows only that there is none. */
  let ended: unknown;
  client.on('error', (error: unknown) => {
    if (error instanceof DatabaseError) ended ??= error;
  });
  /** A statement that fails ends the transaction. Where each sees its own instant, another transaction is as good. */
  const goOn = async () => {
    if (transaction.isolation !== 'read committed' || transaction.access !== 'READ ONLY') return;
    await client.query('ROLLBACK');
    await beginTransaction(client, transaction, place);
  };
  let running = 0;
  const run = async <T>(task: () => Promise<T>): Promise<T> => {
    running += 1;
    try {
      return await task();
    } catch (error) {
      // Where this fails too, so does the next statement.
      if (sqlState(error) !== undefined) await goOn().catch(() => undefined);
      throw postgresError(ended ?? error, place);
    } finally {
      running -= 1;
    }
  };
  return {
    query: <Row extends Record<string, unknown>>(sql: string, values: readonly unknown[] = []) =>
      run(async () => (await client.query<Row>(sql, [...values])).rows),
    types: (select) =>
      run(async () => {
        const { fields } = await client.query(select);
        const { rows } = await client.query<{ name: string }>(
          `SELECT t.typname AS name FROM unnest($1::oid[]) WITH ORDINALITY o (id, n) JOIN pg_type t ON t.oid = o.id ORDER BY o.n`,
          [fields.map((f) => f.dataTypeID)],
        );
        return rows.map((r) => r.name);
      }),
    copy: (select) => {
      const stream = client.query(copyTo(`COPY (${select}) TO STDOUT`));
      running += 1;
      stream.once('end', () => (running -= 1));
      return stream;
    },
    abort: () => void client.end().catch(() => undefined),
    close: async () => {
      // A pooler ends a session whose client leaves it within a transaction, and would have to make another.
      if (pooled && running === 0) await client.query('ROLLBACK').catch(() => undefined);
      await client.end().catch(() => undefined);
    },
  };
}

/** Opens a connection that only reads, where each statement sees what is committed then. */
export async function openSource(address: SourceAddress): Promise<Source> {
  return (await open(address, { isolation: 'read committed', access: 'READ ONLY' })).source;
}

/** Opens a connection and a read-only transaction with one snapshot for all of its statements. */
export async function openSnapshot(address: SourceAddress): Promise<Snapshot> {
  const timed = { isolation: 'repeatable read', access: 'READ ONLY', timed: true } as const;
  const { source, opened } = await open(address, timed);
  if (opened.time !== null) return { ...source, ...opened, time: opened.time };
  // Nothing was replayed since the standby started. What its last restart point holds is there, and that has a time.
  await source.close();
  const { time } = await dataTime(address);
  const again = await open(address, timed);
  return { ...again.source, ...again.opened, time: again.opened.time ?? time };
}

/**
 * Up to when everything that was committed is there, as a snapshot's `time` would be, or older: on a standby that has
 * replayed no commit since it started, the time of the checkpoint that it started from.
 *
 * @throws RefillError `PG_STANDBY_BEHIND` where a standby knows neither.
 */
export async function dataTime(address: SourceAddress): Promise<Pick<Snapshot, 'time' | 'standby'>> {
  const [row] = await withSource(address, (source) =>
    source.query<{ standby: boolean; time: string | null }>(
      `SELECT pg_is_in_recovery() AS standby, ${utc('CASE WHEN pg_is_in_recovery() THEN pg_last_xact_replay_timestamp() ELSE clock_timestamp() END')} AS time`,
    ),
  );
  if (typeof row?.time === 'string') return { time: row.time, standby: row.standby };
  const [control] = await withSource(address, (source) =>
    source.query<{ time: string | null }>(`SELECT ${utc('checkpoint_time')} AS time FROM pg_control_checkpoint()`),
  );
  if (typeof control?.time === 'string') return { time: control.time, standby: true };
  throw new RefillError('PG_STANDBY_BEHIND', `${placeOf(address)} is a standby that has replayed nothing yet`);
}

/** The server's clock as it is now, with microseconds. A standby's is its own. */
export async function serverClock(address: SourceAddress): Promise<string> {
  const [clock] = await withSource(address, (source) =>
    source.query<{ now: string }>(`SELECT ${utc('clock_timestamp()')} AS now`),
  );
  return clock?.now ?? '';
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

/**
 * The same with several connections that see the very same instant; one alone through a pooler, which may have no second
 * session to give while the first one waits for it.
 */
export async function withSnapshots<T>(
  address: SourceAddress,
  connections: number,
  use: (snapshots: readonly [Snapshot, ...Snapshot[]]) => Promise<T>,
): Promise<T> {
  return withSnapshot(address, async (first) => {
    const others: Snapshot[] = [];
    const wanted = first.pooled ? 1 : connections;
    try {
      const [row] = wanted > 1 ? await first.query<{ id: string }>('SELECT pg_export_snapshot() AS id') : [];
      while (others.length + 1 < wanted) {
        const snapshot = row?.id ?? '';
        const { source, opened } = await open(address, { isolation: 'repeatable read', access: 'READ ONLY', snapshot });
        others.push({ ...source, ...opened, time: first.time });
      }
      return await use([first, ...others]);
    } finally {
      await Promise.all(others.map((snapshot) => snapshot.close()));
    }
  });
}

/**
 * Runs something in a transaction that may write: the only one that does, for `refill backfill`. It is rolled back where
 * `work` throws, and where `keep` is false.
 */
export async function withWriter<T>(
  address: SourceAddress,
  work: (source: Source) => Promise<T>,
  keep = true,
): Promise<T> {
  const { source } = await open(address, { isolation: 'read committed', access: 'READ WRITE' });
  try {
    const result = await work(source);
    await source.query(keep ? 'COMMIT' : 'ROLLBACK');
    return result;
  } finally {
    await source.close();
  }
}
