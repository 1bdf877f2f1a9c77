import { describe, expect, inject, test } from 'vitest';
import type { RefillConfig } from '../../src/config/config.ts';
import { createRefill } from '../../src/create-refill.ts';
import { scorecards } from '../../src/dataset/scorecards.ts';
import { RANGE, wrongTenant } from '../contract/cards.ts';
import { ask, createDatabase, UserTenant, writeConfig } from '../contract/tenant.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';

/**
 * What `survey` and `doctor` say when one side does not answer, and of a query that finds tenants and returns something
 * else. Each of these ended with status 0, or with tenants that do not exist.
 */
let n = 0;

/** A tenant that is listed, not discovered, and the words that begin and end its addresses. */
async function listedTenant(change: (yaml: string) => string = (yaml) => yaml) {
  const servers = inject('stack');
  n += 1;
  const [customer, ledger] = [`sides${process.pid}x${n}`, `ledger_sides_${process.pid}_${n}`];
  const tenant = await new UserTenant(servers, customer, 'main').create(wrongTenant());
  await createDatabase(servers, ledger);
  const config = await writeConfig(servers, ledger, {
    change: (yaml) => change(yaml.replace(/tenants: .*/u, `tenants: [{ customer: ${customer}, profile: main }]`)),
  });
  const env = { LEDGER_PASSWORD: servers.postgres.password, PG_PASSWORD: servers.postgres.password };
  return { tenant, cli: (...args: string[]) => ask(args, config, env) };
}

const postgresDown = (yaml: string) => yaml.replace(/(postgres: \{[^}]*?port: )\d+/u, '$11');
const clickhouseDown = (yaml: string) => yaml.replace(/(http:\/\/127\.0\.0\.1:)\d+/u, '$11');

describe('one side is down', () => {
  test('survey of listed tenants fails if Postgres does not answer', async () => {
    const { tenant, cli } = await listedTenant(postgresDown);
    for (const args of [['survey'], ['survey', '--all', ...RANGE], ['survey', tenant.name, ...RANGE]]) {
      const { status, last } = await cli(...args);
      expect([args, status, last]).toEqual([
        args,
        4,
        expect.objectContaining({ code: 'PG_UNREACHABLE', message: expect.stringMatching(/127\.0\.0\.1:1\//u) }),
      ]);
    }
  });

  test('doctor names the side that does not answer, and claims nothing of it', async () => {
    const said = async (change: (yaml: string) => string) => {
      const { status, last } = await (await listedTenant(change)).cli('doctor');
      const findings = last['findings'];
      if (!Array.isArray(findings)) throw new Error('no findings');
      const levels = findings
        .filter((one: { subject: string }) => one.subject === 'east')
        .map((one: { check: string; level: string; message: string }) => [one.check, one.level, one.message]);
      return { status, levels };
    };
    expect(await said(postgresDown)).toEqual({
      status: 3,
      levels: [
        ['postgres', 'error', expect.stringContaining('PG_UNREACHABLE')],
        ['clickhouse', 'ok', expect.stringContaining('reachable')],
      ],
    });
    expect(await said(clickhouseDown)).toEqual({
      status: 3,
      levels: [
        ['postgres', 'ok', expect.stringContaining('reachable')],
        ['clickhouse', 'error', expect.stringContaining('CH_UNREACHABLE')],
      ],
    });
  });

  test('a listed database that Postgres does not have is named, and its neighbours are found', async () => {
    const { tenant, cli } = await listedTenant((yaml) =>
      yaml.replace('tenants: [', 'tenants: [{ customer: nowhere, profile: main }, '),
    );
    const { status, last } = await cli('survey');
    expect([status, last['tenants']]).toEqual([
      0,
      [
        expect.objectContaining({ customer: 'nowhere', problem: 'Postgres has no database nowhere_main' }),
        expect.objectContaining({ sourceDatabase: tenant.database, problem: null }),
      ],
    ]);
    expect((await cli('plan', tenant.name, ...RANGE)).status).toBe(0);
    const missing = await cli('plan', 'nowhere/main', ...RANGE);
    expect([missing.status, missing.last]).toEqual([
      4,
      expect.objectContaining({ code: 'CH_TABLE_MISSING', message: expect.stringContaining('nowhere_main') }),
    ]);
  });
});

describe('a query that finds tenants and returns something else', () => {
  /** The tenant's cluster, with its tenants discovered by a query. */
  const discovering = (t: TestTenant, tenants: string): RefillConfig => ({
    ...t.config,
    clusters: Object.fromEntries(
      Object.entries(t.config.clusters).map(([name, one]) => [name, { ...one, tenants: 'discover' as const }]),
    ),
    datasets: [{ ...scorecards, tenants }],
  });

  // A condition that no other test's database fulfils: they are on the same server.
  const only = (t: TestTenant) => `WHERE current_database() = '${t.database}'`;

  test.each([
    ['no columns of these names', (t: TestTenant) => `SELECT 'a' AS c, 'b' AS p ${only(t)}`, /no column `customer`/u],
    ['one of them alone', (t: TestTenant) => `SELECT 'a' AS customer ${only(t)}`, /no column `profile`/u],
    ['NULL', (t: TestTenant) => `SELECT 'a' AS customer, NULL::text AS profile ${only(t)}`, /`profile` is NULL/u],
    ['an empty name', (t: TestTenant) => `SELECT '' AS customer, 'b' AS profile ${only(t)}`, /`customer` is empty/u],
    ['a name of spaces', (t: TestTenant) => `SELECT ' ' AS customer, 'b' AS profile ${only(t)}`, /is empty/u],
    ['no SQL', () => 'SELEC customer, profile FROM director.scorecards', /syntax error/u],
    ['a column that is nowhere', () => 'SELECT kustomer AS customer, profile FROM director.scorecards', /kustomer/u],
  ])('%s', async (_, query, says) => {
    const t = await createTenant();
    const refill = createRefill(discovering(t, query(t)));
    try {
      const error = await refill.tenants().then(
        (found) => found,
        (thrown: unknown) => thrown,
      );
      expect(error).toMatchObject({ code: 'DATASET_INVALID', message: expect.stringMatching(says) });
    } finally {
      await refill.close();
    }
  });

  test('the same tenant twice is one tenant', async () => {
    const t = await createTenant();
    const query = `SELECT '${t.name.customer}' AS customer, 'test' AS profile FROM generate_series(1, 2) ${only(t)}`;
    const refill = createRefill(discovering(t, query));
    try {
      const found = (await refill.tenants()).filter((one) => one.sourceDatabase === t.database);
      expect(found).toHaveLength(1);
    } finally {
      await refill.close();
    }
  });
});
