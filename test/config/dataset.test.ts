import { describe, expect, test } from 'vitest';
import { datasetSchema } from '../../src/config/dataset-schema.ts';
import { findings, formatPath } from '../../src/config/problems.ts';
import { BUILTIN_DATASETS } from '../../src/dataset/builtin.ts';
import * as columns from '../../src/dataset/definition.ts';
import { errorOf, load, ORDERS, problemsIn } from './fixture.ts';

const [TABLE] = ORDERS.tables;
if (TABLE === undefined) throw new Error('the fixture has no table');
const { columns: COLUMNS, source: SOURCE, ...REST } = TABLE;

/** `path: message` of everything that is wrong with a dataset. */
function problemsOf(dataset: unknown): readonly string[] {
  const result = datasetSchema.safeParse(dataset);
  if (result.success) return [];
  return findings(result.error.issues).map(({ path, message }) => `${formatPath(path)}: ${message}`);
}
/** The same of the fixture's dataset with something else in its table. */
const withTable = (other: object): readonly string[] => problemsOf({ ...ORDERS, tables: [{ ...TABLE, ...other }] });
/** The same with something else in the column `order_id`. */
const withColumn = (other: object): readonly string[] =>
  withTable({ columns: { ...COLUMNS, order_id: { ...COLUMNS['order_id'], ...other } } });

describe('a dataset', () => {
  test('the fixture and the built-in ones are right', () => {
    expect(problemsOf(ORDERS)).toEqual([]);
    expect(BUILTIN_DATASETS.size).toBeGreaterThan(0);
    for (const dataset of BUILTIN_DATASETS.values()) expect(problemsOf(dataset)).toEqual([]);
  });

  test('what it is after checking is what it was before', () => {
    for (const dataset of BUILTIN_DATASETS.values()) expect(datasetSchema.parse(dataset)).toEqual(dataset);
  });

  test('every helper makes a column that is accepted', () => {
    const { text, int, float, decimal, bool, timestamp, date, uuid } = columns;
    for (const make of [text, int, float, decimal, bool, timestamp, date, uuid]) {
      expect(withColumn(make('o.a'))).toEqual([]);
      expect(withColumn(make('o.a', { ifNull: null }))).toEqual([]);
    }
  });

  test.each([
    ['no dataset', 1, ': expected a dataset with name, tenants, tables, got a number'],
    [
      'a name that is none',
      { ...ORDERS, name: 'my orders' },
      'name: expected a name of letters, digits, `_` and `-`, a letter first',
    ],
    ['no tenants', { ...ORDERS, tenants: ' ' }, 'tenants: expected a SELECT of `customer` and `profile`'],
    ['no tables', { ...ORDERS, tables: [] }, 'tables: expected at least one table'],
    ['a table twice', { ...ORDERS, tables: [TABLE, TABLE] }, 'tables[1].name: a table `orders` is defined twice'],
    ['an unknown key', { ...ORDERS, tabels: [] }, 'tabels: unknown key `tabels`; did you mean `tables`?'],
  ])('%s', (_name, dataset, problem) => {
    expect(problemsOf(dataset)).toEqual([problem]);
  });

  test.each([
    ['an unknown key', { verison: 'a' }, 'verison: unknown key `verison`; did you mean `version`?'],
    ['a key without a column', { key: 'id' }, 'key: no column `id` is defined under `columns`'],
    ['a time without a column', { time: 'at' }, 'time: no column `at` is defined under `columns`'],
    [
      'a time that only a prototype has',
      { time: 'constructor' },
      'time: no column `constructor` is defined under `columns`',
    ],
    [
      'a version that is a column',
      { version: 'ordered_at' },
      'columns.ordered_at: must not be defined: it is the table’s `version`, which Refill fills in',
    ],
    [
      'an owner that is a column',
      { owner: { customer: 'customer_id', profile: 'order_id' } },
      'columns.order_id: must not be defined: it is the table’s `owner.profile`, which Refill fills in',
    ],
    ['half an owner', { owner: { customer: 'a' } }, 'owner.profile: missing; expected a column’s name'],
    [
      'no exclusions',
      { exclusions: undefined },
      'exclusions: missing; expected a list of exclusions, which can be empty',
    ],
    [
      'a reason twice',
      { exclusions: [...TABLE.exclusions, ...TABLE.exclusions] },
      'exclusions[1].reason: the reason `test` stands twice; counts could not be told apart',
    ],
    [
      'no rows',
      { source: { ...SOURCE, from: 'shop.orders' } },
      'source.from: expected the FROM clause that uses :rows',
    ],
    [
      'a range without bounds',
      { source: { ...SOURCE, rowsInRange: 'SELECT * FROM shop.orders' } },
      'source.rowsInRange: expected a SELECT of the rows of a range that uses :from and :to',
    ],
    [
      'a cast is not a parameter',
      { source: { ...SOURCE, rowsInRange: 'SELECT * FROM shop.orders WHERE a > :from::to' } },
      'source.rowsInRange: expected a SELECT of the rows of a range that uses :to',
    ],
    [
      'keys that are not used',
      { source: { ...SOURCE, rowsByKey: 'SELECT :keysets' } },
      'source.rowsByKey: `:keysets` is no list of this key: there is `:keys`',
    ],
    ['optional that is a text', { optional: 'yes' }, 'optional: expected true or false, got a text'],
    ['no columns', { columns: [] }, 'columns: expected a map of target columns to definitions, got a list'],
  ])('a table with %s', (_name, other, problem) => {
    expect(withTable(other)).toEqual([`tables[0].${problem}`]);
  });

  test.each([
    [
      { kind: 'txt' },
      'kind: expected one of text, int, float, decimal, bool, timestamp, date, uuid, enumeration, ip, bytes, array, map, tuple; did you mean `text`?',
    ],
    [{ sql: '' }, 'sql: is empty; expected a Postgres expression'],
    [{ ifNull: undefined }, 'ifNull: missing; expected a value for NULL, or null to keep it'],
    [{ kind: 'int', ifNull: 1.5 }, 'ifNull: expected a whole number, or null, as the column is int'],
    [{ kind: 'int', ifNull: '0' }, 'ifNull: expected a whole number, or null, as the column is int'],
    [{ kind: 'text', ifNull: 0 }, 'ifNull: expected a text, or null, as the column is text'],
    [{ kind: 'bool', ifNull: 2 }, 'ifNull: expected 0 or 1, or null, as the column is bool'],
    [
      { kind: 'timestamp', ifNull: '1970-01-01T00:00:00' },
      'ifNull: expected an instant with a zone, such as 1970-01-01T00:00:00Z, or null, as the column is timestamp',
    ],
    [
      { kind: 'date', ifNull: '1970-13-01' },
      'ifNull: expected a day, such as 1970-01-01, or null, as the column is date',
    ],
    [{ kind: 'uuid', ifNull: '0' }, 'ifNull: expected a UUID, or null, as the column is uuid'],
    [{ kind: 'bytes', ifNull: 'abc' }, 'ifNull: expected hex digits, or null, as the column is bytes'],
    [{ kind: 'array', ifNull: '' }, 'element: missing; the column is array'],
    [
      { kind: 'text', ifNull: '', element: { kind: 'text', sql: 'a', ifNull: '' } },
      'element: not of a column that is text',
    ],
    [
      { kind: 'array', ifNull: '', element: { kind: 'int', sql: ':item', ifNull: '' } },
      'element.ifNull: expected a whole number, or null, as the column is int',
    ],
    [
      { kind: 'map', ifNull: '', element: { kind: 'text', sql: ':item', ifNull: '' } },
      'key: missing; the column is map',
    ],
    [{ kind: 'tuple', ifNull: '', elements: [] }, 'elements: expected a list of definitions, at least one'],
  ])('a column with %j', (other, problem) => {
    expect(withColumn(other)).toEqual([`tables[0].columns.order_id.${problem}`]);
  });

  test('what does not fit together is told beside what is missing', () => {
    expect(withTable({ exclusions: undefined, key: 'id', version: 'ordered_at' })).toEqual([
      'tables[0].exclusions: missing; expected a list of exclusions, which can be empty',
      'tables[0].key: no column `id` is defined under `columns`',
      'tables[0].columns.ordered_at: must not be defined: it is the table’s `version`, which Refill fills in',
    ]);
  });

  test('all that is wrong is told at once, in a configuration too', async () => {
    const dataset = {
      ...ORDERS,
      nmae: 1,
      tables: [{ ...REST, key: 'id', source: { ...SOURCE, from: '' }, columns: COLUMNS }],
    };
    const text = `export default { datasets: [${JSON.stringify(dataset)}] };`;
    const error = await errorOf(load({ 'refill.config.ts': text }));
    expect(problemsIn(error).map(({ path }) => path)).toEqual([
      'ledger',
      'clusters',
      'datasets[0].tables[0].source.from',
      'datasets[0].tables[0].key',
      'datasets[0].nmae',
    ]);
    // A definition's SQL is long, and not what a message is for.
    expect(error.message).not.toContain('SELECT * FROM');
  });
});
