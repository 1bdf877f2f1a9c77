import { expect, onTestFinished, test } from 'vitest';
import type { DatasetDefinition, TableDefinition } from '../../src/dataset/definition.ts';
import { int, text, timestamp } from '../../src/dataset/definition.ts';
import type { ErrorCode } from '../../src/domain/catalogue.ts';
import { RefillError } from '../../src/domain/errors.ts';
import type { RunResult } from '../../src/domain/events.ts';
import { openRefill } from '../support/executor.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';
import orders from './orders.ts';
import { SHOP_SOURCE, shopTarget } from './page.ts';

const DAY = { from: '2026-01-05T00:00:00.000Z', to: '2026-01-07T00:00:00.000Z' };

const createShop = (dataset: DatasetDefinition = orders) =>
  createTenant({ customer: `Bob's`, dataset, sourceSchema: SHOP_SOURCE, targetSchema: shopTarget });

/** Fills both sides: the source as it should be, the target as something old left it. */
async function fill(t: TestTenant): Promise<void> {
  const { customer, profile } = t.name;
  await t.pg.query('INSERT INTO shop.accounts VALUES ($1, $2), ($1, $3)', [customer, profile, 'other']);
  await t.pg.query(
    `INSERT INTO shop.orders VALUES
      (1001, $1, $2, '2026-01-05 00:00:00.0009Z', 'paid', 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11', '2026-01-08', true, '{"b": 1, "a": "x\\ty"}'),
      (1002, $1, $2, '2026-01-06 23:59:59.9999Z', 'it''s \\new', NULL, NULL, NULL, NULL),
      (9007199254740993, $1, $2, '2026-01-06 10:00:00Z', '', NULL, NULL, false, '{}'),
      (1004, $1, $2, '2026-01-06 11:00:00Z', 'basket', NULL, NULL, false, '{}'),
      (1006, $1, $2, '2026-01-07 00:00:00Z', 'after', NULL, NULL, false, '{}'),
      (1007, $1, 'other', '2026-01-06 12:00:00Z', 'of another store', NULL, NULL, false, '{}')`,
    [customer, profile],
  );
  await t.pg.query(
    `INSERT INTO shop.orders VALUES (1005, $1, $2, '2026-01-06 12:00:00Z', 'try', NULL, NULL, false, '{}', true)`,
    [customer, profile],
  );
  await t.pg.query(`INSERT INTO shop.line_items VALUES
    (1, 1001, 'tea', 3, 1.2500), (2, 1001, 'free', 1, NULL), (3, 1002, 'cup', 2, 999999999.9999), (4, 9007199254740993, 'gone', 0, 1),
    (5, 1005, 'try', 1, 1), (6, 1006, 'late', 1, 1), (7, 1007, 'theirs', 1, 1), (8, 77, 'orphan', 1, 1)`);
  await t.pg.query(`INSERT INTO shop.parcels VALUES
    ('11111111-1111-1111-1111-11111111AAAA', '2026-01-05', 'bike', 0.25), ('22222222-2222-2222-2222-222222222222', '2026-01-06', NULL, NULL),
    ('33333333-3333-3333-3333-333333333333', '2026-01-07', 'late', 1)`);
  const owner = `'Bob\\'s', '${profile}'`;
  await t.command(`INSERT INTO purchase (account_name, store_name, order_id, placed_at, status) VALUES
    (${owner}, 1001, '2026-01-05 09:00:00', 'new'), (${owner}, 1005, '2026-01-06 12:00:00', 'try'), (${owner}, 18446744073709551615, '2026-01-06 12:00:00', 'never was'),
    (${owner}, 1, '2026-01-07 00:00:00', 'after'), ('Bob\\'s', 'other', 1007, '2026-01-06 12:00:00', 'of another store')`);
  await t.command(`INSERT INTO purchase_line (account, store, item_id, order_id, placed_at) VALUES
    (${owner}, 1, 1001, '2026-01-05 00:00:00'), (${owner}, 1, 1001, '2026-01-05 00:00:00'), (${owner}, 1, 1001, '2026-01-05 00:00:00'), ('Bob\\'s', 'other', 7, 1007, '2026-01-06 12:00:00')`);
  await t.command(
    `INSERT INTO parcel VALUES ('22222222-2222-2222-2222-222222222222', '2026-01-05', 'wrong', 1, '2025-01-01 00:00:00'), ('99999999-2222-2222-2222-222222222222', '2026-01-06', 'none', 1, '2025-01-01 00:00:00')`,
  );
}

test.each([
  ['of one cluster', false],
  ['of two clusters that name one server by two addresses', true],
])(
  'two tenants %s with one database name are refused where a table does not say whose its rows are',
  async (_, two) => {
    const t = await createShop();
    await fill(t);
    const twin = { customer: t.name.customer.replace("'", '-'), profile: t.name.profile };
    const cluster = t.config.clusters['test'];
    if (!cluster) throw new Error('no cluster');
    const urls = cluster.clickhouse.urls.map((url) => url.replace('127.0.0.1', 'localhost'));
    const clusters = two
      ? {
          test: { ...cluster, tenants: [t.name] },
          other: { ...cluster, clickhouse: { ...cluster.clickhouse, urls }, tenants: [twin] },
        }
      : { test: { ...cluster, tenants: [t.name, twin] } };
    const refill = openRefill({ ...t.config, clusters });
    onTestFinished(() => refill.close());
    for (const tenant of [t.name, twin])
      await expect(refill.plan({ tenant, range: DAY })).rejects.toMatchObject({
        code: 'TENANTS_COLLIDE',
        message: expect.stringContaining('parcel does not say whose its rows are'),
      });
  },
);

const PURCHASES = [
  {
    order_id: '1001',
    placed_at: '2026-01-05 00:00:00.000',
    status: 'paid',
    buyer: 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
    ship_on: '2026-01-08',
    gift: true,
    attributes: '{"a": "x\\ty", "b": 1}',
    total: 3.75,
  },
  {
    order_id: '1002',
    placed_at: '2026-01-06 23:59:59.999',
    status: `it's \\new`,
    buyer: null,
    ship_on: null,
    gift: false,
    attributes: '{}',
    total: 1_999_999_999.9998,
  },
  {
    order_id: '9007199254740993',
    placed_at: '2026-01-06 10:00:00.000',
    status: '',
    buyer: null,
    ship_on: null,
    gift: false,
    attributes: '{}',
    total: 0,
  },
];
const LINES = [
  { item_id: '1', order_id: '1001', placed_at: '2026-01-05 00:00:00', sku: 'tea', quantity: 3, unit_price: 1.25 },
  { item_id: '2', order_id: '1001', placed_at: '2026-01-05 00:00:00', sku: 'free', quantity: 1, unit_price: null },
  {
    item_id: '3',
    order_id: '1002',
    placed_at: '2026-01-06 23:59:59',
    sku: 'cup',
    quantity: 2,
    unit_price: 999_999_999.9999,
  },
];
const PARCELS = [
  { parcel_id: '11111111-1111-1111-1111-11111111aaaa', shipped_on: '2026-01-05', carrier: 'bike', weight_grams: 250 },
  { parcel_id: '22222222-2222-2222-2222-222222222222', shipped_on: '2026-01-06', carrier: '', weight_grams: 0 },
];

const rowsOf = (t: TestTenant, table: TableDefinition, where: string) =>
  t.select(
    `SELECT ${Object.keys(table.columns)
      .map((c) => (c.endsWith('_id') ? `toString(${c}) AS ${c}` : c))
      .join(', ')} FROM ${table.name} WHERE ${where} ORDER BY 1`,
  );
function tableOf(name: string): TableDefinition {
  const table = orders.tables.find((t) => t.name === name);
  if (!table) throw new Error(`the dataset has no ${name}`);
  return table;
}
const [purchase, purchaseLine, parcel] = [tableOf('purchase'), tableOf('purchase_line'), tableOf('parcel')];

async function run(t: TestTenant, plan: string): Promise<RunResult> {
  let result: RunResult | undefined;
  for await (const event of t.refill.run(plan)) if (event.type === 'result') result = event;
  if (!result) throw new Error('a run without a result');
  return result;
}

const EXCLUDED = {
  purchase: { test_order: 1, no_items: 1 },
  purchase_line: { test_order: 1, nothing_ordered: 1 },
  parcel: {},
};
const COUNTS = { purchase: PURCHASES.length, purchase_line: LINES.length, parcel: PARCELS.length };

async function expectRight(t: TestTenant): Promise<void> {
  const own = `NOT startsWith(store, 'other') AND placed_at < '2026-01-07'`;
  expect(await rowsOf(t, purchase, own.replace('store', 'store_name'))).toEqual(PURCHASES);
  expect(await rowsOf(t, purchaseLine, own)).toEqual(LINES);
  expect(await rowsOf(t, parcel, `shipped_on < '2026-01-07'`)).toEqual(PARCELS);
  // Another store's rows, and those after the range.
  expect(
    await t.select(`SELECT status FROM purchase WHERE store_name = 'other' OR placed_at >= '2026-01-07' ORDER BY 1`),
  ).toEqual([{ status: 'after' }, { status: 'of another store' }]);
  expect(await t.select(`SELECT item_id::String AS id FROM purchase_line WHERE store = 'other'`)).toEqual([
    { id: '7' },
  ]);
}

test('orders, line items and parcels: planned, purged, written, verified and explained', async () => {
  const t = await createShop();
  await fill(t);
  const plan = await t.refill.plan({ tenant: t.name, range: DAY });
  expect(plan.strategy).toBe('purge');
  expect(Object.fromEntries(plan.counts.map((c) => [c.table, c.source]))).toEqual(COUNTS);
  expect(Object.fromEntries(plan.counts.map((c) => [c.table, c.excluded]))).toEqual(EXCLUDED);
  expect(plan.warnings.map((w) => `${w.code} ${w.table ?? ''}`)).toContain('NO_VERSION_COLUMN purchase_line');
  expect(plan.windows.map((w) => w.from.slice(0, 10))).toEqual(['2026-01-05', '2026-01-06']);
  expect(await run(t, plan.id)).toMatchObject({ state: 'succeeded', differences: 0, rowsWritten: 8 });
  await expectRight(t);

  const verified = await t.refill.verify({ tenant: t.name, range: DAY });
  expect(verified).toMatchObject({ ok: true });
  expect(Object.fromEntries(verified.tables.map((v) => [v.table, v.excluded]))).toEqual(EXCLUDED);

  const explain = async (id: string) =>
    (await t.refill.explain({ tenant: t.name, id })).map(({ table, verdict, reason }) => ({ table, verdict, reason }));
  expect(await explain('1001')).toEqual([{ table: 'purchase', verdict: 'present', reason: null }]);
  expect(await explain('1005')).toEqual([{ table: 'purchase', verdict: 'excluded', reason: 'test_order' }]);
  expect(await explain('4')).toEqual([{ table: 'purchase_line', verdict: 'excluded', reason: 'nothing_ordered' }]);
  expect(await explain('8')).toEqual([{ table: 'purchase_line', verdict: 'excluded', reason: 'order_not_found' }]);
  // An id that is no number is still looked for where ids are UUIDs.
  expect(await explain('22222222-2222-2222-2222-222222222222')).toEqual([
    { table: 'parcel', verdict: 'present', reason: null },
  ]);
  await expect(explain('no such thing')).rejects.toMatchObject({ code: 'KEY_UNKNOWN' });
});

test('a row for which `unless` holds is in the target, and no exclusion after it is asked', async () => {
  const items = 'EXISTS (SELECT FROM shop.line_items i WHERE i.order_id = o.order_id)';
  const spared: TableDefinition = {
    ...purchase,
    exclusions: [
      { reason: 'test_order', when: 'o.test', why: 'Somebody tried the shop out.' },
      // Asked of an order with items, the condition would fail.
      { reason: 'no_items', unless: items, when: `1 / (NOT ${items})::int = 1`, why: 'It is an empty basket.' },
    ],
  };
  const t = await createShop({ ...orders, tables: [spared] });
  await fill(t);
  const plan = await t.refill.plan({ tenant: t.name, range: DAY });
  expect(plan.counts).toMatchObject([{ source: COUNTS.purchase, excluded: EXCLUDED.purchase }]);
  expect(await run(t, plan.id)).toMatchObject({ state: 'succeeded', differences: 0 });
});

test('the tables with a version are replaced, and every kind of drift is found in all of them', async () => {
  const t = await createShop();
  await fill(t);
  const verify = async () => (await t.refill.verify({ tenant: t.name, range: DAY })).reasons;
  expect(await verify()).toEqual([
    expect.objectContaining({ table: 'purchase', kind: 'stale', reason: 'moved', rows: 1 }),
    { table: 'purchase', kind: 'missing', reason: 'not_in_target', rows: 2 },
    { table: 'purchase', kind: 'extra', reason: 'test_order', rows: 1 },
    { table: 'purchase', kind: 'extra', reason: 'not_in_source', rows: 1 },
    { table: 'purchase_line', kind: 'duplicated', reason: 'several_rows', rows: 1 },
    { table: 'purchase_line', kind: 'missing', reason: 'not_in_target', rows: 2 },
    { table: 'parcel', kind: 'missing', reason: 'not_in_target', rows: 1 },
    expect.objectContaining({ table: 'parcel', kind: 'stale', reason: 'moved', rows: 1 }),
    { table: 'parcel', kind: 'extra', reason: 'not_in_source', rows: 1 },
  ]);
  const plan = await t.refill.plan({ tenant: t.name, range: DAY, tables: ['purchase', 'parcel'] });
  expect(plan.strategy).toBe('replace');
  expect(await run(t, plan.id)).toMatchObject({ state: 'succeeded', differences: 0 });
  const lines = await t.refill.plan({ tenant: t.name, range: DAY, tables: ['purchase_line'] });
  expect(await run(t, lines.id)).toMatchObject({ state: 'succeeded', differences: 0 });
  await expectRight(t);
  // A pair of rows that no merge puts together: in an XOR they would cancel out.
  await t.command(`INSERT INTO purchase_line SELECT * FROM purchase_line WHERE item_id = 2`);
  await t.command(
    `INSERT INTO purchase_line SELECT * REPLACE (toInt64(-5) AS item_id) FROM (SELECT * FROM purchase_line WHERE item_id = 2)`,
  );
  expect(await verify()).toEqual([
    { table: 'purchase_line', kind: 'extra', reason: 'not_in_source', rows: 1 },
    { table: 'purchase_line', kind: 'duplicated', reason: 'several_rows', rows: 1 },
  ]);
});

/** The dataset with one of its tables changed. */
const changed = (name: string, change: (table: TableDefinition) => TableDefinition): DatasetDefinition => ({
  ...orders,
  tables: orders.tables.map((table) => (table.name === name ? change(table) : table)),
});
const withColumns = (name: string, columns: TableDefinition['columns']) =>
  changed(name, (table) => ({ ...table, columns: { ...table.columns, ...columns } }));
const withSource = (name: string, source: Partial<TableDefinition['source']>) =>
  changed(name, (table) => ({ ...table, source: { ...table.source, ...source } }));

const WRONG: readonly (readonly [string, DatasetDefinition, ErrorCode, RegExp])[] = [
  [
    'a source column that does not exist',
    withColumns('purchase', { status: text('o.state') }),
    'PG_QUERY',
    /o\.state/u,
  ],
  [
    'a source table that does not exist',
    withSource('parcel', { rowsInRange: 'SELECT * FROM shop.boxes WHERE a >= :from AND a < :to' }),
    'PG_QUERY',
    /shop\.boxes/u,
  ],
  [
    'an exclusion of a column that does not exist',
    changed('purchase', (table) => ({ ...table, exclusions: [{ reason: 'a', when: 'o.draft', why: 'b' }] })),
    'PG_QUERY',
    /o\.draft/u,
  ],
  [
    'keys of another type',
    withSource('purchase', { rowsByKey: 'SELECT * FROM shop.orders WHERE order_id = ANY (:keys)' }),
    'PG_QUERY',
    /bigint = text/u,
  ],
  [
    'untimed rows of a table that does not exist',
    changed('purchase', (table) => ({
      ...table,
      untimed: [{ reason: 'a', select: 'SELECT 1 AS key FROM shop.lost', why: 'b' }],
    })),
    'PG_QUERY',
    /shop\.lost/u,
  ],
  [
    'a kind that takes no text',
    withColumns('purchase', { order_id: int('o.status') }),
    'DATASET_INVALID',
    /order_id: int takes .* is text/u,
  ],
  [
    'a kind that would round',
    withColumns('parcel', { weight_grams: int('p.weight_kg') }),
    'DATASET_INVALID',
    /weight_grams: int takes .* is numeric/u,
  ],
  [
    'a kind that does not fit the target',
    withColumns('purchase', { status: timestamp('o.placed_at') }),
    'DATASET_INVALID',
    /status: timestamp does not fit into LowCardinality\(String\)/u,
  ],
  [
    'NULL where the target takes none',
    withColumns('purchase', { status: text('o.status', { ifNull: null }) }),
    'DATASET_INVALID',
    /status: NULL is to be kept/u,
  ],
  [
    'a target column that does not exist',
    withColumns('purchase', { state: text('o.status') }),
    'DATASET_INVALID',
    /state: the target has no such column/u,
  ],
  [
    'a target column that nothing fills',
    changed('parcel', ({ columns: { carrier: _left, ...columns }, ...table }) => ({ ...table, columns })),
    'DATASET_INVALID',
    /carrier: the target has this column/u,
  ],
  [
    'a version column that does not exist',
    changed('parcel', (table) => ({ ...table, version: 'updated_at' })),
    'DATASET_INVALID',
    /updated_at: the target has no such column/u,
  ],
  [
    'a target table that does not exist',
    changed('parcel', (table) => ({ ...table, name: 'parcels' })),
    'CH_TABLE_MISSING',
    /parcels/u,
  ],
];

test('what does not fit is found by plan and doctor, before anything is deleted', async () => {
  const t = await createShop();
  await fill(t);
  const before = await t.select(
    `SELECT table, rows FROM system.tables ARRAY JOIN [total_rows] AS rows WHERE database = currentDatabase() ORDER BY 1`,
  );
  const wrong: string[] = [];
  for (const [name, dataset, code, message] of WRONG) {
    const refill = openRefill({ ...t.config, datasets: [dataset] });
    onTestFinished(() => refill.close());
    const error = await refill.plan({ tenant: t.name, range: DAY }).then(
      () => null,
      (thrown: unknown) => thrown,
    );
    if (!(error instanceof RefillError) || error.code !== code || !message.test(error.message))
      wrong.push(`${name}: ${String(error)}`);
    const doctor = (await refill.doctor()).filter((f) => f.level === 'error').map((f) => f.message);
    if (doctor.length !== 1 || !doctor[0]?.startsWith(code)) wrong.push(`${name}, doctor: ${doctor.join('; ')}`);
  }
  expect(wrong).toEqual([]);
  expect(
    await t.select(
      `SELECT table, rows FROM system.tables ARRAY JOIN [total_rows] AS rows WHERE database = currentDatabase() ORDER BY 1`,
    ),
  ).toEqual(before);
  expect((await t.refill.doctor()).filter((f) => f.level === 'error')).toEqual([]);

  // A table of days cannot tell the rows of half a day.
  const half = { from: DAY.from, to: '2026-01-06T12:00:00.000Z' };
  const refused = { code: 'RANGE_INVALID' };
  await expect(t.refill.plan({ tenant: t.name, range: half })).rejects.toMatchObject(refused);
  await expect(t.refill.verify({ tenant: t.name, range: half })).rejects.toMatchObject(refused);
  await expect(t.refill.verify({ tenant: t.name, range: half, tables: ['purchase'] })).resolves.toBeDefined();
});
