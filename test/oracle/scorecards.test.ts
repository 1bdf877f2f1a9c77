import * as fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import type { Strategy, TenantName } from '../../src/domain/words.ts';
import type { Refill } from '../../src/refill.ts';
import { openRefill } from '../support/executor.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';
import { type Database, database, RANGE, TENANTS, type Wrong, wrongs } from './databases.ts';
import { derive, type Derived, type TableName, type TargetRow } from './derive.ts';

const TABLES: readonly TableName[] = ['scorecard', 'score', 'scorecard_score'];
const KEYS = { scorecard: 'scorecard_id', score: 'score_id', scorecard_score: 'score_id' } as const;
const OTHER: TenantName = { customer: 'somebody', profile: 'else' };
const JSON_SETTINGS = { output_format_json_quote_denormals: 1, output_format_json_quote_64bit_floats: 0 } as const;
const OLD = '2025-06-01 00:00:00.000000';

async function fillSource(t: TestTenant, tenant: TenantName, db: Database): Promise<void> {
  await t.pg.query(`TRUNCATE ${Object.keys(db).join(', ')}`);
  for (const owner of [tenant, OTHER]) {
    for (const [table, rows] of Object.entries(db)) {
      await t.pg.query(`INSERT INTO ${table} SELECT * FROM jsonb_populate_recordset(NULL::${table}, $1::jsonb)`, [
        JSON.stringify(rows.map((row) => ({ ...row, ...owner }))),
      ]);
    }
  }
}

/** The rows that a target holds before a run: from the right ones, made wrong in turns, and some that do not belong. */
function wrongRows(table: TableName, right: Derived, plan: readonly Wrong[]): Record<string, unknown>[] {
  const key = KEYS[table];
  const rows = [...right.rows.values()].flatMap((row, n) => {
    const old = { ...row, update_time: OLD };
    switch (plan[n % plan.length] ?? 'none') {
      case 'none':
        return [old];
      case 'missing':
        return [];
      case 'stale':
        return [{ ...old, language: 'stale', text_value: 'stale', scorecard_time: '2026-02-01 00:00:00.000' }];
      case 'other_key':
        return [old, { ...old, agent_user_id: 'an agent before' }];
      case 'twice':
        return [old, { ...old, update_time: '2025-06-01 00:00:00.000001' }];
      case 'moved':
        return [{ ...old, scorecard_time: '2026-01-20 00:00:00.000' }];
      case 'old_version':
        return [{ ...old, update_time: '2024-01-01 00:00:00.000000', template_id: 'older' }];
    }
  });
  const [first] = right.rows.values();
  const extra = { ...first, [key]: 'extra', scorecard_time: '2026-01-31 23:00:00.000', update_time: OLD };
  return [...rows, extra, { ...extra, [key]: 'extra 2', scorecard_time: '2026-02-01 03:00:00.499' }];
}

/** Rows that no run may touch: another tenant's, and those just outside of the range. */
function foreignRows(table: TableName, tenant: TenantName): Record<string, unknown>[] {
  const own = { customer_id: tenant.customer, profile_id: tenant.profile, update_time: OLD };
  return [
    { ...own, [KEYS[table]]: 'before', scorecard_time: '2026-01-31 21:59:59.998' },
    { ...own, [KEYS[table]]: 'after', scorecard_time: '2026-02-01 03:00:00.500' },
    {
      ...own,
      [KEYS[table]]: 'foreign',
      customer_id: OTHER.customer,
      profile_id: OTHER.profile,
      scorecard_time: '2026-02-01 00:00:00.000',
    },
    { ...own, [KEYS[table]]: 'half', profile_id: OTHER.profile, scorecard_time: '2026-02-01 00:00:00.000' },
  ];
}

async function insert(t: TestTenant, table: TableName, values: readonly Record<string, unknown>[]): Promise<void> {
  // One block a row: nothing is put together on the way in.
  await t.ch.insert({
    table,
    values: [...values],
    format: 'JSONEachRow',
    clickhouse_settings: { max_insert_block_size: '1', optimize_on_insert: 0, input_format_skip_unknown_fields: 1 },
  });
}

async function rowsOf(t: TestTenant, table: TableName, where: string): Promise<TargetRow[]> {
  const result = await t.ch.query({
    query: `SELECT * FROM ${table} WHERE ${where}`,
    format: 'JSONEachRow',
    clickhouse_settings: JSON_SETTINGS,
  });
  return result.json<TargetRow>();
}

const IN_RANGE = `scorecard_time >= toDateTime64('2026-01-31 21:59:59.999', 3, 'UTC') AND scorecard_time < toDateTime64('2026-02-01 03:00:00.500', 3, 'UTC')`;

/** What differs, a line for each key and column. */
function differences(table: TableName, right: Derived, found: readonly TargetRow[]): string[] {
  const lines: string[] = [];
  const seen = new Set<string>();
  for (const row of found) {
    const key = String(row[KEYS[table]]);
    const meant = right.rows.get(key);
    if (seen.has(key)) lines.push(`${table} ${JSON.stringify(key)}: more than once`);
    else if (!meant) lines.push(`${table} ${JSON.stringify(key)}: should not be there`);
    else {
      for (const column of new Set([...Object.keys(row), ...Object.keys(meant)])) {
        if (column === 'update_time' || Object.is(row[column], meant[column])) continue;
        lines.push(
          `${table} ${JSON.stringify(key)}.${column}: ${JSON.stringify(row[column])}, not ${JSON.stringify(meant[column])}`,
        );
      }
    }
    seen.add(key);
  }
  for (const key of right.rows.keys()) if (!seen.has(key)) lines.push(`${table} ${JSON.stringify(key)}: missing`);
  return lines;
}

async function check(
  t: TestTenant,
  refill: Refill,
  tenant: TenantName,
  db: Database,
  wrong: readonly Wrong[],
): Promise<void> {
  await fillSource(t, tenant, db);
  const right = await derive(t.pg, tenant, RANGE);
  const owned = `customer_id = {customer:String} AND profile_id = {profile:String}`;
  const own = owned
    .replace('{customer:String}', quoted(tenant.customer))
    .replace('{profile:String}', () => quoted(tenant.profile));
  for (const table of TABLES) await t.command(`TRUNCATE TABLE ${table}`);
  for (const strategy of ['replace', 'purge'] as const satisfies readonly Strategy[]) {
    const before: Record<string, TargetRow[]> = {};
    for (const table of TABLES) {
      const foreign = strategy === 'replace' ? foreignRows(table, tenant) : [];
      await insert(t, table, [...wrongRows(table, right[table], wrong), ...foreign]);
      before[table] = sorted(await rowsOf(t, table, `${KEYS[table]} IN ('before', 'after', 'foreign', 'half')`));
    }
    const plan = await refill.plan({ tenant, range: RANGE, strategy, tables: TABLES });
    expect(plan.counts.map(({ table, source, excluded }) => ({ table, source, excluded }))).toEqual(
      TABLES.map((table) => ({ table, source: right[table].rows.size, excluded: right[table].excluded })),
    );
    const events = [];
    for await (const event of refill.run(plan.id, { recount: false })) events.push(event);
    expect(events.at(-1)).toMatchObject({ type: 'result', state: 'succeeded', differences: 0 });

    const lines: string[] = [];
    for (const table of TABLES) {
      lines.push(...differences(table, right[table], await rowsOf(t, table, `${IN_RANGE} AND ${own}`)));
      const after = sorted(await rowsOf(t, table, `${KEYS[table]} IN ('before', 'after', 'foreign', 'half')`));
      expect(after).toEqual(before[table]);
    }
    expect(lines, `after ${strategy}`).toEqual([]);
  }
  const verified = await refill.verify({ tenant, range: RANGE, tables: TABLES });
  expect(verified).toMatchObject({ ok: true });
  expect(verified.tables.map(({ table, source, target, excluded }) => ({ table, source, target, excluded }))).toEqual(
    TABLES.map((table) => {
      const { rows, excluded } = right[table];
      return { table, source: rows.size, target: rows.size, excluded };
    }),
  );
}

const quoted = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll(`'`, `\\'`)}'`;
const sorted = (rows: TargetRow[]) => rows.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));

/** How many random databases; more for a long look: ORACLE_RUNS=500. */
const RUNS = Number(process.env['ORACLE_RUNS'] ?? 12);

test(
  'whatever the databases hold, both strategies leave exactly the rows of the plain derivation',
  { timeout: RUNS * 40_000 },
  async () => {
    const t = await createTenant({
      limits: { graceSeconds: 0.01, clockMarginSeconds: 0.01, mutationPollSeconds: 0.2 },
    });
    const { clusters } = t.config;
    const east = clusters['test'];
    if (!east) throw new Error('no cluster');
    const tenants = TENANTS.map((tenant) => ({ ...tenant, database: t.database }));
    const refill = openRefill({ ...t.config, clusters: { test: { ...east, tenants } } });
    onTestFinished(() => refill.close());
    const property = fc.asyncProperty(fc.constantFrom(...TENANTS), database, wrongs, (tenant, db, wrong) =>
      check(t, refill, tenant, db, wrong),
    );
    await fc.assert(property, { numRuns: RUNS, interruptAfterTimeLimit: RUNS * 30_000, markInterruptAsFailure: true });
  },
);
