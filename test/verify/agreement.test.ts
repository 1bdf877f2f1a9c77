import { describe, expect, test } from 'vitest';
import { defineDataset, type DatasetDefinition, text, timestamp } from '../../src/index.ts';
import { ended } from '../support/cards.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';

const RANGE = { from: '2026-01-05T00:00:00.000Z', to: '2026-01-07T00:00:00.000Z' };

/** Notes: a dataset of one table, whose time column has a name of the test's choice. */
function notes(time: string, inRange = 'true', key = 'note'): DatasetDefinition {
  const rows = (where: string) =>
    `SELECT * FROM notes.note WHERE account = :customer AND store = :profile AND ${where}`;
  return defineDataset({
    name: 'notes',
    tenants: 'SELECT DISTINCT account AS customer, store AS profile FROM notes.note',
    tables: [
      {
        name: 'note',
        key,
        time,
        version: 'synced_at',
        owner: { customer: 'account', profile: 'store' },
        source: {
          from: ':rows AS n',
          rowsInRange: rows(`written >= :from AND written < :to AND ${inRange}`),
          rowsByKey: rows('id = ANY (:keys)'),
          whereKey: 'n.id = ANY (:keys)',
        },
        exclusions: [],
        columns: { [key]: text('n.id'), [time]: timestamp('n.written'), body: text('n.body') },
      },
    ],
  });
}

async function shop(dataset: DatasetDefinition): Promise<TestTenant> {
  const [table] = dataset.tables;
  const [key, time] = [String(table?.key), table?.time];
  const t = await createTenant({
    dataset,
    sourceSchema:
      'CREATE SCHEMA notes; CREATE TABLE notes.note (account text, store text, id text, written timestamptz, body text)',
    targetSchema: (database) => [
      `CREATE TABLE \`${database}\`.note (account String, store String, \`${key}\` String, \`${time}\` DateTime, body String, synced_at DateTime64(6))
       ENGINE = ReplacingMergeTree(synced_at) ORDER BY \`${key}\``,
    ],
  });
  const { customer, profile } = t.name;
  await t.pg.query(
    `INSERT INTO notes.note SELECT $1, $2, 'n' || n, timestamptz '2026-01-05 01:00:00Z' + n * interval '1 hour', 'b' || n FROM generate_series(1, 40) n`,
    [customer, profile],
  );
  await t.ch.insert({
    table: 'note',
    format: 'JSONEachRow',
    values: Array.from({ length: 40 }, (_, i) => ({
      account: customer,
      store: profile,
      [key]: `n${i + 1}`,
      [time ?? '']: Date.UTC(2026, 0, 5, 2 + i) / 1000,
      // One in four is wrong.
      body: i % 4 === 0 ? 'old' : `b${i + 1}`,
      synced_at: '2026-01-20 00:00:00.000000',
    })),
  });
  return t;
}

test('a range query that leaves out a row which the query by key finds: neither verified nor planned, and named', async () => {
  const t = await shop(notes('written', `id <> 'n7'`));
  const refused = { code: 'DATASET_DISAGREES', message: expect.stringContaining('of key n7') };
  await expect(t.refill.verify({ tenant: t.name, range: RANGE })).rejects.toMatchObject(refused);
  await expect(t.refill.plan({ tenant: t.name, range: RANGE })).rejects.toMatchObject(refused);
});

test('an emptied source: the plan warns before everything is deleted', async () => {
  const t = await shop(notes('written'));
  await t.pg.query(`DELETE FROM notes.note WHERE id <> 'n3'`);
  const { warnings } = await t.refill.plan({ tenant: t.name, range: RANGE });
  expect(warnings).toContainEqual(expect.objectContaining({ code: 'SOURCE_SMALLER', table: 'note' }));
});

describe('columns named as our own queries could name theirs', () => {
  test.each([
    ['day', 'key'],
    ['hour', 't'],
    ['start', 'line'],
    ['bucket', 'xx'],
    ['rows', 'murmur'],
  ])('time column %s, key column %s', async (time, key) => {
    const t = await shop(notes(time, 'true', key));
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    expect(plan.counts).toMatchObject([{ source: 40, target: 40, targetKeys: 40 }]);
    const before = await t.refill.verify({ tenant: t.name, range: RANGE });
    expect(before.tables).toMatchObject([{ source: 40, target: 40, stale: 10 }]);
    const { result } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect(await t.refill.explain({ tenant: t.name, id: 'n1' })).toMatchObject([{ verdict: 'present' }]);
  });
});
