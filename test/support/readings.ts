import type { DatasetDefinition, TableDefinition } from '../../src/dataset/definition.ts';
import { text, timestamp } from '../../src/dataset/definition.ts';
import type { Strategy } from '../../src/domain/words.ts';
import { ended } from './cards.ts';
import { createTenant, type TestTenant, type TestTenantOptions } from './tenant.ts';

/** A day of readings of meters, in a schema of the tests' own: names without a schema, texts that settings change. */
export const DAY = { from: '2026-03-10T00:00:00.000Z', to: '2026-03-11T00:00:00.000Z' };

const reading: TableDefinition = {
  name: 'reading',
  key: 'id',
  time: 'taken_at',
  version: 'synced_at',
  source: {
    from: ':rows AS r',
    rowsInRange: 'SELECT * FROM readings WHERE taken_at >= :from AND taken_at < :to',
    rowsByKey: 'SELECT * FROM readings WHERE id = ANY (:keys)',
    whereKey: 'true',
  },
  exclusions: [{ reason: 'calibration', when: 'r.calibration', why: 'It was taken to set the meter up.' }],
  columns: {
    id: text('r.id'),
    taken_at: timestamp('r.taken_at'),
    said_at: text('r.taken_at::text'),
    noted_on: text(`to_char(r.taken_at, 'DD Mon HH24:MI')`),
    lasted: text('r.lasted::text'),
    level: text('r.level::text'),
    raw: text('r.raw::text'),
  },
};

export const readings: DatasetDefinition = {
  name: 'readings',
  tenants: 'SELECT customer, profile FROM accounts',
  tables: [reading],
};

export const READINGS_SOURCE = `
  CREATE TABLE accounts (customer text, profile text);
  CREATE TABLE readings (id text PRIMARY KEY, taken_at timestamptz NOT NULL, calibration boolean NOT NULL DEFAULT false,
    lasted interval NOT NULL, level double precision NOT NULL, raw bytea NOT NULL);`;

export const readingsTarget = (database: string): readonly string[] => [
  `CREATE TABLE \`${database}\`.reading (id String, taken_at DateTime64(3, 'UTC'), said_at String, noted_on String,
     lasted String, level String, raw String, synced_at DateTime64(6, 'UTC'))
   ENGINE = ReplacingMergeTree(synced_at) PARTITION BY toYYYYMM(taken_at) ORDER BY (taken_at, id)`,
];

/** Thirty readings a quarter of an hour apart, in the source alone. */
export const createReadings = async (options: Partial<TestTenantOptions> = {}): Promise<TestTenant> => {
  const t = await createTenant({
    dataset: readings,
    sourceSchema: READINGS_SOURCE,
    targetSchema: readingsTarget,
    ...options,
  });
  await t.pg.query('INSERT INTO accounts VALUES ($1, $2)', [t.name.customer, t.name.profile]);
  await t.pg.query(
    `INSERT INTO readings SELECT 'meter-' || n, timestamptz '2026-03-10 00:00:00Z' + n * interval '15 minutes', n % 10 = 9,
       n * interval '1 day 02:03:04', n / 7.0 + 0.1, decode(lpad(to_hex(n * 4099), 8, '0'), 'hex') FROM generate_series(0, 29) n`,
  );
  await t.pg.query('ANALYZE');
  return t;
};

/** What the target has to hold, said by hand: by a session whose settings are those of a fresh Postgres. */
export async function expectedReadings(t: TestTenant): Promise<Record<string, unknown>[]> {
  await t.pg.query(`SET timezone = 'UTC'; SET datestyle = 'ISO, MDY'; SET intervalstyle = 'postgres';
    SET extra_float_digits = 1; SET bytea_output = 'hex'`);
  const { rows } = await t.pg.query<Record<string, unknown>>(
    `SELECT id, to_char(taken_at, 'YYYY-MM-DD HH24:MI:SS.MS') AS taken_at, taken_at::text AS said_at,
       to_char(taken_at, 'DD Mon HH24:MI') AS noted_on, lasted::text, level::text, raw::text
     FROM public.readings WHERE NOT calibration ORDER BY id`,
  );
  return rows;
}

export const targetReadings = (t: TestTenant): Promise<unknown[]> =>
  t.select(`SELECT * EXCEPT (synced_at) FROM reading FINAL ORDER BY id`);

/** Rows that an old program left: wrong ones of the day, and one that is in no source. */
export async function fillOldReadings(t: TestTenant): Promise<void> {
  await t.command(`INSERT INTO reading SELECT concat('meter-', toString(number)), toDateTime64('2026-03-10 00:00:00', 3, 'UTC') + number * 900,
    'old', 'old', 'old', 'old', 'old', toDateTime64('2026-03-12 00:00:00', 6, 'UTC') FROM numbers(31)`);
}

/** Plans the day and runs it. */
export async function runDay(t: TestTenant, strategy?: Strategy) {
  const plan = await t.refill.plan({ tenant: t.name, range: DAY, ...(strategy ? { strategy } : {}) });
  return await ended(t.refill.run(plan.id));
}
