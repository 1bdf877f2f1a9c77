import type { ErrorCode } from '../domain/catalogue.ts';
import { RefillError } from '../domain/errors.ts';

/**
 * What a SQLSTATE means for us, exact codes before their classes. What is retried is in this table, each for a reason;
 * the unknown is not retried.
 */
const STATES: readonly (readonly [prefix: string, code: ErrorCode, why: string])[] = [
  ['40P01', 'PG_BUSY', 'a deadlock: one of the two was chosen to try again'],
  ['40001', 'PG_BUSY', 'a serialisation failure, or a conflict with recovery on a standby'],
  ['55P03', 'PG_BUSY', 'a lock was not available in time'],
  ['57014', 'PG_BUSY', 'a statement timeout, or somebody cancelled the query'],
  ['25P03', 'PG_UNREACHABLE', 'the server ended an idle transaction'],
  ['57P', 'PG_UNREACHABLE', 'the server shuts down, restarts or is starting'],
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

const NETWORK = /ECONNREFUSED|ECONNRESET|EPIPE|ENOTFOUND|ETIMEDOUT|EHOSTUNREACH|EAI_AGAIN|ENETUNREACH/u;

/** Postgres calls these «feature not supported». */
const CONVERSION = /^cannot convert (?:NaN|-?infinity) to /u;

/** Class 22 quotes the value that it could not convert: at the end, or at the beginning. */
function withoutValue(text: string): string {
  if (CONVERSION.test(text)) return 'a value that is not finite cannot be converted';
  return text.startsWith('"')
    ? `a value${text.slice(text.lastIndexOf('"') + 1)}`
    : text.replace(/["“:].*$/su, '').trim();
}

/** The SQLSTATE of an error that Postgres itself reported. */
export function sqlState(error: unknown): string | undefined {
  const code = codeOf(error);
  return typeof code === 'string' && /^[0-9A-Z]{5}$/u.test(code) ? code : undefined;
}

function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

/** A driver's error as one of ours. Postgres' text is kept only where it cannot quote a row. */
export function postgresError(error: unknown, doing: string): RefillError {
  if (error instanceof RefillError) return error;
  const state = sqlState(error);
  const text = error instanceof Error ? error.message : String(error);
  if (state !== undefined) {
    const known = STATES.find(([prefix]) => state.startsWith(prefix))?.[1] ?? 'PG_QUERY';
    const code = CONVERSION.test(text) ? 'PG_VALUE' : known;
    const said = code === 'PG_VALUE' ? withoutValue(text) : text;
    return new RefillError(code, `${doing}: Postgres says ${state}: ${said}`, {
      cause: error,
      details: { sqlstate: state },
    });
  }
  if (NETWORK.test(`${String(codeOf(error))} ${text}`) || /terminat|timeout|closed|ended|not queryable/iu.test(text)) {
    return new RefillError('PG_UNREACHABLE', `${doing}: ${text}`, { cause: error });
  }
  if (/password|SASL|authentication/iu.test(text))
    return new RefillError('PG_AUTH', `${doing}: ${text}`, { cause: error });
  return new RefillError('BUG', `${doing}: ${text}`, { cause: error });
}
