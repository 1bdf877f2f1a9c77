import type { ErrorCode } from '../domain/catalogue.ts';
import { RefillError } from '../domain/errors.ts';
import { codeOf, LOST_NODE_CODES, LOST_TEXT, POOLER_AWAY, safeText, sqlState, tlsProblem } from '../postgres/said.ts';

/**
 * What a SQLSTATE means for us, exact codes before their classes. What is retried is in this table, each for a reason;
 * the unknown is not retried.
 */
const STATES: readonly (readonly [prefix: string, code: ErrorCode, why: string])[] = [
  ['40P01', 'PG_BUSY', 'a deadlock: one of the two was chosen to try again'],
  ['40001', 'PG_BUSY', 'a serialisation failure, or a conflict with recovery on a standby'],
  ['55P03', 'PG_BUSY', 'a lock was not available in time'],
  ['57014', 'PG_BUSY', 'a statement timeout, or somebody cancelled the query'],
  ['25P03', 'PG_BUSY', 'the transaction was idle for too long: less work at once keeps it shorter'],
  ['25P04', 'PG_BUSY', 'the transaction lasted too long'],
  ['57P05', 'PG_UNREACHABLE', 'the server ended an idle session'],
  ['57P04', 'PG_DATABASE_MISSING', 'the database was dropped'],
  ['57P', 'PG_UNREACHABLE', 'the server shuts down, restarts or is starting'],
  ['08P01', 'PG_PROTOCOL', 'a pooler, or a server that is not Postgres: its text says more'],
  ['08004', 'PG_PROTOCOL', 'the server rejected the connection'],
  ['08', 'PG_UNREACHABLE', 'the connection broke'],
  ['53300', 'PG_UNREACHABLE', 'no connection is free: one is waited for, as others give theirs back'],
  ['53', 'PG_RESOURCES', 'no memory or disk left'],
  ['28', 'PG_AUTH', 'user or password'],
  ['3D000', 'PG_DATABASE_MISSING', 'no such database'],
  ['42501', 'PG_DENIED', 'no right'],
  ['25006', 'PG_DENIED', 'a standby, or a session that only reads'],
  ['22', 'PG_VALUE', 'a value that an expression cannot take'],
  ['42', 'PG_QUERY', 'a column, table or function that is not there, or a syntax error'],
];

/** What a text says more exactly than its SQLSTATE. Poolers have one SQLSTATE for nearly everything: 08P01. */
const TEXTS: readonly (readonly [text: RegExp, code: ErrorCode])[] = [
  [/^query would be affected by row-level security policy/u, 'PG_ROW_SECURITY'],
  // Postgres calls these «feature not supported».
  [/^cannot convert$/u, 'PG_VALUE'],
  [/statement pooling mode/u, 'PG_SESSION'],
  [/^(?:no such user|password authentication failed|SASL|scram)/iu, 'PG_AUTH'],
  [/^(?:no such database|pgbouncer database is disabled|database removed)/iu, 'PG_DATABASE_MISSING'],
  [/^(?:idle.transaction.timeout|transaction timeout|query.timeout)/iu, 'PG_BUSY'],
  [POOLER_AWAY, 'PG_UNREACHABLE'],
  [/^(?:SSL required|server does not support SSL)/iu, 'PG_TLS'],
];

/** Errors of the language: only a fault of ours throws one here. */
const OURS = [TypeError, RangeError, ReferenceError, SyntaxError];

/** What the text may say where Postgres itself says too much. */
const NO_ENCRYPTION = /(?:no encryption|SSL off)$/u;

function ofServer(state: string, text: string, doing: string): RefillError {
  const said = safeText(text);
  const known = STATES.find(([prefix]) => state.startsWith(prefix))?.[1] ?? 'PG_QUERY';
  const told = said === undefined ? undefined : TEXTS.find(([pattern]) => pattern.test(said))?.[1];
  const code = told ?? known;
  // Never the error itself as a cause: its detail is a row (`Failing row contains (…)`).
  return new RefillError(code, `${doing}: Postgres says ${state}${said === undefined ? '' : `: ${said}`}`, {
    details: { sqlstate: state },
    ...(said !== undefined && NO_ENCRYPTION.test(said)
      ? { hint: 'The server takes only encrypted connections from here: set `tls` to require or verify-full.' }
      : {}),
  });
}

/** A driver's error as one of ours. Of Postgres' text only what is known to name no value is kept. */
export function postgresError(error: unknown, doing: string): RefillError {
  if (error instanceof RefillError) return error;
  const state = sqlState(error);
  const text = error instanceof Error ? error.message : String(error);
  if (state !== undefined) return ofServer(state, text, doing);
  const tls = tlsProblem(error);
  if (tls !== undefined) return new RefillError('PG_TLS', `${doing}: ${tls}`, { cause: error });
  if (LOST_NODE_CODES.has(codeOf(error)) || LOST_TEXT.test(text))
    return new RefillError('PG_UNREACHABLE', `${doing}: ${text}`, { cause: error });
  if (/^SASL|^Password must|^client password/u.test(text))
    return new RefillError('PG_AUTH', `${doing}: ${text}`, { cause: error });
  if (OURS.some((kind) => error instanceof kind)) return new RefillError('BUG', `${doing}: ${text}`, { cause: error });
  // node-postgres' own words for an answer that it does not understand.
  return new RefillError('PG_PROTOCOL', `${doing}: an answer that is not understood`, { cause: error });
}
