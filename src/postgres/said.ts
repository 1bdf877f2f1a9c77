import { NETWORK_CODES } from '../domain/network.ts';

/** The SQLSTATE of an error that Postgres itself reported. */
export function sqlState(error: unknown): string | undefined {
  const code = codeOf(error);
  // Node has codes of five letters too: EPIPE.
  return typeof code === 'string' && /^[0-9A-Z]{5}$/u.test(code) && code !== 'EPIPE' ? code : undefined;
}

export function codeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
}

const NAME = String.raw`[\w$."-]+`;

/**
 * Texts of Postgres and of poolers that name objects of a schema, users, settings and servers, and never a value. An
 * error is repeated as far as one of them goes; any other text could quote a row (`Failing row contains …`), or be what a
 * function of the source chose to raise. Postgres in another language matches none of them, and is named by its SQLSTATE.
 */
const SAFE: readonly RegExp[] = [
  // Rights, users, databases.
  new RegExp(`^permission denied (?:for|to) [\\w ]+(?: ${NAME})?`, 'u'),
  new RegExp(`^must be owner of [\\w ]+ ${NAME}`, 'u'),
  new RegExp(`^query would be affected by row-level security policy for table ${NAME}`, 'u'),
  new RegExp(`^password authentication failed(?: for user ${NAME})?`, 'u'),
  new RegExp(`^(?:role|database|user) ${NAME} does not exist`, 'u'),
  new RegExp(`^role ${NAME} is not permitted to log in`, 'u'),
  /^no pg_hba\.conf entry for host "[\w.:%-]+", user "[\w$.@-]+", database "[\w$.@-]+"(?:, (?:no encryption|SSL (?:off|on|encryption)))?/u,
  /^(?:SASL|scram)[\w -]*(?:failed|required)/iu,
  // The dataset's own SQL.
  new RegExp(`^(?:column|relation|schema|type|collation|operator class|language) ${NAME} does not exist`, 'u'),
  new RegExp(`^column reference ${NAME} is ambiguous`, 'u'),
  new RegExp(`^missing FROM-clause entry for table ${NAME}`, 'u'),
  new RegExp(`^invalid reference to FROM-clause entry for table ${NAME}`, 'u'),
  new RegExp(`^column ${NAME} must appear in the GROUP BY clause or be used in an aggregate function`, 'u'),
  /^(?:function|procedure|aggregate) [\w$."]+\([\w$.", [\]]*\) (?:does not exist|is not unique)/u,
  /^operator (?:does not exist|is not unique): [\w$." [\]]+ [-+*/<>=~!@#%^&|`?]+ [\w$." [\]]+/u,
  /^(?:argument of [A-Z ]+|CASE types|UNION types|COALESCE types)[\w ,/]+/u,
  /^cannot cast type [\w ]+(?:\[\])? to [\w ]+/u,
  /^(?:syntax error at end of input|syntax error)/u,
  new RegExp(`^cannot execute [A-Z ]+ in a read-only transaction`, 'u'),
  /^cannot execute [A-Z ]+ during recovery/u,
  new RegExp(`^(?:unrecognized configuration parameter|parameter) ${NAME}(?: cannot be [\\w ]+)?`, 'u'),
  new RegExp(`^prepared statement ${NAME} (?:does not exist|already exists)`, 'u'),
  // Values that an expression cannot take: what kind of value it wants, and not which one it got.
  /^invalid input syntax for (?:type )?[\w ]+/u,
  /^(?:division by zero|(?:bigint|integer|smallint|money|interval|timestamp|date|numeric field|value) (?:out of range|overflow))/u,
  /^numeric field overflow/u,
  // Which of the three it was is the row's.
  /^cannot convert(?= (?:NaN|-?infinity) to )/u,
  /^cannot take (?:square root|logarithm) of (?:a negative number|zero)/u,
  /^invalid (?:byte sequence for encoding|memory alloc request size)/u,
  // What the server is at.
  /^canceling statement due to (?:statement timeout|lock timeout|user request|conflict with recovery)/u,
  /^terminating connection due to (?:idle-in-transaction timeout|idle-session timeout|transaction timeout|administrator command|conflict with recovery|unexpected postmaster exit)/u,
  /^(?:deadlock detected|could not obtain lock on [\w ]+)/u,
  /^could not serialize access due to [\w/ -]+/u,
  /^the database system is (?:starting up|shutting down|in recovery mode|not accepting connections|not yet accepting connections)/u,
  /^(?:sorry, )?too many (?:clients already|connections for (?:role|database) "[\w$.@-]+")/u,
  /^remaining connection slots are reserved[\w ,"]*/u,
  /^(?:out of memory|could not (?:resize shared memory segment|write to temporary file|extend file))/u,
  // PgBouncer, in the words of its source.
  /^(?:pgbouncer cannot connect to server|server login has been failing|server login failed|server conn crashed\?|client_login_timeout(?: \(\w+\))?|client_idle_timeout|idle transaction timeout|idle_transaction_timeout|transaction timeout|query_timeout|query timeout|query_wait_timeout|pgbouncer database is disabled|database removed|pooler is shut down|server closed the connection unexpectedly|no such user|no such database(?:: [\w$.@-]+)?|no more connections allowed(?: \(\w+\))?|unsupported startup parameter(?: in options)?: \w+|unsupported pkt type: \d+|(?:transaction blocks|transactions?|long transactions) not allowed in statement pooling mode|SSL required|server does not support SSL[\w ]*)/iu,
];

/** The part of a server's text that may be repeated; undefined where none may. */
export function safeText(text: string): string | undefined {
  for (const pattern of SAFE) {
    const [said] = pattern.exec(text) ?? [];
    if (said !== undefined) return said.trim();
  }
  return undefined;
}

/** Codes of Node for a connection that could not be made or broke. ENOENT is a Unix socket whose server is away. */
export const LOST_NODE_CODES: ReadonlySet<unknown> = new Set([...NETWORK_CODES, 'ENOENT']);

/** What poolers say, with the SQLSTATE of a broken protocol, when they have no session to give, or have lost one. */
export const POOLER_AWAY =
  /^(?:pgbouncer cannot connect|server login|server conn crashed|server closed the connection|client_|query_wait_timeout|pooler is shut|no more connections)/iu;

/** What node-postgres says, without a code, of a connection that is gone. */
export const LOST_TEXT =
  /^(?:Connection terminated|timeout exceeded when trying to connect|timeout expired|Query read timeout|Client has encountered a connection error|Client was closed and is not queryable)/u;

/** What node-postgres and OpenSSL say where the two sides cannot agree on TLS. */
const TLS_TEXT = /^(?:The server does not support SSL connections|There was an error establishing an SSL connection)/u;
const TLS_CODE =
  /^(?:ERR_TLS_\w+|ERR_SSL_\w+|CERT_\w+|\w+_CERT_?\w*|UNABLE_TO_\w+|SELF_SIGNED_\w+|DEPTH_ZERO_\w+|HOSTNAME_MISMATCH|EPROTO)$/u;

/** Why TLS was not agreed on, in the library's words, which know no row; undefined where an error is not about TLS. */
export function tlsProblem(error: unknown): string | undefined {
  const text = error instanceof Error ? error.message : '';
  const code = codeOf(error);
  if (typeof code === 'string' && TLS_CODE.test(code)) return `${code}: ${text.split('\n')[0]}`;
  return TLS_TEXT.exec(text)?.[0];
}
