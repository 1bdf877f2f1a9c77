import { DAY_MS, HOUR_MS } from '../domain/windows.ts';

/** A column that a view's SELECT makes. */
export interface ViewItem {
  readonly name: string;
  readonly expression: string;
}

/** The SELECT of a view, as far as Refill understands it: columns of one table, a condition, and groups. */
export interface ViewSelect {
  readonly items: readonly ViewItem[];
  /** The name by which its columns are called: the table's, or an alias. */
  readonly alias: string;
  /** Everything behind its FROM: WHERE and GROUP BY. */
  readonly rest: string;
}

/** Texts and brackets of a statement blanked out, so that what is left is on its outermost level. */
function outermost(sql: string): string {
  let depth = 0;
  let quote = '';
  let flat = '';
  for (let i = 0; i < sql.length; i += 1) {
    const c = sql[i] ?? '';
    if (quote !== '') {
      if (c === '\\') i += 1;
      else if (c === quote) quote = '';
      flat += c === '\\' ? '\0\0' : '\0';
      continue;
    }
    if (c === ')' || c === ']') depth -= 1;
    flat += depth > 0 || `'"\``.includes(c) ? '\0' : c;
    if (c === '(' || c === '[') depth += 1;
    if (`'"\``.includes(c)) quote = c;
  }
  return flat;
}

/** Without what stands in quotes. */
const unquoted = (sql: string) => sql.replaceAll(/'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`/gu, "''");

const BEYOND =
  /\b(?:WITH|JOIN|UNION|INTERSECT|EXCEPT|ARRAY|HAVING|ORDER|LIMIT|FINAL|SAMPLE|PREWHERE|WINDOW|QUALIFY|SETTINGS|DISTINCT|GROUPING|ROLLUP|CUBE|TOTALS|OFFSET|FORMAT|OVER)\b/u;

const NAME = '(?:`(?:[^`\\\\]|\\\\.)+`|\\w+)';
const bare = (name: string) => (name.startsWith('`') ? name.slice(1, -1).replaceAll(/\\(.)/gu, '$1') : name);

/** Reads a view's SELECT as the server prints it; a text says why it is beyond what Refill understands. */
export function readViewSelect(sql: string): ViewSelect | string {
  const flat = outermost(sql);
  const beyond = BEYOND.exec(flat)?.[0];
  if (beyond !== undefined) return `its SELECT has ${beyond}`;
  if (/\bSELECT\b/u.test(unquoted(sql).slice(1))) return 'its SELECT has another one in it';
  const from = flat.indexOf(' FROM ');
  const end = [flat.indexOf(' WHERE ', from), flat.indexOf(' GROUP BY ', from)].filter((at) => at > 0);
  const stop = Math.min(sql.length, ...end);
  const source = new RegExp(`^${NAME}\\.(${NAME})(?: AS (${NAME}))?$`, 'u').exec(sql.slice(from + 6, stop).trim());
  if (!flat.startsWith('SELECT ') || from < 0 || !source) return 'its SELECT reads something else than one table';
  const items: ViewItem[] = [];
  for (const [start, to] of pieces(flat, 'SELECT '.length, from)) {
    const text = sql.slice(start, to).trim();
    const named = new RegExp(`^(.+) AS (${NAME})$`, 'su').exec(text);
    const plain = new RegExp(`^(?:${NAME}\\.)?(${NAME})$`, 'u').exec(text);
    if (!named && !plain) return `a column of its SELECT has no name: ${text.slice(0, 40)}`;
    items.push({ expression: named?.[1] ?? text, name: bare(named?.[2] ?? plain?.[1] ?? '') });
  }
  return { items, alias: bare(source[2] ?? source[1] ?? ''), rest: sql.slice(stop) };
}

/** Where the items of a list begin and end. */
function* pieces(flat: string, from: number, to: number): Generator<readonly [number, number]> {
  let start = from;
  for (let i = from; i <= to; i += 1) {
    if (i < to && flat[i] !== ',') continue;
    yield [start, i];
    start = i + 1;
  }
}

/** Whether an expression is a column itself. */
export function isColumn(expression: string, alias: string, column: string): boolean {
  const parts = new RegExp(`^(?:(${NAME})\\.)?(${NAME})$`, 'u').exec(expression);
  return parts !== null && bare(parts[2] ?? '') === column && (parts[1] === undefined || bare(parts[1]) === alias);
}

/** Functions of a time that never go down as it goes up, with the longest time that has one value. */
const GRAINS: Readonly<Record<string, number>> = {
  toDateTime: 1000,
  toStartOfSecond: 1000,
  toStartOfMinute: 60_000,
  toStartOfFiveMinutes: 300_000,
  toStartOfFiveMinute: 300_000,
  toStartOfTenMinutes: 600_000,
  toStartOfFifteenMinutes: 900_000,
  toStartOfHour: HOUR_MS,
  toDate: DAY_MS,
  toDate32: DAY_MS,
  toStartOfDay: DAY_MS,
  toYYYYMMDD: DAY_MS,
  toMonday: 7 * DAY_MS,
  toStartOfWeek: 7 * DAY_MS,
  toStartOfMonth: 31 * DAY_MS,
  toYYYYMM: 31 * DAY_MS,
  toStartOfQuarter: 92 * DAY_MS,
  toStartOfYear: 366 * DAY_MS,
  toYear: 366 * DAY_MS,
};
const INTERVALS: Readonly<Record<string, number>> = {
  Second: 1000,
  Minute: 60_000,
  Hour: HOUR_MS,
  Day: DAY_MS,
  Week: 7 * DAY_MS,
  Month: 31 * DAY_MS,
  Quarter: 92 * DAY_MS,
  Year: 366 * DAY_MS,
};

/** How a column of a view follows from the time of a row. */
export interface Grain {
  /** The longest time that has one value of it. */
  readonly ms: number;
  /** ClickHouse: its value for a time. */
  of(time: string): string;
}

/** The grain of an expression over a time column; null if it is none that Refill knows. */
export function grainOf(expression: string, alias: string, time: string): Grain | null {
  if (isColumn(expression, alias, time)) return { ms: 0, of: (at) => at };
  const call = /^(\w+)\((.+?)((?:, (?:'[^']*'|\d+|toInterval\w+\(\d+\)))*)\)$/su.exec(expression);
  const [, name = '', argument = '', more = ''] = call ?? [];
  if (!call || !isColumn(argument, alias, time)) return null;
  const [, unit = '', count = ''] = /toInterval(\w+)\((\d+)\)/u.exec(more) ?? [];
  const ms = name === 'toStartOfInterval' ? (INTERVALS[unit] ?? Number.NaN) * Number(count) : GRAINS[name];
  return ms === undefined || Number.isNaN(ms) ? null : { ms, of: (at) => `${name}(${at}${more})` };
}

/** Names of the functions that a SELECT calls. */
export function functionsOf(sql: string): readonly string[] {
  return [...new Set([...unquoted(sql).matchAll(/\b([A-Za-z]\w*)\(/gu)].map((m) => m[1] ?? ''))];
}
