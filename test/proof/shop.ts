import orders from '../dataset/orders.ts';
import { SHOP_SOURCE, shopTarget } from '../dataset/page.ts';
import { createTenant, type TestTenant, type TestTenantOptions } from '../support/tenant.ts';

/** The shop of docs/dataset.md with a table that has a version and one that has none. */
export const SHOP = {
  ...orders,
  tables: orders.tables.filter(({ name }) => name !== 'parcel'),
} as const;

export const DAYS = { from: '2026-01-20T00:00:00.000Z', to: '2026-02-12T00:00:00.000Z' };
export const ORDERS = 300;

/** A tenant with orders every two hours, and a target in which all of them are old, or not there, or too many. */
export async function createShop(options: TestTenantOptions = {}): Promise<TestTenant> {
  const t = await createTenant({ dataset: SHOP, sourceSchema: SHOP_SOURCE, targetSchema: shopTarget, ...options });
  const { customer, profile } = t.name;
  await t.pg.query('INSERT INTO shop.accounts VALUES ($1, $2)', [customer, profile]);
  await t.pg.query(
    `INSERT INTO shop.orders SELECT n, $1, $2, timestamptz '2026-01-19 12:34:56.789Z' + n * interval '2 hours',
       CASE WHEN n % 7 = 0 THEN 'it''s "paid"' ELSE E'open\\t\\\\N' END, CASE WHEN n % 3 = 0 THEN gen_random_uuid() END,
       CASE WHEN n % 5 = 0 THEN date '2026-03-01' + n END, n % 2 = 0, '{"a": 1}', false FROM generate_series(1, $3::int) n`,
    [customer, profile, ORDERS],
  );
  await t.pg.query(
    `INSERT INTO shop.line_items SELECT n, n, 'sku ' || n, n % 9 + 1, CASE WHEN n % 4 > 0 THEN n + 0.25 END FROM generate_series(1, $1::int) n`,
    [ORDERS],
  );
  await t.command(
    `INSERT INTO purchase SELECT '${customer}', '${profile}', number + 1, addHours(toDateTime64('2026-01-19 12:34:56.789', 3, 'UTC'), 2 * (number + 1)),
       'old', NULL, NULL, false, '{}', 0, '2026-02-20 00:00:00' FROM numbers(${ORDERS + 20})`,
  );
  await t.command(
    `INSERT INTO purchase_line (account, store, item_id, order_id, placed_at, sku, quantity)
     SELECT '${customer}', '${profile}', number + 1, number + 1, addHours(toDateTime64('2026-01-19 12:34:56', 0, 'UTC'), 2 * (number + 1)), 'old', 1
     FROM numbers(${ORDERS})`,
  );
  return t;
}

/** What is in the target, as the test's own user sees it. */
export async function rowsOf(t: TestTenant): Promise<Record<string, string>> {
  const [row] = await t.select<Record<string, string>>(
    `SELECT (SELECT toString(count()) FROM purchase FINAL) AS purchases, (SELECT toString(count()) FROM purchase_line) AS lines,
       (SELECT toString(countIf(status = 'old')) FROM purchase FINAL) AS old, (SELECT toString(countIf(sku = 'old')) FROM purchase_line) AS oldLines`,
  );
  return row ?? {};
}
