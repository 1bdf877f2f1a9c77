import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { databaseName } from '../../src/domain/words.ts';
import type { ClickHouseUser, EmbeddedInfo } from '../../src/embedded/info.ts';
import { removeEmbedded, startEmbedded } from '../../src/embedded/stack.ts';
import { ended, thrown } from '../support/cards.ts';
import type { TestTenant } from '../support/tenant.ts';
import { createShop, DAYS, rowsOf } from './shop.ts';

// What Refill's user does not see, and a delete removes all the same. Policies of one table each, on databases whose
// names are known before the servers start.

const password = 'of a test';
const shop = (customer: string) => ({ customer, profile: 'test' });
const databaseOf = (customer: string) => databaseName(shop(customer));
const sees = (customer: string, table: string, rows: string): Partial<ClickHouseUser> => ({
  sees: { [databaseOf(customer)]: { [table]: rows } },
});
const ALL = ['GRANT ALL ON *.*'];
/** Enough to plan and to run, and no look at policies, users or grants. */
const WORKS = [
  'GRANT SELECT, INSERT, ALTER DELETE, ALTER UPDATE, OPTIMIZE, SHOW TABLES, SHOW COLUMNS ON *.*',
  'GRANT KILL QUERY, REMOTE, CREATE TEMPORARY TABLE ON *.*',
];
const MOST_COLUMNS = 'account_name, store_name, order_id, placed_at, status, buyer, ship_on, gift, attributes, total';

const USERS: readonly ClickHouseUser[] = [
  { name: 'some', password, grants: WORKS, ...sees('some', 'purchase_line', "sku != 'theirs'") },
  { name: 'none', password, grants: WORKS, ...sees('none', 'purchase', '0') },
  { name: 'later', password, grants: WORKS, ...sees('later', 'purchase', "status != 'hidden later'") },
  { name: 'every', password, grants: WORKS, ...sees('every', 'purchase', '1') },
  { name: 'free', password, grants: WORKS },
  {
    name: 'blind',
    password,
    grants: [...WORKS, 'GRANT SELECT ON system.*'],
    ...sees('blind', 'purchase', "status != 'old'"),
  },
  { name: 'admin', password, grants: ALL, ...sees('admin', 'purchase', "status = 'nothing'") },
  {
    name: 'columns',
    password,
    grants: [
      `GRANT SELECT (${MOST_COLUMNS}) ON ${databaseOf('columns')}.purchase`,
      `GRANT INSERT, ALTER DELETE, ALTER UPDATE ON ${databaseOf('columns')}.*`,
      'GRANT SELECT ON system.*',
      'GRANT SHOW TABLES, SHOW COLUMNS ON *.*',
    ],
  },
];

let stack: EmbeddedInfo;
beforeAll(async () => {
  const dir = await mkdtemp(join(tmpdir(), 'refill-policy-'));
  stack = await startEmbedded({ dir, attached: true, temporary: true, clickhouseUsers: USERS });
});
afterAll(() => removeEmbedded(stack.dir));

const openShop = (customer: string) =>
  createShop({ ...shop(customer), stack, targetUser: { name: customer, password } });

async function expectRefused(t: TestTenant, code: string, exit: number, says: RegExp): Promise<void> {
  const before = await rowsOf(t);
  const error = await thrown(() => t.refill.plan({ tenant: t.name, range: DAYS }));
  expect(error).toMatchObject({ code, exit });
  expect(String(error)).toMatch(says);
  expect(await t.refill.doctor()).toContainEqual(
    expect.objectContaining({ level: 'error', message: expect.stringMatching(says) }),
  );
  expect(await rowsOf(t)).toEqual(before);
}

describe('a row policy', () => {
  test('that hides rows of another pipeline is refused before the first change', async () => {
    const t = await openShop('some');
    // In the range, and the tenant's: a delete would remove them.
    await t.command(
      `INSERT INTO purchase_line (account, store, item_id, order_id, placed_at, sku, quantity)
       SELECT '${t.name.customer}', '${t.name.profile}', 1000 + number, 50, '2026-01-25 00:00:00', 'theirs', 1 FROM numbers(15)`,
    );
    await expectRefused(t, 'CH_ROWS_HIDDEN', 3, /300 of 315 rows/u);
  });

  test('that comes between a plan and its run is refused by the run', async () => {
    const t = await openShop('some');
    const plan = await t.refill.plan({ tenant: t.name, range: DAYS, strategy: 'purge' });
    await t.command(
      `INSERT INTO purchase_line (account, store, item_id, order_id, placed_at, sku, quantity)
       VALUES ('${t.name.customer}', '${t.name.profile}', 1000, 50, '2026-01-25 00:00:00', 'theirs', 1)`,
    );
    const before = await rowsOf(t);
    expect(await thrown(() => ended(t.refill.run(plan.id)))).toMatchObject({ code: 'CH_ROWS_HIDDEN' });
    expect(await rowsOf(t)).toEqual(before);
  });

  test.each(['none', 'blind', 'admin'])('of the user %s is refused', async (user) => {
    await expectRefused(await openShop(user), 'CH_ROWS_HIDDEN', 3, /the user sees/u);
  });

  test('that hides nothing yet is a warning', async () => {
    const t = await openShop('later');
    expect(await t.refill.doctor()).toContainEqual(
      expect.objectContaining({ level: 'warning', message: expect.stringContaining('a row policy applies') }),
    );
  });

  test.each(['every', 'free'])('does not keep the user %s, who sees all rows, from its work', async (user) => {
    const t = await openShop(user);
    // Rows that a lightweight delete has masked are in the parts, and nobody counts them.
    await t.command('DELETE FROM purchase WHERE order_id > 310');
    const plan = await t.refill.plan({ tenant: t.name, range: DAYS, strategy: 'purge' });
    expect((await ended(t.refill.run(plan.id))).result).toMatchObject({ state: 'succeeded', differences: 0 });
  });
});

test('a user that may read some columns only is refused', async () => {
  const t = await openShop('columns');
  await expectRefused(t, 'CH_DENIED', 4, /497 ACCESS_DENIED/u);
});

test('a view in place of a table is refused', async () => {
  const t = await createShop();
  await t.command('RENAME TABLE purchase_line TO line_table');
  await t.command('CREATE VIEW purchase_line AS SELECT * FROM line_table');
  const error = await thrown(() => t.refill.plan({ tenant: t.name, range: DAYS }));
  expect(error).toMatchObject({ code: 'DATASET_INVALID', exit: 2 });
  expect(String(error)).toMatch(/purchase_line.*View/u);
});
