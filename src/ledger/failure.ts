import { DatabaseError } from 'pg';
import { RefillError } from '../domain/errors.ts';
import type { LedgerConfig } from '../config/config.ts';
import { codeOf, LOST_NODE_CODES, LOST_TEXT, POOLER_AWAY, safeText, tlsProblem } from '../postgres/said.ts';
import { pooledError } from './session.ts';

/** SQLSTATEs that end the connection, or refuse one that would be given a moment later. */
const LOST_SQLSTATES = new Set([
  '57P01', // admin_shutdown, and pg_terminate_backend
  '57P02', // crash_shutdown
  '57P03', // cannot_connect_now: the server is starting up
  '57P05', // idle_session_timeout
  '25P03', // idle_in_transaction_session_timeout: this process was frozen
  '25P04', // transaction_timeout
  '53300', // too_many_connections
]);

/** The SQLSTATE of a broken protocol; poolers say it of nearly everything. */
const BROKEN_PROTOCOL = '08P01';

/** SQLSTATEs after which Postgres has rolled back and the same transaction may well succeed. */
const REPEATED_SQLSTATES = new Set(['40001', '40P01']);

/** True when the connection is gone, or was not made. */
export function isLost(error: unknown): boolean {
  const code = codeOf(error);
  if (error instanceof DatabaseError) {
    if (code === BROKEN_PROTOCOL) return POOLER_AWAY.test(safeText(error.message) ?? '');
    return typeof code === 'string' && (LOST_SQLSTATES.has(code) || code.startsWith('08'));
  }
  if (code !== undefined) return LOST_NODE_CODES.has(code);
  return error instanceof Error && LOST_TEXT.test(error.message);
}

/** True when Postgres has rolled back by itself, and the transaction may be begun again. */
export function isRolledBack(error: unknown): boolean {
  return error instanceof DatabaseError && error.code !== undefined && REPEATED_SQLSTATES.has(error.code);
}

/** `host:port/database`, as messages name the ledger. */
export function ledgerName(config: LedgerConfig): string {
  return `${config.host}:${config.port}/${config.database}`;
}

/** An argument as a shell takes it. */
function shell(argument: string): string {
  return /^[\w./-]+$/u.test(argument) ? argument : `'${argument.replaceAll("'", String.raw`'\''`)}'`;
}

function hintFor(error: DatabaseError, config: LedgerConfig): string | undefined {
  switch (error.code) {
    case '3D000': {
      const { host, port, user, database } = config;
      return `Create it: createdb -h ${shell(host)} -p ${port} -U ${shell(user)} ${shell(database)}`;
    }
    case '28P01':
    case '28000':
      return 'Check `ledger.user` and what the password’s reference leads to.';
    case '57014':
      return 'The ledger’s server is overloaded, or another session holds a lock: look at pg_stat_activity.';
    case '53100':
      return 'Make room on the ledger’s server.';
    case undefined:
    default:
      return undefined;
  }
}

/**
 * An error of node-postgres as a `RefillError`; others are returned as they are. Row contents are never quoted:
 * Postgres puts values into its messages, so only what is known to name none is repeated.
 */
export function ledgerError(error: unknown, config: LedgerConfig, connecting = false): unknown {
  if (error instanceof RefillError) return error;
  const name = ledgerName(config);
  if (isLost(error)) {
    const code = codeOf(error);
    const why = typeof code === 'string' ? code : error instanceof Error ? error.message : 'the connection was lost';
    return new RefillError('LEDGER_UNREACHABLE', `The ledger at ${name} does not answer (${why}).`, { cause: error });
  }
  if (error instanceof DatabaseError) {
    const said = safeText(error.message);
    if (said?.includes('statement pooling mode') === true) return pooledError(name, said);
    const hint = hintFor(error, config);
    const what = said ?? error.constraint ?? error.routine ?? '';
    return new RefillError(
      'LEDGER_FAILED',
      `The ledger at ${name} refuses (SQLSTATE ${error.code ?? 'unknown'}): ${what}`,
      { details: { sqlstate: error.code ?? null }, ...(hint === undefined ? {} : { hint }) },
    );
  }
  const tls = tlsProblem(error);
  if (tls !== undefined)
    return new RefillError('LEDGER_FAILED', `The ledger at ${name}: ${tls}`, {
      cause: error,
      hint: 'Set `ledger.tls` to disable, require or verify-full, as the server has it.',
    });
  if (connecting && error instanceof Error) {
    // TLS and authentication methods: no row is known yet, so none can be quoted.
    return new RefillError('LEDGER_FAILED', `No connection to the ledger at ${name}: ${error.message}`, {
      cause: error,
      hint: 'Check `ledger.tls`, `ledger.user` and the password’s reference.',
    });
  }
  return error;
}
