import { z } from 'zod';
import { LITERAL_IN_ADDRESS, LITERAL_PASSWORD, referenceProblem, safeKey } from './literals.ts';
import { didYouMean } from './suggest.ts';

/**
 * The kinds of value that a configuration is made of. Their messages never repeat a text that stands in the file: it
 * may be a password in the wrong place. Line and column say where it is.
 */

/** A zod issue on its way to becoming a message. */
type Issue = z.core.$ZodRawIssue;

/** A value in words that give nothing of it away. */
function kindOf(value: unknown): string {
  if (value === null) return 'nothing';
  if (value === '') return 'an empty text';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  if (typeof value === 'string') return 'a text';
  return `a ${typeof value}`;
}

/** The message of a value that is missing or of the wrong kind. */
export function expected(what: string): (issue: Issue) => string {
  return ({ input, code }) => {
    if (input === undefined) return `missing; expected ${what}`;
    if (input === '') return `is empty; expected ${what}`;
    // A text of the wrong form: it would say nothing that it is a text.
    if (typeof input === 'string' && code !== 'invalid_type') return `expected ${what}`;
    return `expected ${what}, got ${kindOf(input)}`;
  };
}

function unknownKey(key: string, known: readonly string[]): string {
  const safe = safeKey(key);
  if (safe !== key) {
    const gap = /^[\w-]+:/u.test(key) ? '; a space is missing after the colon' : '';
    return `unknown key \`${safe}\`${gap}`;
  }
  const meant = didYouMean(key, known);
  return `unknown key \`${key}\`${meant === '' ? `; known here: ${known.join(', ')}` : meant}`;
}

/** A map of these keys and no others. Its message for unknown keys has a line for each of them, in their order. */
export function strict<const S extends z.ZodRawShape>(shape: S, what = 'a map'): z.ZodObject<S, z.core.$strict> {
  const known = Object.keys(shape);
  const other = expected(`${what} with ${known.join(', ')}`);
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys' ? issue.keys.map((key) => unknownKey(key, known)).join('\n') : other(issue),
  });
}

/** A text that is not empty and has no control character. */
export function words(what: string): z.ZodString {
  const error = expected(what);
  // eslint-disable-next-line no-control-regex -- these are what it is about: they break logs and terminals
  return z.string({ error }).regex(/^[^\u0000-\u001f\u007f]+$/u, { error });
}

/** The message of a number; numbers are repeated, as no password is asked for where one is. */
function number(what: string): (issue: Issue) => string {
  return (issue) => (typeof issue.input === 'number' ? `expected ${what}, got ${issue.input}` : expected(what)(issue));
}

/** A whole number in a range, both ends included. */
export function whole(min: number, max: number): z.ZodNumber {
  const error = number(`a whole number from ${min} to ${max}`);
  return z.int({ error }).min(min, { error }).max(max, { error });
}

/** A number in a range, both ends included. */
export function between(min: number, max: number): z.ZodNumber {
  const error = number(`a number from ${min} to ${max}`);
  return z.number({ error }).min(min, { error }).max(max, { error });
}

/** One of some words. */
export function oneOf<const T extends readonly [string, ...string[]]>(values: T): z.ZodEnum<{ [K in T[number]]: K }> {
  const list = values.join(', ');
  return z.enum(values, {
    error: (issue) =>
      typeof issue.input === 'string'
        ? `expected one of ${list}${didYouMean(issue.input, values)}`
        : expected(`one of ${list}`)(issue),
  });
}

/** User and password before an `@`: 'password' where there is one, 'user' where not; undefined without an `@`. */
function userInfo(address: string): 'user' | 'password' | undefined {
  const rest = address.replace(/^[a-z][a-z0-9+.-]*:\/\//iu, '');
  const end = rest.lastIndexOf('@');
  if (end < 0) return undefined;
  return rest.slice(0, end).includes(':') ? 'password' : 'user';
}

/** Names of a query's parameters that hold a secret, whatever else is in them. */
const SECRET_PARAMETER = /pass|pwd|secret|token|credential|key$|auth|^sig(?:nature)?$/iu;

/** Whether an address carries a secret: before its `@`, or in its query or fragment. */
function holdsSecret(address: string): boolean {
  if (userInfo(address) === 'password') return true;
  const [, ...queries] = address.split(/[?#]/u);
  return queries.some((query) => [...new URLSearchParams(query).keys()].some((name) => SECRET_PARAMETER.test(name)));
}

function hostProblem(value: string): string | undefined {
  const info = userInfo(value);
  if (holdsSecret(value)) return LITERAL_IN_ADDRESS;
  if (value.startsWith('/') && info === undefined && !/\s/u.test(value)) return undefined;
  if (/^[^:]+:\d+$/u.test(value)) return 'expected a host without its port; write the port under `port`';
  return /[\s/@?#]/u.test(value) ? 'expected a host’s name or address, without scheme, user and path' : undefined;
}

/** What is wrong with any address of HTTP. */
function addressProblem(value: string, example: string): string | undefined {
  const info = userInfo(value);
  if (holdsSecret(value)) return LITERAL_IN_ADDRESS;
  if (info === 'user') return 'expected an address without a user; write it under `user`';
  if (!/^[a-z][a-z0-9+.-]*:\/\//iu.test(value)) return `expected an address with its scheme, such as ${example}`;
  return !URL.canParse(value) || /\s/u.test(value) ? `expected an address such as ${example}` : undefined;
}

const CLICKHOUSE_URL = 'http://host:8123';

function urlProblem(value: string): string | undefined {
  const problem = addressProblem(value, CLICKHOUSE_URL);
  if (problem !== undefined) return problem;
  if (!/^https?:\/\//iu.test(value)) {
    return 'expected http:// or https://: ClickHouse’s HTTP interface (8123, 8443), not the native one (9000, 9440)';
  }
  if (new URL(value).pathname !== '/') return 'expected an address without a path';
  return /[?#]/u.test(value) ? 'expected an address without `?` and `#`' : undefined;
}

function checked(schema: z.ZodString, problem: (value: string) => string | undefined): z.ZodString {
  return schema.superRefine((value, context) => {
    const message = value === '' ? undefined : problem(value);
    if (message !== undefined) context.addIssue({ code: 'custom', message });
  });
}

/** A host's name or address, or the directory of a Unix socket. */
export function host(): z.ZodString {
  return checked(words('a host’s name or address'), hostProblem);
}

/** The address of a ClickHouse server's HTTP interface, and nothing more than that. */
export function url(): z.ZodString {
  return checked(words(`an address such as ${CLICKHOUSE_URL}`), urlProblem).meta({
    pattern: String.raw`^https?://[^/?#@\s]+/?$`,
  });
}

/** The address of a service behind HTTP, with its path. */
export function serviceUrl(example: string): z.ZodString {
  const problem = (value: string) =>
    addressProblem(value, example) ??
    (/^https?:\/\//iu.test(value) ? undefined : 'expected an address that begins with http:// or https://');
  return checked(words(`an address such as ${example}`), problem).meta({ pattern: String.raw`^https?://[^@\s]+$` });
}

/** A server as `host:port`. */
export function hostAndPort(what: string): z.ZodString {
  const pattern = /^[^\s/@:]+:\d{1,5}$/u;
  const problem = (value: string) => {
    if (holdsSecret(value)) return LITERAL_IN_ADDRESS;
    return pattern.test(value) ? undefined : `expected ${what}`;
  };
  return checked(words(what), problem).meta({ pattern: pattern.source });
}

/** A reference to a secret; anything that could be the secret itself is refused and not repeated. */
export function reference(): z.ZodString {
  const empty = 'is empty; write env:NAME, file:PATH or exec:COMMAND, or leave the key out';
  const error = ({ input }: Issue): string => {
    if (input === null || input === '') return empty;
    const literal = typeof input === 'number' || typeof input === 'boolean' || typeof input === 'bigint';
    return literal ? LITERAL_PASSWORD : `expected a text: env:NAME, file:PATH or exec:COMMAND, got ${kindOf(input)}`;
  };
  return checked(z.string({ error }).min(1, { error }), referenceProblem).meta({
    pattern: '^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|exec:.+)$',
  });
}
