import type { ErrorCode } from '../domain/catalogue.ts';
import { RefillError } from '../domain/errors.ts';

/**
 * What a ClickHouse error code means for us, with the reason. What is retried is in this table; the unknown is not.
 * Codes: src/Common/ErrorCodes.cpp of ClickHouse.
 */
const CODES: Readonly<Record<number, readonly [code: ErrorCode, why: string]>> = {
  6: ['CH_VALUE', 'CANNOT_PARSE_TEXT'],
  25: ['CH_VALUE', 'CANNOT_PARSE_ESCAPE_SEQUENCE'],
  26: ['CH_VALUE', 'CANNOT_PARSE_QUOTED_STRING'],
  27: ['CH_VALUE', 'CANNOT_PARSE_INPUT_ASSERTION_FAILED: the columns of a row do not fit'],
  32: ['CH_UNREACHABLE', 'ATTEMPT_TO_READ_AFTER_EOF: the body ended early'],
  33: ['CH_UNREACHABLE', 'CANNOT_READ_ALL_DATA: the body ended early'],
  38: ['CH_VALUE', 'CANNOT_PARSE_DATE'],
  41: ['CH_VALUE', 'CANNOT_PARSE_DATETIME'],
  53: ['CH_VALUE', 'TYPE_MISMATCH'],
  60: ['CH_TABLE_MISSING', 'UNKNOWN_TABLE'],
  69: ['CH_VALUE', 'ARGUMENT_OUT_OF_BOUND'],
  70: ['CH_VALUE', 'CANNOT_CONVERT_TYPE'],
  72: ['CH_VALUE', 'CANNOT_PARSE_NUMBER'],
  81: ['CH_TABLE_MISSING', 'UNKNOWN_DATABASE'],
  117: ['CH_VALUE', 'INCORRECT_DATA'],
  130: ['CH_VALUE', 'CANNOT_READ_ARRAY_FROM_TEXT'],
  159: ['CH_BUSY', 'TIMEOUT_EXCEEDED'],
  164: ['CH_READ_ONLY', 'READONLY: the user or the server may only read'],
  190: ['CH_VALUE', 'SIZES_OF_ARRAYS_DONT_MATCH: the columns of a Nested have one length in each row'],
  192: ['CH_AUTH', 'UNKNOWN_USER'],
  193: ['CH_AUTH', 'WRONG_PASSWORD'],
  194: ['CH_AUTH', 'REQUIRED_PASSWORD'],
  202: ['CH_BUSY', 'TOO_MANY_SIMULTANEOUS_QUERIES'],
  209: ['CH_UNREACHABLE', 'SOCKET_TIMEOUT'],
  210: ['CH_UNREACHABLE', 'NETWORK_ERROR'],
  225: ['CH_KEEPER_UNREACHABLE', 'NO_ZOOKEEPER: it may come back'],
  236: ['CH_BUSY', 'ABORTED: the server is stopping'],
  241: ['CH_BUSY', 'MEMORY_LIMIT_EXCEEDED'],
  242: ['CH_KEEPER_UNREACHABLE', 'TABLE_IS_READ_ONLY: a replicated table without its Keeper'],
  243: ['CH_DISK_FULL', 'NOT_ENOUGH_SPACE'],
  252: ['CH_TOO_MANY_PARTS', 'TOO_MANY_PARTS'],
  279: ['CH_UNREACHABLE', 'ALL_CONNECTION_TRIES_FAILED'],
  285: ['CH_BUSY', 'TOO_FEW_LIVE_REPLICAS'],
  319: ['CH_BUSY', 'UNKNOWN_STATUS_OF_INSERT: written again with another version, and the first try is cleared'],
  321: ['CH_VALUE', 'VALUE_IS_OUT_OF_RANGE_OF_DATA_TYPE'],
  349: ['CH_VALUE', 'CANNOT_INSERT_NULL_IN_ORDINARY_COLUMN'],
  376: ['CH_VALUE', 'CANNOT_PARSE_UUID'],
  394: ['CH_BUSY', 'QUERY_WAS_CANCELLED'],
  395: ['CH_VALUE', 'FUNCTION_THROW_IF_VALUE_IS_NON_ZERO: a check of ours'],
  407: ['CH_VALUE', 'DECIMAL_OVERFLOW'],
  425: ['CH_UNREACHABLE', 'SYSTEM_ERROR'],
  439: ['CH_BUSY', 'CANNOT_SCHEDULE_TASK'],
  467: ['CH_VALUE', 'CANNOT_PARSE_BOOL'],
  473: ['CH_BUSY', 'DEADLOCK_AVOIDED'],
  497: ['CH_DENIED', 'ACCESS_DENIED'],
  516: ['CH_AUTH', 'AUTHENTICATION_FAILED'],
  517: ['CH_BUSY', 'CANNOT_ASSIGN_ALTER: too many ALTERs at once'],
  632: ['CH_VALUE', 'UNEXPECTED_DATA_AFTER_PARSED_VALUE'],
  675: ['CH_VALUE', 'CANNOT_PARSE_IPV4'],
  676: ['CH_VALUE', 'CANNOT_PARSE_IPV6'],
  774: ['CH_READ_ONLY', 'TABLE_IS_PERMANENTLY_READ_ONLY'],
  999: ['CH_KEEPER_UNREACHABLE', 'KEEPER_EXCEPTION: it may come back'],
};

/** No space left on device, as an errno inside of codes 74, 75, 76 and 1001. */
const NO_SPACE = /No space left on device|Cannot reserve/iu;
const NETWORK =
  /ECONNREFUSED|ECONNRESET|EPIPE|ENOTFOUND|ETIMEDOUT|EHOSTUNREACH|EAI_AGAIN|socket hang up|Timeout error|aborted/iu;

/** The text of a server's error without what could quote a row: it is cut before the first value. */
function harmless(text: string, code: ErrorCode): string {
  const own = /refill: a value does not fit the column «[^»]*»/u.exec(text);
  if (own) return own[0].replaceAll(/[«»]/gu, '');
  if (code === 'CH_VALUE') return 'the row is not shown';
  return text
    .replaceAll(/\s+/gu, ' ')
    .replace(/\(version [^)]*\).*$/u, '')
    .slice(0, 400)
    .trim();
}

/** A field of whatever was thrown. */
function fieldOf(error: unknown, name: 'code' | 'type'): unknown {
  return typeof error === 'object' && error !== null ? Reflect.get(error, name) : undefined;
}

/** A driver's or server's error as one of ours. */
export function clickhouseError(error: unknown, doing: string): RefillError {
  if (error instanceof RefillError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const number = Number(fieldOf(error, 'code') ?? /^Code: (\d+)/u.exec(text)?.[1]);
  if (Number.isInteger(number) && number > 0) {
    const code: ErrorCode = NO_SPACE.test(text) ? 'CH_DISK_FULL' : (CODES[number]?.[0] ?? 'CH_QUERY');
    const type = fieldOf(error, 'type');
    const name = typeof type === 'string' ? ` ${type}` : '';
    return new RefillError(code, `${doing}: ClickHouse says ${number}${name}: ${harmless(text, code)}`, {
      cause: error,
      details: { clickhouse: number },
    });
  }
  if (NETWORK.test(`${String(fieldOf(error, 'code'))} ${text}`)) {
    return new RefillError('CH_UNREACHABLE', `${doing}: ${text.slice(0, 200)}`, { cause: error });
  }
  return new RefillError('BUG', `${doing}: ${text.slice(0, 200)}`, { cause: error });
}
