import { expect } from 'vitest';
import type { ColumnDefinition, TableDefinition } from '../../src/dataset/definition.ts';
import type { VerifiedTable, VerifyResult } from '../../src/domain/events.ts';
import { defineDataset, int, text, timestamp } from '../../src/index.ts';
import { createTenant, type TestTenant, type TestTenantOptions } from '../support/tenant.ts';

/** The days that plans and verifications of this corpus are about; rows lie before and after them too. */
export const RANGE = { from: '2026-03-01T00:00:00.000Z', to: '2026-03-04T00:00:00.000Z' };

export interface ReadingsOptions {
  /** Key columns with their Postgres type, ClickHouse type and definition. Default: one text `id`. */
  readonly key?: Readonly<Record<string, readonly [pg: string, ch: string, definition: ColumnDefinition]>>;
  /** The columns that the dataset declares as its key. Default: all of `key`. */
  readonly declared?: readonly string[];
  /** Default: a ReplacingMergeTree by version. */
  readonly engine?: 'ReplacingMergeTree(synced_at)' | 'MergeTree';
  /** The target's sorting key. Default: the key columns. */
  readonly orderBy?: string;
  /** What makes a partition of the time. Default: `toYYYYMMDD`. */
  readonly partition?: 'toYYYYMM' | 'toYYYYMMDD';
  readonly subsets?: TableDefinition['subsets'];
  /** Joined to the base rows `r`. */
  readonly join?: string;
  readonly source?: Partial<TableDefinition['source']>;
  readonly tenant?: Partial<TestTenantOptions>;
  /** More statements that make the source's tables. */
  readonly sourceSchema?: string;
}

const TEXT_ID = { id: ['text', 'String', text('r.id')] } as const;

/** A tenant with a table of sensor readings: a schema that has nothing to do with the built-in one. */
export async function createReadings(options: ReadingsOptions = {}): Promise<TestTenant> {
  const key: NonNullable<ReadingsOptions['key']> = options.key ?? TEXT_ID;
  const names = Object.keys(key);
  const declared = options.declared ?? names;
  const engine = options.engine ?? 'ReplacingMergeTree(synced_at)';
  const rows = (where: string) =>
    `SELECT * FROM plant.reading WHERE account = :customer AND site = :profile AND ${where}`;
  const list = (name: string) => (declared.length === 1 ? 'keys' : `keys_${name}`);
  const byKey =
    declared.length === 1
      ? `${declared[0]} = ANY (:keys::${key[declared[0] ?? '']?.[0]}[])`
      : `(${declared.join(', ')}) IN (SELECT * FROM unnest(${declared.map((name) => `:${list(name)}::${key[name]?.[0]}[]`).join(', ')}))`;
  const dataset = defineDataset({
    name: 'readings',
    tenants: 'SELECT DISTINCT account AS customer, site AS profile FROM plant.reading',
    tables: [
      {
        name: 'reading',
        key: declared.length === 1 ? (declared[0] ?? '') : declared,
        time: 'taken_at',
        version: 'synced_at',
        owner: { customer: 'account', profile: 'site' },
        source: {
          from: `:rows AS r ${options.join ?? ''}`,
          rowsInRange: rows('taken_at >= :from AND taken_at < :to'),
          rowsByKey: rows(byKey),
          whereKey: 'true',
          ...options.source,
        },
        ...(options.subsets ? { subsets: options.subsets } : {}),
        exclusions: [{ reason: 'draft', when: 'r.draft', why: 'It was never confirmed.' }],
        columns: {
          ...Object.fromEntries(names.map((name) => [name, key[name]?.[2] ?? text('')])),
          taken_at: timestamp('r.taken_at'),
          label: text('r.label'),
          amount: int('r.amount'),
        },
      },
    ],
  });
  return createTenant({
    dataset,
    sourceSchema: `CREATE SCHEMA plant;
      CREATE TABLE plant.reading (account text, site text, ${names.map((name) => `${name} ${key[name]?.[0]}`).join(', ')},
        taken_at timestamptz, label text, amount integer, draft boolean NOT NULL DEFAULT false);
      ${options.sourceSchema ?? ''}`,
    targetSchema: (database) => [
      `CREATE TABLE \`${database}\`.reading (account String, site String, ${names.map((name) => `${name} ${key[name]?.[1]}`).join(', ')},
         taken_at DateTime64(3, 'UTC'), label String, amount Int32, synced_at DateTime64(6, 'UTC'))
       ENGINE = ${engine} PARTITION BY ${options.partition ?? 'toYYYYMMDD'}(taken_at) ORDER BY (${options.orderBy ?? names.join(', ')})
       SETTINGS allow_nullable_key = 1`,
    ],
    ...options.tenant,
  });
}

/** Fills the source: one row for each of `ids` (SQL expressions of the key columns), spread over the range. */
export async function fillSource(t: TestTenant, ids: readonly (readonly string[])[]): Promise<void> {
  const { customer, profile } = t.name;
  const values = ids.map(
    (id, n) =>
      `('${customer}', '${profile}', ${id.join(', ')}, timestamptz '2026-03-01 00:30:00Z' + ${n % 60} * interval '70 minutes', 'label ${n}', ${n})`,
  );
  await t.pg.query(`INSERT INTO plant.reading VALUES ${values.join(', ')}`);
}

/** Puts rows into the target by SQL of its own: `select` yields the columns but the owner's and the version. */
export async function insertTarget(t: TestTenant, select: string, version = '2026-03-05 00:00:00'): Promise<void> {
  const { customer, profile } = t.name;
  await t.command(
    `INSERT INTO reading SELECT '${customer}' AS account, '${profile}' AS site, *, toDateTime64('${version}', 6, 'UTC') FROM (${select})`,
  );
}

/** Runs a plan of the range to its end and returns its state, with the code of the error that ended it. */
export async function refill(t: TestTenant, strategy: 'purge' | 'replace'): Promise<string> {
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
  for await (const event of t.refill.run(plan.id))
    if (event.type === 'result') return [event.state, event.error?.code].filter(Boolean).join(' ');
  throw new Error('a run without a result');
}

/** Verifies the range: counts balance, whatever differs. */
export async function verified(
  t: TestTenant,
): Promise<{ readonly result: VerifyResult; readonly table: VerifiedTable }> {
  const result = await t.refill.verify({ tenant: t.name, range: RANGE });
  const [table] = result.tables;
  if (!table) throw new Error('a verification without a table');
  expect(table.source - table.missing + table.extra + table.surplus).toBe(table.target);
  expect(result.ok).toBe(
    table.missing + table.extra + table.stale + table.duplicated + table.unexplained + table.unsettled === 0,
  );
  return { result, table };
}
