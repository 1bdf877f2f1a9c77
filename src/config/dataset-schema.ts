import { isIP } from 'node:net';
import { z } from 'zod';
import type { ColumnDefinition, DatasetDefinition } from '../dataset/definition.ts';
import { keyParameter } from '../dataset/key.ts';
import { expected, oneOf, strict, words } from './fields.ts';
import { isMap, list, map, repeats, type Loose } from './loose.ts';

/**
 * Whether a value is a DatasetDefinition. What a type cannot say is said here too: a definition without its key column
 * or without `:from` would be found out only after something was deleted.
 */

const NAME = 'a name of letters, digits, `_` and `-`, a letter first';
const name = (): z.ZodString => words(NAME).regex(/^[A-Za-z][A-Za-z0-9_-]{0,62}$/u, { error: `expected ${NAME}` });
const column = (): z.ZodString => words('a column’s name');
/** One column, or several that identify a row together. */
const key = () =>
  z.union(
    [
      column(),
      z.array(column(), { error: expected('a list of columns') }).min(1, { error: 'expected at least one column' }),
    ],
    { error: expected('a column’s name, or a list of them') },
  );
const sentence = (): z.ZodString => words('a sentence that says why');

/** SQL that names the parameters it cannot do without. */
function sql(what: string, ...parameters: readonly string[]): z.ZodString {
  const error = expected(what);
  return z
    .string({ error })
    .regex(/\S/u, { error })
    .superRefine((text, context) => {
      const missing = parameters.filter((parameter) => !new RegExp(`(?<!:)${parameter}\\b`, 'u').test(text));
      if (text.trim() === '' || missing.length === 0) return;
      context.addIssue({
        code: 'custom',
        message: `expected ${what} that uses ${missing.map((one) => one.replace('\\w*', '')).join(' and ')}`,
      });
    });
}

const isInstant = (value: unknown): boolean =>
  typeof value === 'string' &&
  /^\d{4}-\d\d-\d\dT.*(?:Z|[+-]\d\d:\d\d)$/u.test(value) &&
  !Number.isNaN(Date.parse(value));
const isDay = (value: unknown): boolean =>
  typeof value === 'string' && /^\d{4}-\d\d-\d\d$/u.test(value) && !Number.isNaN(Date.parse(value));
const isUuid = (value: unknown): boolean =>
  typeof value === 'string' && /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/iu.test(value);

/** What NULL may become, by the column's kind. */
const NULL_BECOMES: Readonly<
  Record<ColumnDefinition['kind'], { readonly what: string; readonly holds: (value: unknown) => boolean }>
> = {
  text: { what: 'a text', holds: (value) => typeof value === 'string' },
  int: { what: 'a whole number', holds: Number.isSafeInteger },
  float: { what: 'a number', holds: Number.isFinite },
  decimal: { what: 'a number', holds: Number.isFinite },
  bool: { what: '0 or 1', holds: (value) => value === 0 || value === 1 },
  timestamp: { what: 'an instant with a zone, such as 1970-01-01T00:00:00Z', holds: isInstant },
  date: { what: 'a day, such as 1970-01-01', holds: isDay },
  uuid: { what: 'a UUID', holds: isUuid },
  enumeration: { what: 'a name of the enum', holds: (value) => typeof value === 'string' },
  ip: {
    what: "an address, or '' for the zero address",
    holds: (value) => typeof value === 'string' && (value === '' || isIP(value) !== 0),
  },
  bytes: { what: 'hex digits', holds: (value) => typeof value === 'string' && /^(?:[0-9a-f]{2})*$/iu.test(value) },
  array: { what: "''", holds: (value) => value === '' },
  map: { what: "''", holds: (value) => value === '' },
  tuple: { what: "''", holds: (value) => value === '' },
};

const KINDS = [
  'text',
  'int',
  'float',
  'decimal',
  'bool',
  'timestamp',
  'date',
  'uuid',
  'enumeration',
  'ip',
  'bytes',
  'array',
  'map',
  'tuple',
] as const satisfies readonly ColumnDefinition['kind'][];

/** What the definition of a kind names besides `sql`; everything else of these is refused. */
const PARTS: Readonly<Partial<Record<ColumnDefinition['kind'], readonly ('key' | 'element' | 'elements')[]>>> = {
  array: ['element'],
  map: ['key', 'element'],
  tuple: ['elements'],
};

const columnSchema: z.ZodType<ColumnDefinition, ColumnDefinition> = z.lazy(() =>
  strict({
    kind: oneOf(KINDS),
    sql: sql('a Postgres expression'),
    ifNull: z.union([z.string(), z.number(), z.null()], { error: expected('a value for NULL, or null to keep it') }),
    element: columnSchema.exactOptional(),
    key: columnSchema.exactOptional(),
    elements: z
      .array(columnSchema, { error: expected('a list of definitions') })
      .min(1, { error: 'expected a list of definitions, at least one' })
      .exactOptional(),
  }).superRefine((column, context) => {
    const { kind, ifNull } = column;
    const { what, holds } = NULL_BECOMES[kind];
    const parts: readonly string[] = PARTS[kind] ?? [];
    for (const part of ['element', 'key', 'elements'] as const) {
      if (parts.includes(part) === (column[part] !== undefined)) continue;
      const message = parts.includes(part) ? `missing; the column is ${kind}` : `not of a column that is ${kind}`;
      context.addIssue({ code: 'custom', path: [part], message });
    }
    if (ifNull === null || holds(ifNull)) return;
    context.addIssue({
      code: 'custom',
      path: ['ifNull'],
      message: `expected ${what}, or null, as the column is ${kind}`,
    });
  }),
);

const exclusionSchema = strict({
  reason: name(),
  when: sql('a Postgres condition'),
  unless: sql('a Postgres condition').exactOptional(),
  why: sentence(),
});

const untimedSchema = strict({
  reason: name(),
  select: sql('a SELECT of the column `key`'),
  why: sentence(),
});

const tableSchema = strict({
  name: words('a table’s name'),
  optional: z.boolean({ error: expected('true or false') }).exactOptional(),
  key: key(),
  time: column(),
  version: column().exactOptional(),
  owner: strict({ customer: column(), profile: column() }).exactOptional(),
  shard: sql('a ClickHouse expression').exactOptional(),
  source: strict({
    from: sql('the FROM clause', ':rows'),
    rowsInRange: sql('a SELECT of the rows of a range', ':from', ':to'),
    rowsByKey: sql('a SELECT of the rows of keys', ':keys\\w*'),
    whereKey: sql('a Postgres condition'),
    big: z.array(words('a table’s name with its schema'), { error: expected('a list of table names') }).exactOptional(),
  }),
  subsets: z
    .record(
      name(),
      strict({
        rowsInRange: sql('a SELECT of the rows of a range', ':from', ':to'),
        target: sql('a ClickHouse condition'),
      }),
      { error: expected('a map of subsets by name') },
    )
    .exactOptional(),
  byId: strict({
    column: column(),
    rowsInRange: sql('a SELECT of the rows of ids in a range', ':ids', ':from', ':to'),
  }).exactOptional(),
  exclusions: z.array(exclusionSchema, { error: expected('a list of exclusions, which can be empty') }),
  untimed: z.array(untimedSchema, { error: expected('a list of { reason, select, why }') }).exactOptional(),
  columns: z.record(column(), columnSchema, { error: expected('a map of target columns to definitions') }),
  unproven: z
    .record(column(), sentence(), { error: expected('a map of target columns to the reason of each') })
    .exactOptional(),
  resets: z.array(column(), { error: expected('a list of columns that are listed under `unproven`') }).exactOptional(),
});

type Report = (path: readonly PropertyKey[], message: string) => void;

const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/** The lists of a composite key stand in `rowsByKey` and `whereKey` by their columns' names. */
function checkKeyLists(table: Loose, report: Report): void {
  const names = [table['key']].flat().filter((name) => typeof name === 'string');
  const known = names.map((name) =>
    keyParameter(
      names.map((one) => ({ name: one })),
      name,
    ),
  );
  for (const query of ['rowsByKey', 'whereKey']) {
    const used = [...(text(map(table['source'])[query]) ?? '').matchAll(/(?<![:\w]):(keys\w*)/gu)].map(
      ([, one]) => one ?? '',
    );
    const unknown = used.find((one) => !known.includes(one));
    if (unknown !== undefined)
      report(
        ['source', query],
        `\`:${unknown}\` is no list of this key: there is ${known.map((one) => `\`:${one}\``).join(', ')}`,
      );
  }
}

function checkTable(table: Loose, report: Report): void {
  const { version, owner } = table;
  if (isMap(table['columns'])) {
    const columns = table['columns'];
    const named = [...[table['key']].flat().map((column) => ['key', column]), ['time', table['time']]] as const;
    for (const [role, value] of named) {
      const column = text(value);
      if (column === null || column === '' || Object.hasOwn(columns, column)) continue;
      report([String(role)], `no column \`${column}\` is defined under \`columns\``);
    }
    checkKeyLists(table, report);
    const ours = { version, 'owner.customer': map(owner)['customer'], 'owner.profile': map(owner)['profile'] };
    for (const [role, column] of Object.entries(ours)) {
      if (typeof column !== 'string' || !Object.hasOwn(columns, column)) continue;
      report(['columns', column], `must not be defined: it is the table’s \`${role}\`, which Refill fills in`);
    }
  }
  for (const key of ['exclusions', 'untimed']) {
    for (const { index, text: reason } of repeats(list(table[key]).map((item) => text(map(item)['reason'])))) {
      report([key, index, 'reason'], `the reason \`${reason}\` stands twice; counts could not be told apart`);
    }
  }
}

function checkTables(tables: readonly unknown[], report: Report): void {
  for (const { index, text: name } of repeats(tables.map((table) => text(map(table)['name'])))) {
    report([index, 'name'], `a table \`${name}\` is defined twice`);
  }
  for (const [index, table] of tables.entries()) {
    checkTable(map(table), (path, message) => report([index, ...path], message));
  }
}

/** Also where something else is wrong in a table, so that one look at the errors is enough. */
const always = { when: () => true };

/** The schema of a DatasetDefinition. Its error messages never repeat SQL. */
export const datasetSchema: z.ZodType<DatasetDefinition, DatasetDefinition> = strict(
  {
    name: name(),
    tenants: sql('a SELECT of `customer` and `profile`'),
    tables: z
      .array(tableSchema, { error: expected('a list of tables') })
      .min(1, { error: 'expected at least one table' })
      .superRefine((tables, context) => {
        const report: Report = (path, message) => context.addIssue({ code: 'custom', path: [...path], message });
        checkTables(list(tables), report);
      }, always),
  },
  'a dataset',
);
