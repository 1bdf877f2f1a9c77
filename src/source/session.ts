import { RefillError } from '../domain/errors.ts';
import { announcedBackend, type PgClient, rowsOfAll } from '../postgres/client.ts';
import { sqlState } from '../postgres/said.ts';
import { postgresError } from './errors.ts';

/**
 * What results depend on. It is set in each transaction, as a pooler may give us another session for the next one, and
 * read back in the same transaction.
 */
const SETTINGS: Readonly<Record<string, string>> = {
  TimeZone: 'UTC',
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  extra_float_digits: '1',
  bytea_output: 'hex',
  xmlbinary: 'base64',
  client_encoding: 'UTF8',
  standard_conforming_strings: 'on',
  transform_null_equals: 'off',
  array_nulls: 'on',
  // With `on`, rows that a policy hides would be missing without a word; with `off` Postgres refuses the statement.
  row_security: 'off',
  // Names without a schema are the same for every role, and never those of a session's temporary tables.
  search_path: 'pg_catalog, public, pg_temp',
  // A snapshot is idle while ClickHouse takes rows. A program that is frozen must not hold back vacuum for ever.
  idle_in_transaction_session_timeout: '10min',
};

/** As the database or the role has them, whatever another client of a pooler has left in the session. */
const DEFAULTS = [
  'lc_monetary',
  'lc_numeric',
  'lc_time',
  'timezone_abbreviations',
  'default_text_search_config',
  // The administrator's limits on work: a window that needs longer is cut in half.
  'statement_timeout',
  'lock_timeout',
] as const;

/** What costs time only. */
const SPEED: Readonly<Record<string, string>> = {
  // Costs seconds on expressions as long as ours and gains nothing on rows that are mostly formatted.
  jit: 'off',
  // The default of 4 is for spinning disks: with it each window of the sample reads the whole table of scores, and the
  // seven windows of `tenant` cost Postgres 62 s of CPU in place of 36.
  random_page_cost: '1.1',
};

/** Since Postgres 17; a limit on how long a whole window may take would end it in the middle of its COPY. */
const NO_TRANSACTION_TIMEOUT = `CASE WHEN pg_catalog.current_setting('transaction_timeout', true) IS NOT NULL
  THEN pg_catalog.set_config('transaction_timeout', '0', true) END`;

const literal = (value: string) => `'${value.replaceAll("'", "''")}'`;

const SET = [
  ...Object.entries({ ...SETTINGS, ...SPEED })
    .filter(([name]) => name !== 'search_path')
    .map(([name, value]) => `SET LOCAL ${name} = ${literal(value)}`),
  `SET LOCAL search_path = ${SETTINGS['search_path'] ?? ''}`,
  ...DEFAULTS.map((name) => `SET LOCAL ${name} TO DEFAULT`),
].join('; ');

export type Access = 'READ ONLY' | 'READ WRITE';
export type Isolation = 'read committed' | 'repeatable read';

/** A transaction that is to be opened. */
export interface Transaction {
  readonly isolation: Isolation;
  readonly access: Access;
  /** An exported snapshot that it is to see. */
  readonly snapshot?: string;
  /** Whether to ask, before anything is seen, how new what is seen will at least be. */
  readonly timed?: boolean;
}

/** What is known of a transaction that was opened. */
export interface Opened {
  /** The server is a standby. */
  readonly standby: boolean;
  /** Another program than Postgres answers: the backend is not the one that was announced. */
  readonly pooled: boolean;
  /**
   * An instant of the primary's clock, with microseconds (`2026-01-05 06:00:00.000000`), up to which everything that was
   * committed is seen: the transaction's start, on a standby the time of the last commit that it has replayed. Null where
   * it was not asked for, or a standby has replayed nothing since it started.
   */
  readonly time: string | null;
}

/** SQL of an instant in our form, whatever the session's settings are. */
export const utc = (instant: string): string =>
  `pg_catalog.to_char((${instant}) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')`;

/**
 * In a transaction of its own, in the same message: within the snapshot's transaction it would itself take the snapshot,
 * and what is replayed in between would be newer than what is seen.
 */
const TIME = `BEGIN READ ONLY; SELECT ${utc(
  'CASE WHEN pg_catalog.pg_is_in_recovery() THEN pg_catalog.pg_last_xact_replay_timestamp() ELSE pg_catalog.now() END',
)} AS time, pg_catalog.pg_is_in_recovery() AS standby; COMMIT`;

const READ_BACK = [
  ...[...Object.keys(SETTINGS), 'transaction_isolation', 'transaction_read_only'].map(
    (name) => `pg_catalog.current_setting('${name}') AS "${name}"`,
  ),
  'pg_catalog.pg_is_in_recovery() AS standby',
  'pg_catalog.pg_backend_pid() AS backend',
  `${NO_TRANSACTION_TIMEOUT} AS transaction_timeout`,
].join(', ');

/** SQLSTATEs of a setting that is not to be had: unknown, not a value of it, not allowed, not supported. */
const NOT_SET = ['42704', '22023', '42501', '55P02', '0A000'];

/**
 * Opens a transaction with everything that results depend on, in one round trip.
 *
 * @throws RefillError `PG_SESSION` where a setting cannot be had, or is not kept.
 */
export async function beginTransaction(client: PgClient, transaction: Transaction, place: string): Promise<Opened> {
  const { isolation, access, snapshot, timed = false } = transaction;
  const statements = [
    ...(timed ? [TIME] : []),
    `BEGIN ISOLATION LEVEL ${isolation.toUpperCase()} ${access}; ${SET}`,
    ...(snapshot === undefined ? [] : [`SET TRANSACTION SNAPSHOT ${literal(snapshot)}`]),
    `SELECT ${READ_BACK}`,
  ];
  const [first, last] = await sent(client, statements.join('; '), snapshot, place);
  refuseOther({ ...SETTINGS, transaction_isolation: isolation, transaction_read_only: onOff(access) }, last, place);
  const standby = last['standby'] === true;
  if (timed && (first['standby'] === true) !== standby)
    throw new RefillError('PG_SESSION', `${place}: two statements of one message were answered by different servers`);
  const announced = announcedBackend(client);
  const { time } = first;
  return {
    standby,
    pooled: announced !== null && announced !== last['backend'],
    time: timed && typeof time === 'string' ? time : null,
  };
}

const onOff = (access: Access) => (access === 'READ ONLY' ? 'on' : 'off');

type Row = Readonly<Record<string, unknown>>;

/** Sends several statements as one message; returns the first and the last row that came back. */
async function sent(client: PgClient, sql: string, snapshot: string | undefined, place: string): Promise<[Row, Row]> {
  try {
    const rows = await rowsOfAll<Row>(client, sql);
    return [rows[0] ?? {}, rows.at(-1) ?? {}];
  } catch (error) {
    const known = postgresError(error, place);
    const state = sqlState(error) ?? '';
    if (snapshot !== undefined && (state === '22023' || state === '42704'))
      throw new RefillError('PG_SESSION', `${place}: its connections lead to different servers`, {
        details: { sqlstate: state },
        hint: 'Give the address of one server: connections of one survey must see one snapshot.',
      });
    if (NOT_SET.includes(state)) throw new RefillError('PG_SESSION', known.message, { details: known.details });
    throw known;
  }
}

function refuseOther(wanted: Readonly<Record<string, string>>, found: Row, place: string): void {
  const other = Object.entries(wanted).filter(([name, value]) => found[name] !== value);
  if (other.length === 0) return;
  const named = other.map(([name, value]) => `${name} is ${String(found[name])} and not ${value}`).join(', ');
  throw new RefillError('PG_SESSION', `${place} does not keep what was set in the transaction: ${named}`, {
    details: { settings: other.map(([name]) => name) },
  });
}
