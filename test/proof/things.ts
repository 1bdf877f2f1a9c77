import type { DatasetDefinition, TableDefinition } from '../../src/index.ts';
import { defineDataset, decimal, float, int, text, timestamp } from '../../src/index.ts';
import type { TestTenant } from '../support/tenant.ts';
import { createTenant, type TestTenantOptions } from '../support/tenant.ts';

/** A source of things, each with an instant of its own, and a target table that a test declares. */

export const SOURCE = `
CREATE SCHEMA shed;
CREATE TABLE shed.thing (id bigint PRIMARY KEY, at timestamptz NOT NULL, due timestamptz NOT NULL, name text, amount numeric, ratio float8);
`;

/** Things lie an hour apart. */
export const FROM = '2026-01-05T00:00:00.000Z';
export const RANGE = { from: FROM, to: '2026-01-07T00:00:00.000Z' };
export const ROWS = 30;

const BY = 'FROM shed.thing WHERE';

const thing: TableDefinition = {
  name: 'thing',
  key: 'id',
  time: 'at',
  source: {
    from: ':rows AS t',
    rowsInRange: `SELECT * ${BY} at >= :from AND at < :to`,
    rowsByKey: `SELECT * ${BY} id = ANY (:keys::bigint[])`,
    whereKey: 'true',
  },
  exclusions: [],
  columns: {
    id: int('t.id'),
    at: timestamp('t.at'),
    due: timestamp('t.due'),
    name: text('t.name'),
    amount: decimal('t.amount'),
    ratio: float('t.ratio'),
  },
};

/** @param version Whether the target has a version column: `replace` needs one. */
export function things(version: boolean): DatasetDefinition {
  return defineDataset({
    name: 'things',
    tenants: `SELECT 'acme' AS customer, 'test' AS profile`,
    tables: [{ ...thing, ...(version ? { version: 'seen' } : {}) }],
  });
}

/** A target table's declaration; what a test says of a column comes instead of what is usual. */
export interface Declared {
  readonly version?: boolean;
  readonly columns?: Readonly<Record<string, string>>;
  /** Further columns, constraints, indexes. */
  readonly more?: readonly string[];
  readonly partition?: string;
  readonly order?: string;
  /** A TTL of the table. */
  readonly ttl?: string;
}

const COLUMNS = {
  id: 'Int64',
  at: "DateTime64(3, 'UTC')",
  due: "DateTime64(3, 'UTC')",
  name: 'String',
  amount: 'Decimal(18, 2)',
  ratio: 'Float64',
};

export function declare(declared: Declared): string {
  const { version = true, columns, more = [], partition = 'toYYYYMM(at)', order = 'id', ttl } = declared;
  const all = { ...COLUMNS, ...(version ? { seen: "DateTime64(6, 'UTC')" } : {}), ...columns };
  const listed = [...Object.entries(all).map(([name, type]) => `\`${name}\` ${type}`), ...more];
  const engine = version ? 'ReplacingMergeTree(seen)' : 'MergeTree';
  return `CREATE TABLE thing (${listed.join(', ')}) ENGINE = ${engine} PARTITION BY ${partition} ORDER BY (${order})${ttl ? ` TTL ${ttl}` : ''}`;
}

/** The columns with a DEFAULT among what is declared besides the dataset's: it has to say that it does not derive them. */
function withUnproven(dataset: DatasetDefinition, more: readonly string[]): DatasetDefinition {
  const names = more.flatMap((one) => (/^\w+ \w+ DEFAULT /u.test(one) ? [one.split(' ')[0] ?? ''] : []));
  if (names.length === 0) return dataset;
  const unproven = Object.fromEntries(names.map((name) => [name, 'Others fill it.']));
  return { ...dataset, tables: dataset.tables.map((table) => ({ ...table, unproven, resets: names })) };
}

/** A tenant with things in the source; `fillTarget` writes the target. */
export async function createThings(declared: Declared = {}, options: TestTenantOptions = {}): Promise<TestTenant> {
  const { version = true } = declared;
  const t = await createTenant({
    ...options,
    dataset: withUnproven(things(version), declared.more ?? []),
    sourceSchema: SOURCE,
    targetSchema: (database) => [declare(declared).replace('TABLE thing', `TABLE \`${database}\`.thing`)],
  });
  await t.pg.query(
    `INSERT INTO shed.thing SELECT n, $1::timestamptz + n * interval '1 hour', '2099-01-01', 'thing ' || n, n, n / 4.0
     FROM generate_series(0, ${ROWS - 1}) n`,
    [FROM],
  );
  return t;
}

/** What an old program has written of the things: one row each. */
export async function fillTarget(t: TestTenant, version = true): Promise<void> {
  await t.command(
    `INSERT INTO thing (id, at, due, name, amount, ratio${version ? ', seen' : ''})
     SELECT number, toDateTime64('2026-01-05 00:00:00', 3, 'UTC') + INTERVAL number HOUR, '2099-01-01', 'old', 1, 1${version ? ", '2026-02-01'" : ''}
     FROM numbers(${ROWS})`,
  );
}

export async function rowsOf(t: TestTenant, where = '1'): Promise<number> {
  return Number((await t.select<{ n: string }>(`SELECT count() AS n FROM thing WHERE ${where}`))[0]?.n);
}
