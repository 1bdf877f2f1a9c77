import { hashKey } from '../domain/row-hash.ts';
import { parseTargetType } from './target-type.ts';
import type { ColumnKind, TableDefinition } from './definition.ts';

/**
 * What identifies a row: the canonical fields of its key columns as they begin its canonical line, escaped and with tabs
 * between them, one byte a character. Two keys are the same if their bytes are; a key that Postgres cannot hold (a NUL,
 * bytes that are not UTF-8) is still a key of the target.
 */
export type Key = string;

/** A column of a table's key, with what turns its canonical text into one that a person and Postgres can read. */
export interface KeyColumn {
  readonly name: string;
  readonly kind: ColumnKind;
  /** Digits of a second for a timestamp, of a hexadecimal number for a float; 0 otherwise. */
  readonly digits: number;
}

/** The target columns that identify a row, in the order that the definition gives. */
export function keyNames({ key }: Pick<TableDefinition, 'key'>): readonly string[] {
  return typeof key === 'string' ? [key] : key;
}

/** Kinds that no key column has: what contains other values is looked up by none. */
const NO_KEY: readonly ColumnKind[] = ['array', 'map', 'tuple'];

/** A key column of a target type; a text says why it cannot be one. */
export function keyColumn(name: string, kind: ColumnKind, type: string): KeyColumn | string {
  if (NO_KEY.includes(kind)) return `a key column cannot be of the kind ${kind}`;
  const target = parseTargetType(type);
  const digits: Readonly<Record<string, number>> = {
    DateTime64: Number(target.args[0] ?? 3),
    Float64: 16,
    Float32: 8,
  };
  return { name, kind, digits: digits[target.base] ?? 0 };
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v', '0': '\0' };

/** Undoes the escapes of COPY's text and of TabSeparated, which agree on those that both write. */
export function unescapeField(field: string): string {
  return field.includes('\\') ? field.replaceAll(/\\(.)/gsu, (_, c: string) => ESCAPES[c] ?? c) : field;
}

/** The fields of a key without escapes, one byte a character; null is NULL. */
export function keyFields(key: Key): readonly (string | null)[] {
  return key.split('\t').map((field) => (field === '\\N' ? null : unescapeField(field)));
}

const DAY_MS = 86_400_000;

/** The bytes of a latin1 string as text; null where they are no text that Postgres can hold. */
function textOf(bytes: string): string | null {
  if (bytes.includes('\0')) return null;
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Buffer.from(bytes, 'latin1'));
  } catch {
    return null;
  }
}

function floatText(bits: string): string {
  if (bits === 'nan') return 'NaN';
  const bytes = Buffer.from(bits, 'hex');
  const value = bytes.length === 4 ? bytes.readFloatBE() : bytes.readDoubleBE();
  return String(value);
}

/** Ticks since the epoch as an instant with as many digits. */
function instantText(ticks: string, digits: number): string | null {
  const unit = 10n ** BigInt(digits);
  const value = BigInt(ticks);
  const seconds = value / unit - (value % unit < 0n ? 1n : 0n);
  const rest = value - seconds * unit;
  const at = new Date(Number(seconds) * 1000);
  if (Number.isNaN(at.getTime())) return null;
  const whole = at.toISOString().slice(0, 19);
  return digits === 0 ? `${whole}Z` : `${whole}.${String(rest).padStart(digits, '0')}Z`;
}

/** Kinds whose canonical text is not what Postgres casts. */
const TEXTS: Partial<Record<ColumnKind, (field: string, digits: number) => string | null>> = {
  float: floatText,
  timestamp: instantText,
  date: (days) => new Date(Number(days) * DAY_MS).toISOString().slice(0, 10),
};

/** A field as the text that Postgres casts to the key's type; null where Postgres cannot hold it. */
const fieldText = ({ kind, digits }: KeyColumn, field: string): string | null => (TEXTS[kind] ?? textOf)(field, digits);

/** The texts of a key's columns for Postgres; null where Postgres cannot hold such a key. */
export function keyTexts(columns: readonly KeyColumn[], key: Key): readonly string[] | null {
  const texts: string[] = [];
  for (const [index, field] of keyFields(key).entries()) {
    const column = columns[index];
    const text = column === undefined || field === null ? null : fieldText(column, field);
    if (text === null) return null;
    texts.push(text);
  }
  return texts;
}

/** Characters of a key that reports and the ledger show; a longer one is cut, with its length. */
const SHOWN = 500;

/** Tells keys that begin alike from each other. */
function fingerprint(field: string): string {
  const bytes = Buffer.from(field, 'latin1');
  return hashKey(bytes, 0, bytes.length).toString(16).padStart(8, '0');
}

/** Text that would be read as something else if it were shown as it is. */
// oxlint-disable-next-line no-control-regex -- characters that would break a line.
const AMBIGUOUS = /[\x00-\x1f\x7f]|\\\\|\\x[0-9a-f]{2}|^\\N$/iu;

/** A field as a person reads it: what is no printable text is escaped, so that it can neither break a line nor be lost. */
function shownField(column: KeyColumn, field: string | null): string {
  if (field === null) return '\\N';
  const text = fieldText(column, field);
  const shown = text !== null && !AMBIGUOUS.test(text) ? text : escapeShown(text ?? field, text === null);
  return shown.length > SHOWN ? `${shown.slice(0, SHOWN)}… (${field.length} bytes, ${fingerprint(field)})` : shown;
}

/** @param bytes Whether it is bytes, one a character, that are no text. */
function escapeShown(text: string, bytes: boolean): string {
  // oxlint-disable-next-line no-control-regex -- these are what is escaped.
  const unprintable = bytes ? /[\x00-\x1f\x7f-\xff]/gu : /[\x00-\x1f\x7f]/gu;
  return text.replaceAll('\\', '\\\\').replaceAll(unprintable, hexEscape);
}

const hexEscape = (c: string) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`;

/** A key as reports, `explain` and the ledger show it: `42`, or `order_id=42,line_no=1`. */
export function showKey(columns: readonly KeyColumn[], key: Key): string {
  const fields = keyFields(key);
  const shown = columns.map((column, index) => shownField(column, fields[index] ?? null));
  return columns.length === 1
    ? (shown[0] ?? '')
    : columns.map(({ name }, index) => `${name}=${shown[index] ?? ''}`).join(',');
}

/** Undoes `shownField`'s escapes: bytes, one a character. */
function unescapeShown(shown: string): string {
  const bytes = Buffer.from(shown, 'utf8').toString('latin1');
  if (!AMBIGUOUS.test(shown)) return bytes;
  return bytes.replaceAll(/\\(?:x([0-9a-f]{2})|\\)/giu, (whole, hex: string | undefined) =>
    hex === undefined ? whole.slice(1) : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

const ESCAPED: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\0': '\\0',
};

/** A field's bytes with the escapes of the canonical line. */
// oxlint-disable-next-line no-control-regex -- these are what COPY escapes.
const escapeField = (bytes: string) => bytes.replaceAll(/[\\\x00\x08-\x0d]/gu, (c) => ESCAPED[c] ?? c);

/** The key of some canonical texts, as Postgres sends them; null is NULL. */
export function keyFrom(texts: readonly (string | null)[]): Key {
  return texts
    .map((text) => (text === null ? '\\N' : escapeField(Buffer.from(text, 'utf8').toString('latin1'))))
    .join('\t');
}

/** Kinds whose canonical text is not what a person writes. */
const PARSERS: Partial<Record<ColumnKind, (shown: string, digits: number) => string | null>> = {
  float: parseFloatBits,
  timestamp: parseInstant,
  date: (shown) => {
    const days = /^\d{4}-\d\d-\d\d$/u.test(shown) ? Date.parse(shown) / DAY_MS : NaN;
    return Number.isInteger(days) ? String(days) : null;
  },
  bool: (shown) => ({ true: '1', t: '1', '1': '1', false: '0', f: '0', '0': '0' })[shown.toLowerCase()] ?? null,
  int: (shown) => (/^-?\d+$/u.test(shown) ? String(BigInt(shown)) : null),
  uuid: (shown) => shown.toLowerCase(),
};

/** The canonical field of what a person wrote for a key column; null where it is no value of its kind. */
function parseField({ kind, digits }: KeyColumn, shown: string): string | null {
  if (shown === '\\N') return '\\N';
  const parse = PARSERS[kind];
  return parse ? parse(shown, digits) : escapeField(unescapeShown(shown));
}

function parseFloatBits(shown: string, digits: number): string | null {
  const value = Number(shown);
  if (shown.trim() === '' || (Number.isNaN(value) && shown.toLowerCase() !== 'nan')) return null;
  if (Number.isNaN(value)) return 'nan';
  const bytes = Buffer.alloc(digits / 2);
  // -0 counts as 0.
  if (digits === 8) bytes.writeFloatBE(value + 0);
  else bytes.writeDoubleBE(value + 0);
  return bytes.toString('hex');
}

function parseInstant(shown: string, digits: number): string | null {
  const [, whole, fraction = '', zone] =
    /^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:?\d\d)$/u.exec(shown) ?? [];
  const seconds = whole === undefined ? NaN : Date.parse(`${whole.replace(' ', 'T')}${zone ?? 'Z'}`) / 1000;
  if (!Number.isInteger(seconds)) return null;
  return String(BigInt(seconds) * 10n ** BigInt(digits) + BigInt(`0${fraction.padEnd(digits, '0').slice(0, digits)}`));
}

/**
 * The key that a person means: a value, or `column=value,column=value` for a composite one; null where the text is no key
 * of this table.
 */
export function parseKey(columns: readonly KeyColumn[], text: string): Key | null {
  const named = namedValues(columns, text);
  if (named === null && columns.length > 1) return null;
  const fields = columns.map((column) => parseField(column, named?.get(column.name) ?? text));
  return fields.some((field) => field === null) ? null : fields.join('\t');
}

/** `a=1,b=2` by column, where each of the columns is named exactly once. */
function namedValues(columns: readonly KeyColumn[], text: string): ReadonlyMap<string, string> | null {
  const starts = columns
    .flatMap(({ name }) => {
      const at = text.startsWith(`${name}=`) ? 0 : text.indexOf(`,${name}=`) + 1;
      return at > 0 || text.startsWith(`${name}=`) ? [{ name, at }] : [];
    })
    .sort((a, b) => a.at - b.at);
  if (starts.length !== columns.length || starts[0]?.at !== 0) return null;
  return new Map(
    starts.map(({ name, at }, index) => {
      const end = starts[index + 1]?.at;
      return [name, text.slice(at + name.length + 1, end === undefined ? undefined : end - 1)];
    }),
  );
}

/** The name of the parameter that holds the values of a key column: `:keys`, or `:keys_COLUMN` for a composite key. */
export function keyParameter(columns: readonly Pick<KeyColumn, 'name'>[], name: string): string {
  return columns.length === 1 ? 'keys' : `keys_${name.replaceAll(/\W/gu, '_')}`;
}

/** Keys as the parameters of a dataset's SQL: for each key column a list of texts; entry n of all lists is key n. */
export type KeyLists = Readonly<Record<string, readonly string[]>>;

/** The lists of some keys; those that Postgres cannot hold are left out. */
export function keyLists(columns: readonly KeyColumn[], keys: readonly Key[]): KeyLists {
  const texts = keys.flatMap((key) => {
    const one = keyTexts(columns, key);
    return one === null ? [] : [one];
  });
  return Object.fromEntries(
    columns.map(({ name }, index) => [keyParameter(columns, name), texts.map((one) => one[index] ?? '')]),
  );
}

/** ClickHouse: a key as a string literal of its bytes. */
export function keyLiteral(key: Key): string {
  const text = key
    .replaceAll('\\', '\\\\')
    .replaceAll("'", "\\'")
    // oxlint-disable-next-line no-control-regex -- bytes that are no printable ASCII.
    .replaceAll(/[\x00-\x1f\x7f-\xff]/gu, hexEscape);
  return `'${text}'`;
}
