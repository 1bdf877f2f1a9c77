import type { ErrorCode } from '../domain/catalogue.ts';
import { RefillError } from '../domain/errors.ts';
import { NETWORK_CODES } from '../domain/network.ts';
import { CODES } from './error-codes.ts';

/** A name of a server's: of a setting, a table, a column. Nothing else of an answer is ever repeated. */
const NAME = '[`\'"]?([A-Za-z_][\\w.]{0,199})[`\'"]?';

/** A text that decides more than its code does. */
interface Text {
  readonly pattern: RegExp;
  readonly code?: ErrorCode;
  /** What is said of it; `$1` is a name out of the text. Default: nothing. */
  readonly says?: string;
}

/**
 * Texts that are understood, by the code that they come with. A text is printed only as it stands here, with names in
 * it, and only of codes whose errors cannot quote a row.
 */
const TEXTS: Readonly<Record<number, readonly Text[]>> = {
  16: [{ pattern: new RegExp(`^No such column ${NAME}`, 'u'), says: 'no column $1' }],
  46: [{ pattern: new RegExp(`^(?:Unknown function|Function with name) ${NAME}`, 'u'), says: 'no function $1' }],
  47: [
    {
      pattern: new RegExp(
        `^(?:Unknown expression identifier|Missing columns:|Unknown expression or function identifier) ${NAME}`,
        'u',
      ),
      says: 'no column $1',
    },
  ],
  60: [{ pattern: new RegExp(`^(?:Unknown table expression identifier|Table) ${NAME}`, 'u'), says: 'no table $1' }],
  81: [{ pattern: new RegExp(`^Database ${NAME}`, 'u'), says: 'no database $1' }],
  115: [{ pattern: new RegExp(`^(?:Unknown setting|Setting) ${NAME}`, 'u'), says: 'no setting $1' }],
  164: [
    {
      pattern: new RegExp(`^Cannot modify ${NAME} setting in readonly mode`, 'u'),
      code: 'CH_SETTING_FORBIDDEN',
      says: 'the user has readonly = 1 and may not set $1',
    },
    { pattern: /in readonly mode/u, code: 'CH_USER_READ_ONLY', says: 'the user is read-only' },
  ],
  252: [
    {
      pattern: /^Too many partitions for single INSERT block/u,
      code: 'CH_TOO_MANY_PARTITIONS',
      says: 'more partitions in an insert than its max_partitions_per_insert_block',
    },
  ],
  395: [
    {
      pattern: new RegExp(`^refill: a value does not fit the column «([^»]*)»`, 'u'),
      code: 'CH_VALUE',
      says: 'a value does not fit the column $1',
    },
  ],
  452: [{ pattern: new RegExp(`^Setting ${NAME}`, 'u'), says: 'the setting $1 may not be changed' }],
  497: [
    {
      pattern:
        /necessary to have the grant ([A-Z][A-Z ]*[A-Z](?:\([\w, `]+\))? ON [\w.*`]+|[A-Z][A-Z ]*[A-Z] for at least one column on [\w.`]+)/u,
      says: 'the grant $1 is missing',
    },
  ],
};

/** Codes of a server whose disk may be full, as an errno says inside of the text. */
const DISK_CODES: readonly number[] = [74, 75, 76, 243, 1001];
const NO_SPACE = /No space left on device|Cannot reserve/u;
/** The view whose run failed, as the server names it last: before that its text may quote a row. */
const VIEW = /while pushing to view ([\w.`]+)(?![\s\S]*while pushing to view)/u;
/** Errors that a view's own SELECT makes; busy, full or out of memory is the server's, whichever view was run. */
const OF_VIEW: readonly ErrorCode[] = ['CH_VALUE', 'CH_QUERY', 'CH_ROWS_REFUSED'];

interface Understood {
  readonly code: ErrorCode;
  readonly says: string;
  readonly view?: string;
}

function understood(number: number, text: string): Understood {
  const [code] = CODES[number] ?? ['CH_QUERY'];
  if (DISK_CODES.includes(number) && NO_SPACE.test(text)) return { code: 'CH_DISK_FULL', says: '' };
  const view = OF_VIEW.includes(code) ? VIEW.exec(text)?.[1] : undefined;
  if (view !== undefined) return { code: 'CH_VIEW_FAILED', says: `in the view ${view}`, view };
  for (const one of TEXTS[number] ?? []) {
    const found = one.pattern.exec(text);
    if (found) return { code: one.code ?? code, says: (one.says ?? '').replace('$1', () => found[1] ?? '') };
  }
  return { code, says: code === 'CH_VALUE' ? 'the row is not shown' : '' };
}

/** An error of the server, by its number. */
function serverError(number: number, text: string, doing: string, cause: unknown): RefillError {
  const { code, says, view } = understood(number, text);
  const name = CODES[number]?.[1];
  const parts = [`ClickHouse says ${number}${name === undefined ? '' : ` ${name}`}`, ...(says === '' ? [] : [says])];
  return new RefillError(code, `${doing}: ${parts.join(': ')}`, {
    cause,
    details: { clickhouse: number, ...(view === undefined ? {} : { view }) },
  });
}

const NETWORK_TEXT =
  /^(?:socket hang up|Timeout error\.?|aborted|The user aborted a request\.?|Client network socket disconnected before secure TLS connection was established)$/u;
/** Codes of Node's and OpenSSL's: of a certificate, of a handshake with something that speaks no TLS. */
const TLS =
  /^(?:CERT_|DEPTH_ZERO_|SELF_SIGNED_|UNABLE_TO_|HOSTNAME_MISMATCH|INVALID_CA|INVALID_PURPOSE|PATH_LENGTH|ERR_TLS_|ERR_SSL_|ERR_OSSL_|EPROTO$|ERROR_IN_CERT)/u;
/** Codes of Node's where an answer is no HTTP. */
const NO_HTTP = /^HPE_/u;
/** What stands before a server says that it cannot be reached now. */
const GATEWAY = /\b50[234]\b|Bad Gateway|Service (?:Temporarily )?Unavailable|Gateway Time-?out|upstream/iu;
/** Errors that a program makes of itself. */
const OWN = [TypeError, RangeError, ReferenceError, EvalError];

/** An error of the way to the server, or of something else that answers there. Its text is not repeated: it may be a page. */
function wayError(error: unknown, text: string, doing: string): RefillError {
  const code = typeof error === 'object' && error !== null ? String(Reflect.get(error, 'code') ?? '') : '';
  const as = (kind: ErrorCode, says: string) => new RefillError(kind, `${doing}: ${says}`, { cause: error });
  if (NETWORK_CODES.has(code)) return as('CH_UNREACHABLE', code);
  if (TLS.test(code)) return as('CH_TLS', code);
  if (NO_HTTP.test(code)) return as('CH_NOT_CLICKHOUSE', `the answer is no HTTP (${code})`);
  const refused = [...NETWORK_CODES].find((one) => text.startsWith(`connect ${one}`) || text.includes(` ${one} `));
  if (refused !== undefined) return as('CH_UNREACHABLE', refused);
  if (NETWORK_TEXT.test(text)) return as('CH_UNREACHABLE', text.replace(/\.$/u, '').toLowerCase());
  if (!(error instanceof Error)) return as('BUG', 'something that is no error was thrown');
  if (OWN.some((kind) => error instanceof kind)) return as('BUG', text.slice(0, 200));
  if (error instanceof SyntaxError) return as('CH_NOT_CLICKHOUSE', 'the answer is not what ClickHouse says');
  if (GATEWAY.test(text.slice(0, 2000)))
    return as('CH_UNREACHABLE', 'a proxy answers that it does not reach the server');
  return as('CH_NOT_CLICKHOUSE', 'what answers there is not ClickHouse’s HTTP interface');
}

/** A server's own text, without what the client has taken away already. */
const SERVER_TEXT = /^Code: (\d+)\. (?:DB::Exception: )?(.*)$/su;

/** A driver's or server's error as one of ours. */
export function clickhouseError(error: unknown, doing: string): RefillError {
  if (error instanceof RefillError) return error;
  const text = error instanceof Error ? error.message : String(error);
  const [, inText, rest] = SERVER_TEXT.exec(text) ?? [];
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined;
  const number = Number(inText ?? (typeof code === 'string' && /^\d+$/u.test(code) ? code : Number.NaN));
  return Number.isInteger(number) ? serverError(number, rest ?? text, doing, error) : wayError(error, text, doing);
}
