import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createClient } from '@clickhouse/client';
import { Client } from 'pg';

const TENANT = { customer: 'bench', profile: 'hours' };
const DATABASE = 'bench_hours';
const FROM = '2025-01-01T00:00:00.000Z';

const DATASET = `
import { defineDataset, text, timestamp } from 'refill';

const rows = (where) => 'SELECT * FROM notes.note WHERE customer = :customer AND profile = :profile AND ' + where;

export default defineDataset({
  name: 'notes',
  tenants: 'SELECT DISTINCT customer, profile FROM notes.note',
  tables: [
    {
      name: 'note',
      key: 'id',
      time: 'written',
      version: 'synced_at',
      owner: { customer: 'customer', profile: 'profile' },
      source: {
        from: ':rows AS n',
        rowsInRange: rows('written >= :from AND written < :to'),
        rowsByKey: rows('id = ANY (:keys)'),
        whereKey: 'n.id = ANY (:keys)',
      },
      exclusions: [],
      columns: { id: text('n.id'), written: timestamp('n.written') },
    },
  ],
});
`;

/**
 * Makes a tenant with one row in each of so many hours, which is as many windows of almost nothing, and a module with its
 * dataset in `dir`. Returns what a configuration needs of it.
 */
export async function makeHours({ postgres, clickhouse }, dir, hours) {
  const { host, port, user, password } = postgres;
  const admin = new Client({ host, port, user, password, database: 'postgres' });
  await admin.connect();
  await admin.query(`CREATE DATABASE ${DATABASE}`);
  await admin.end();
  const sql = new Client({ host, port, user, password, database: DATABASE });
  await sql.connect();
  await sql.query('CREATE SCHEMA notes');
  await sql.query('CREATE TABLE notes.note (customer text, profile text, id text PRIMARY KEY, written timestamptz)');
  await sql.query('CREATE INDEX ON notes.note (written)');
  await sql.query(
    `INSERT INTO notes.note SELECT $1, $2, 'n' || n, $3::timestamptz + n * interval '1 hour' FROM generate_series(0, $4::int - 1) n`,
    [TENANT.customer, TENANT.profile, FROM, hours],
  );
  await sql.query('ANALYZE');
  await sql.end();
  const ch = createClient({ url: clickhouse.http });
  await ch.command({ query: `CREATE DATABASE ${DATABASE}` });
  await ch.command({
    query: `CREATE TABLE ${DATABASE}.note (customer String, profile String, id String, written DateTime64(3, 'UTC'), synced_at DateTime64(6, 'UTC'))
      ENGINE = ReplacingMergeTree(synced_at) ORDER BY id`,
  });
  await ch.close();
  const dataset = join(dir, 'notes.mjs');
  await writeFile(dataset, DATASET);
  const to = new Date(Date.parse(FROM) + hours * 3_600_000).toISOString();
  return { tenant: TENANT, database: DATABASE, dataset, range: { from: FROM, to } };
}
