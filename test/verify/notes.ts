import { defineDataset, text, timestamp } from '../../src/index.ts';
import { createTenant, type TestTenant, type TestTenantOptions } from '../support/tenant.ts';

/** One day of a dataset of one small table. */
export const RANGE = { from: '2026-01-05T00:00:00.000Z', to: '2026-01-06T00:00:00.000Z' };
/** When all of its rows were written. */
export const NOON = '2026-01-05 12:00:00';

const rows = (where: string) => `SELECT * FROM notes.note WHERE account = :customer AND store = :profile AND ${where}`;

const DATASET = defineDataset({
  name: 'notes',
  tenants: 'SELECT DISTINCT account AS customer, store AS profile FROM notes.note',
  tables: [
    {
      name: 'note',
      key: 'id',
      time: 'written',
      version: 'synced_at',
      owner: { customer: 'account', profile: 'store' },
      source: {
        from: ':rows AS n',
        rowsInRange: rows('written >= :from AND written < :to'),
        rowsByKey: rows('id = ANY (:keys)'),
        whereKey: 'n.id = ANY (:keys)',
      },
      exclusions: [],
      columns: { id: text('n.id'), written: timestamp('n.written'), body: text('n.body') },
    },
  ],
});

/** A table for notes in the target. */
export const tableSql = (database: string, name: string) =>
  `CREATE TABLE \`${database}\`.${name} (account String, store String, id String, written DateTime('UTC'), body String, synced_at DateTime64(6, 'UTC'))
   ENGINE = ReplacingMergeTree(synced_at) ORDER BY (id, body)`;

/** A tenant without a note. */
export function notes(options: Pick<TestTenantOptions, 'limits'> = {}): Promise<TestTenant> {
  return createTenant({
    ...options,
    dataset: DATASET,
    sourceSchema:
      'CREATE SCHEMA notes; CREATE TABLE notes.note (account text, store text, id text, written timestamptz, body text)',
    targetSchema: (database) => [tableSql(database, 'note')],
  });
}

/** Notes in the source, by their ids and bodies. */
export async function sourceNotes(t: TestTenant, ids: readonly string[], bodies: readonly string[]): Promise<void> {
  await t.pg.query(
    `INSERT INTO notes.note SELECT $1, $2, id, timestamptz '${NOON}Z', body FROM unnest($3::text[], $4::text[]) AS n (id, body)`,
    [t.name.customer, t.name.profile, ids, bodies],
  );
}
