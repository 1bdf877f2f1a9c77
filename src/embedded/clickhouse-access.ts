import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

/** Who may use an engine that is guarded: one user, with a password. */
export interface Owner {
  readonly name: string;
  readonly password: string;
}

/** The user of a guarded engine. */
export const CLICKHOUSE_USER = 'refill';

/** Where the password of the engine of `dir` is. */
export function clickhousePasswordFile(dir: string): string {
  return join(dir, 'secrets', 'clickhouse');
}

/** The user of the engine of `dir`; undefined where it is not guarded. */
export function ownerOf(dir: string): Owner | undefined {
  const file = clickhousePasswordFile(dir);
  return existsSync(file) ? { name: CLICKHOUSE_USER, password: readFileSync(file, 'utf8').trim() } : undefined;
}

/** The header that a user is known by. */
export function authorization({ name, password }: Owner): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
}

/** Engines of tables and databases that keep what they have in the engine's own directory, or have nothing. */
const ENGINES = [
  'Atomic',
  'Memory',
  'Null',
  'View',
  'MaterializedView',
  'Distributed',
  'Dictionary',
  'Buffer',
  'Merge',
  ...['', 'Replacing', 'Summing', 'Aggregating', 'Collapsing', 'VersionedCollapsing'].map((kind) => `${kind}MergeTree`),
];

/** What the owner may do: all that a database is for, and nothing with files, other programs or other servers' data. */
const GRANTS = [
  'GRANT SELECT, INSERT, ALTER, CREATE DATABASE, CREATE TABLE, CREATE VIEW, CREATE DICTIONARY, CREATE FUNCTION, DROP, ' +
    'TRUNCATE, OPTIMIZE, SHOW, KILL QUERY, SYSTEM, CREATE TEMPORARY TABLE, CLUSTER, dictGet, INTROSPECTION ON *.*',
  'GRANT READ, WRITE ON REMOTE',
  ...ENGINES.map((engine) => `GRANT TABLE ENGINE ON ${engine}`),
];

/** The grants of the owner and of `default`, as users.xml has them. */
export const OWNER_GRANTS = GRANTS.map((grant) => `<query>${grant}</query>`).join('');
/** The engine's own entry point is `default` without a password, and starts the servers; it needs no more than that. */
export const DEFAULT_GRANTS = '<query>GRANT SYSTEM LISTEN ON *.*</query>';

/**
 * Part of config.xml: HTTP is for those who send the owner's password with every request, whatever else is in it. The
 * engine itself asks `default` for none, so it must not be reached without. A page in a browser cannot send the header:
 * the browser asks first, and is refused.
 */
export function guardedHandlers(owner: Owner): string {
  const header = authorization(owner).replaceAll('+', '\\+');
  return `<http_handlers>
    <rule>
      <headers><Authorization>regex:^${header}$</Authorization></headers>
      <handler><type>dynamic_query_handler</type><query_param_name>query</query_param_name></handler>
    </rule>
    <rule>
      <handler>
        <type>static</type><status>401</status><content_type>text/plain</content_type>
        <response_content>Code: 516. DB::Exception: Authentication failed. (AUTHENTICATION_FAILED) This server accepts HTTP Basic authentication only, for example curl --user refill:PASSWORD
</response_content>
      </handler>
    </rule>
  </http_handlers>`;
}
