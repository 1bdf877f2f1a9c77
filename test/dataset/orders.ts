import type { TableDefinition } from '../../src/index.ts';
import { bool, date, decimal, defineDataset, int, text, timestamp, uuid } from '../../src/index.ts';

const orders = (where: string) =>
  `SELECT * FROM shop.orders WHERE account = :customer AND store = :profile AND ${where}`;

const purchase: TableDefinition = {
  name: 'purchase',
  key: 'order_id',
  time: 'placed_at',
  version: 'synced_at',
  owner: { customer: 'account_name', profile: 'store_name' },
  source: {
    from: ':rows AS o',
    rowsInRange: orders('placed_at >= :from AND placed_at < :to'),
    rowsByKey: orders('order_id = ANY (:keys::bigint[])'),
    whereKey: 'true',
    big: ['shop.orders', 'shop.line_items'],
  },
  exclusions: [
    { reason: 'test_order', when: 'o.test', why: 'Somebody tried the shop out.' },
    {
      reason: 'no_items',
      when: 'NOT EXISTS (SELECT FROM shop.line_items i WHERE i.order_id = o.order_id)',
      why: 'It is a basket that nothing was put into.',
    },
  ],
  columns: {
    order_id: int('o.order_id'),
    placed_at: timestamp('o.placed_at'),
    status: text('o.status'),
    buyer: uuid('o.buyer', { ifNull: null }),
    ship_on: date('o.ship_on', { ifNull: null }),
    gift: bool('o.gift'),
    attributes: text('o.attributes', { ifNull: '{}' }),
    total: decimal('(SELECT sum(i.quantity * i.unit_price) FROM shop.line_items i WHERE i.order_id = o.order_id)'),
  },
};

const purchaseLine: TableDefinition = {
  name: 'purchase_line',
  key: 'item_id',
  time: 'placed_at',
  owner: { customer: 'account', profile: 'store' },
  source: {
    from: ':rows AS o JOIN shop.line_items i ON i.order_id = o.order_id',
    rowsInRange: orders('placed_at >= :from AND placed_at < :to'),
    rowsByKey: orders('order_id IN (SELECT order_id FROM shop.line_items WHERE item_id = ANY (:keys::bigint[]))'),
    whereKey: 'i.item_id = ANY (:keys::bigint[])',
    big: ['shop.orders', 'shop.line_items'],
  },
  exclusions: [
    { reason: 'test_order', when: 'o.test', why: 'Somebody tried the shop out.' },
    { reason: 'nothing_ordered', when: 'i.quantity = 0', why: 'It was taken out of the basket.' },
  ],
  untimed: [
    {
      reason: 'order_not_found',
      select: `SELECT item_id::text AS key FROM shop.line_items i
        WHERE NOT EXISTS (SELECT FROM shop.orders o WHERE o.order_id = i.order_id)`,
      why: 'Its order does not exist, so it has no time.',
    },
  ],
  columns: {
    item_id: int('i.item_id'),
    order_id: int('o.order_id'),
    placed_at: timestamp('o.placed_at'),
    sku: text('i.sku'),
    quantity: int('i.quantity'),
    unit_price: decimal('i.unit_price', { ifNull: null }),
  },
  unproven: { loaded_at: 'ClickHouse sets it to the time of the insert.' },
  resets: ['loaded_at'],
};

const parcel: TableDefinition = {
  name: 'parcel',
  key: 'parcel_id',
  time: 'shipped_on',
  version: 'synced_at',
  source: {
    from: ':rows AS p',
    rowsInRange: 'SELECT * FROM shop.parcels WHERE shipped_on >= :from AND shipped_on < :to',
    rowsByKey: 'SELECT * FROM shop.parcels WHERE parcel_id = ANY (:keys::uuid[])',
    whereKey: 'true',
  },
  exclusions: [],
  columns: {
    parcel_id: uuid('p.parcel_id'),
    shipped_on: date('p.shipped_on'),
    carrier: text('p.carrier'),
    weight_grams: int('round(p.weight_kg * 1000)::bigint'),
  },
};

export default defineDataset({
  name: 'orders',
  tenants: 'SELECT DISTINCT account AS customer, store AS profile FROM shop.accounts',
  tables: [purchase, purchaseLine, parcel],
});
