import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { RefillConfig } from '../../src/config/config.ts';
import { defineDataset, float, int, text, timestamp } from '../../src/index.ts';
import type { TableDefinition } from '../../src/index.ts';
import type { DependentAnswers } from '../../src/domain/dependents.ts';
import type { PlanRequest } from '../../src/domain/requests.ts';
import type { Range, Strategy } from '../../src/domain/words.ts';
import { createTenant, type TestTenant, type TestTenantOptions } from '../support/tenant.ts';

/** A dataset of sensors: one table with versions that collapses rows of a key, and a plain one without versions. */

const rows = (where: string) =>
  `SELECT * FROM lab.readings WHERE customer = :customer AND profile = :profile AND ${where}`;

const table = (name: string, more: Partial<TableDefinition>): TableDefinition => ({
  name,
  key: 'reading_id',
  time: 'taken_at',
  owner: { customer: 'customer', profile: 'profile' },
  source: {
    from: ':rows AS r',
    rowsInRange: rows('taken_at >= :from AND taken_at < :to'),
    rowsByKey: rows('reading_id = ANY (:keys::bigint[])'),
    whereKey: 'r.reading_id = ANY (:keys::bigint[])',
  },
  exclusions: [],
  columns: {
    reading_id: int('r.reading_id'),
    taken_at: timestamp('r.taken_at'),
    sensor: text('r.sensor'),
    value: float('r.value'),
  },
  ...more,
});

export const readings = defineDataset({
  name: 'readings',
  tenants: 'SELECT DISTINCT customer, profile FROM lab.readings',
  tables: [table('reading', { version: 'read_at' }), table('raw_reading', {})],
});

const SOURCE = `CREATE SCHEMA lab;
  CREATE TABLE lab.readings (reading_id bigint PRIMARY KEY, customer text, profile text, taken_at timestamptz, sensor text, value float8);
  CREATE INDEX ON lab.readings (taken_at)`;

const COLUMNS = `customer String, profile String, reading_id UInt64, taken_at DateTime64(3, 'UTC'), sensor String, value Float64`;

const target = (database: string): string[] => [
  `CREATE TABLE \`${database}\`.reading (${COLUMNS}, read_at DateTime64(6, 'UTC'))
   ENGINE = ReplacingMergeTree(read_at) PARTITION BY toYYYYMM(taken_at) ORDER BY reading_id`,
  `CREATE TABLE \`${database}\`.raw_reading (${COLUMNS}) ENGINE = MergeTree PARTITION BY toYYYYMM(taken_at) ORDER BY (sensor, taken_at)`,
];

/** From the middle of an hour in one month to the middle of one in the next: buckets of views are wider. */
export const RANGE: Range = { from: '2026-01-30T10:30:00.000Z', to: '2026-02-03T04:30:00.000Z' };
const READINGS = 480;

export interface SensorOptions extends Omit<TestTenantOptions, 'dataset' | 'sourceSchema' | 'targetSchema'> {
  /** Statements that make what depends on the tables, before the tables are filled; \`DB\` stands for the database. */
  readonly around?: readonly string[];
}

/** A tenant with 480 readings in eight days, in both tables and in what depends on them. */
export async function sensors({ around = [], ...options }: SensorOptions = {}): Promise<TestTenant> {
  const t = await createTenant({
    ...options,
    dataset: readings,
    sourceSchema: SOURCE,
    targetSchema: (database) => [...target(database), ...around.map((sql) => sql.replaceAll('DB', `\`${database}\``))],
  });
  await t.pg.query(
    `INSERT INTO lab.readings SELECT n, $1, $2, timestamptz '2026-01-28 00:00Z' + n * interval '8 days' / ${READINGS},
       'sensor-' || n % 3, n / 4.0 FROM generate_series(0, ${READINGS - 1}) n`,
    [t.name.customer, t.name.profile],
  );
  await fillTarget(t);
  return t;
}

/** Writes the target as an application has done, so that its views have counted every reading once. */
async function fillTarget(t: TestTenant): Promise<void> {
  const { rows: values } = await t.pg.query<Record<string, unknown>>(
    `SELECT customer, profile, reading_id, to_char(taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') AS taken_at, sensor, value
     FROM lab.readings ORDER BY reading_id`,
  );
  const versioned = values.map((row) => ({ ...row, read_at: '2026-02-10 00:00:00.000000' }));
  await t.ch.insert({ table: 'reading', values: versioned, format: 'JSONEachRow' });
  await t.ch.insert({ table: 'raw_reading', values, format: 'JSONEachRow' });
}

export function planRequest(t: TestTenant, dependents?: DependentAnswers, strategy?: Strategy): PlanRequest {
  return {
    tenant: t.name,
    range: RANGE,
    ...(strategy === undefined ? {} : { strategy }),
    ...(dependents === undefined ? {} : { dependents }),
  };
}

/** The configuration of a tenant with answers for its cluster. */
export function answering(config: RefillConfig, dependents: DependentAnswers): RefillConfig {
  const { test } = config.clusters;
  if (!test) throw new Error('no cluster');
  return { ...config, clusters: { test: { ...test, dependents } } };
}

/** Writes a configuration with this dataset where the command line can read it. */
export async function configFile(config: RefillConfig): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'refill-readings-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  await writeFile(join(dir, 'readings.mjs'), `export default ${JSON.stringify(readings)};`);
  const file = join(dir, 'refill.config.yaml');
  await writeFile(file, JSON.stringify({ ...config, datasets: ['./readings.mjs'] }));
  return file;
}

/** One number of a SELECT. */
export async function numberOf(t: TestTenant, sql: string): Promise<number> {
  const [row] = await t.select<{ n: number | string }>(sql);
  return Number(row?.n);
}
