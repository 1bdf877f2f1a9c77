import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { chooseKind, DELETE_KINDS, LIGHTWEIGHT_SHARE } from '../../src/domain/delete-kind.ts';
import type { Plan } from '../../src/domain/plan.ts';
import type { Range } from '../../src/domain/words.ts';
import type { EmbeddedInfo } from '../../src/embedded/info.ts';
import { clickhouseSchemaSql } from '../../src/embedded/sample/schema.ts';
import { removeEmbedded, startEmbedded } from '../../src/embedded/stack.ts';
import { onDebugPoint } from '../../src/steps/debug-points.ts';
import { againstLightweight } from '../../src/steps/lightweight.ts';
import { rewriteCost } from '../../src/steps/rewrite-cost.ts';
import { concerns, conditionOf, deleteStatement } from '../../src/target/mutations.ts';
import { partitionSizes } from '../../src/target/parts.ts';
import { workbenchOf } from '../cluster/support.ts';
import { ended, expectClean, fillCards, RANGE, thrown } from '../support/cards.ts';
import { openRefill } from '../support/executor.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';

/** Of the cards' eight days four lie in January. */
const DAY: Range = { from: '2026-01-29T00:00:00.000Z', to: '2026-01-30T00:00:00.000Z' };
const MONTH: Range = { from: '2026-01-01T00:00:00.000Z', to: '2026-02-01T00:00:00.000Z' };
const STRATEGIES = ['purge', 'replace'] as const;
const TABLES = ['scorecard', 'score'] as const;

afterEach(() => onDebugPoint(undefined));

async function filled(options: Parameters<typeof createTenant>[0] = {}): Promise<TestTenant> {
  const t = await createTenant(options);
  await fillCards(t);
  return t;
}

const planned = (plan: Plan) => plan.deletes.flatMap((del) => del.tables);
const kinds = (plan: Plan) => [...new Set(planned(plan).map(({ kind }) => kind))];

/** What the server has of our mutations in a tenant's database. */
async function commands(t: TestTenant): Promise<readonly string[]> {
  const rows = await t.select<{ command: string }>(
    `SELECT command FROM system.mutations WHERE database = '${t.database}' AND position(command, 'refill r-') > 0`,
  );
  return rows.map(({ command }) => command);
}

test('a share up to the limit is lightweight, a larger or unknown one is not, and a person can say otherwise', () => {
  expect([0, LIGHTWEIGHT_SHARE, LIGHTWEIGHT_SHARE + 0.001, 1, null].map((share) => chooseKind('auto', share))).toEqual([
    'lightweight',
    'lightweight',
    'rewrite',
    'rewrite',
    'rewrite',
  ]);
  for (const kind of DELETE_KINDS) expect([0, 1, null].map((s) => chooseKind(kind, s))).toEqual([kind, kind, kind]);
});

test.each(DELETE_KINDS)('of a statement that is %s its partition and condition are known again', (kind) => {
  const parts = { condition: 'a = 1', nonce: 'refill r-1 delete 1 t v-1', kind };
  const table = { database: 'd', name: 't' };
  const everywhere = deleteStatement(table, parts);
  const january = deleteStatement(table, { ...parts, partition: '202601' });
  expect([everywhere, january].map((one) => concerns(one, '202602_1_1_0'))).toEqual([true, false]);
  expect([everywhere, january].map((one) => concerns(one, '202601_1_1_0_7'))).toEqual([true, true]);
  for (const one of [everywhere, january]) expect(conditionOf(one)).toBe(`a = 1 AND 'refill r-1 delete 1 t v-1' != ''`);
});

describe('a plan', () => {
  test('masks a day of a full month, rewrites a whole one, and says by which share', async () => {
    const t = await filled();
    const day = await t.refill.plan({ tenant: t.name, range: DAY });
    const month = await t.refill.plan({ tenant: t.name, range: MONTH });
    expect([kinds(day), kinds(month)]).toEqual([['lightweight'], ['rewrite']]);
    for (const { table, share, rows } of planned(day)) {
      const [of] = await t.select<{ n: string }>(
        `SELECT toString(count()) AS n FROM ${table} WHERE scorecard_time < '2026-02-01'`,
      );
      expect(share).toBe(rows / Number(of?.n));
      expect(share).toBeGreaterThan(0.1);
    }
    expect(planned(month).map(({ share }) => share)).toEqual([1, 1]);
    expect(planned(day)[0]?.sql).toMatch(/^ALTER TABLE \S+ UPDATE _row_exists = 0 IN PARTITION 202601 WHERE /u);
    const cut = openRefill({ ...t.config, limits: { ...t.config.limits, windowRows: 30, deleteRows: 1 } });
    const inParts = await cut.plan({ tenant: t.name, range: MONTH });
    await cut.close();
    expect(inParts.deletes.length).toBeGreaterThan(2);
    // As many deletes as it takes: what goes is the whole of the partition.
    expect([kinds(inParts), inParts.deletes[1]?.tables[0]?.share]).toEqual([['rewrite'], 1]);
    expect(planned(month)[0]?.sql).toMatch(/^ALTER TABLE \S+ DELETE IN PARTITION 202601 WHERE /u);
    // Nothing is rewritten by a mask.
    expect(day.cost.rowsToRewrite).toBe(0);
    expect(month.cost.rowsToRewrite).toBe(planned(month).reduce((n, { rows }) => n + rows, 0));
  });

  test('counts what rewriting writes again as often as it does, and cuts a partition no further than deleteBytes allows', async () => {
    const plans = async (options: Parameters<typeof createTenant>[0]) => {
      const t = await filled(options);
      const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
      const [held] = await t.select<{ rows: string; bytes: string }>(
        `SELECT toString(sum(rows)) AS rows, toString(sum(bytes_on_disk)) AS bytes FROM system.parts
         WHERE active AND database = '${t.database}' AND table IN ('scorecard', 'score') AND partition_id = '202601'`,
      );
      const january = plan.deletes.filter(({ from }) => from < '2026-02');
      return { plan, january: january.length, rows: Number(held?.rows), bytes: Number(held?.bytes) };
    };
    const small = { windowRows: 30, deleteRows: 1 };
    const many = await plans({ deletes: 'rewrite', limits: small });
    expect(many.january).toBeGreaterThan(2);
    const january = await plans({ deletes: 'rewrite', limits: { ...small, deleteBytes: 1 } });
    expect(january.january).toBe(1);
    expect(january.plan.windows.length).toBe(many.plan.windows.length);
    // February is the same in both.
    const [{ cost: often }, { cost: once }] = [many.plan, january.plan];
    expect(often.rowsToRewrite - once.rowsToRewrite).toBeGreaterThanOrEqual((many.january - 1) * many.rows);
    expect(often.bytesToRewrite).toBeGreaterThanOrEqual(many.january * many.bytes);
    // Masks write nothing again, so they may be as small as rows ask for.
    const masks = await plans({ deletes: 'lightweight', limits: { ...small, deleteBytes: 1 } });
    expect([masks.january, kinds(masks.plan), masks.plan.cost.bytesToRewrite]).toEqual([
      many.january,
      ['lightweight'],
      0,
    ]);
  });

  test('warns of a server without room for what a delete writes again', async () => {
    const t = await filled({ deletes: 'rewrite' });
    const { deletes } = await t.refill.plan({ tenant: t.name, range: MONTH });
    const bench = await workbenchOf(t);
    const { target } = bench;
    const sized = await Promise.all(
      bench.tables.map(async (table) => ({ table, sizes: await partitionSizes(target, table.target) })),
    );
    expect((await rewriteCost(bench, sized, deletes)).warnings).toEqual([]);
    // The same server, as if seven bytes of its disk were free.
    const full = {
      ...target,
      rows: <Row>(...[sql, ...rest]: Parameters<typeof target.rows>) =>
        target.rows<Row>(sql.replace('sum(free_space)) AS bytes', 'toUInt64(7)) AS bytes'), ...rest),
    };
    const { warnings } = await rewriteCost({ ...bench, target: full }, sized, deletes);
    expect(warnings.map(({ code, table }) => [code, table])).toEqual(TABLES.map((table) => ['DISK_SHORT', table]));
    expect(warnings[0]?.message).toMatch(
      /^a delete of scorecard writes \S+ KiB again on one server .* has 7 bytes free$/u,
    );
  });

  test.each([
    [
      'rewrites where days have other partitions than in UTC',
      `PARTITION BY toYYYYMM(scorecard_time, 'Asia/Tokyo')`,
      'rewrite',
    ],
    ['takes a table without partitions as one', '', 'lightweight'],
  ] as const)('%s', async (_, partitioned, kind) => {
    const targetSchema = (database: string) =>
      clickhouseSchemaSql({ database }).flatMap((sql, at) =>
        at === 0 ? [] : [sql.replace('PARTITION BY toYYYYMM(scorecard_time)', partitioned)],
      );
    const t = await filled({ targetSchema });
    const plan = await t.refill.plan({ tenant: t.name, range: DAY });
    expect(kinds(plan)).toEqual([kind]);
    expect(planned(plan)[0]?.sql).not.toContain('IN PARTITION');
    expect((await ended(t.refill.run(plan.id))).result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t, DAY);
  });

  test('rewrites a table with projections, with a warning, and is refused where one came since', async () => {
    const t = await filled();
    const before = await t.refill.plan({ tenant: t.name, range: DAY });
    await t.command(`ALTER TABLE score MODIFY SETTING deduplicate_merge_projection_mode = 'rebuild'`);
    await t.command('ALTER TABLE score ADD PROJECTION by_card (SELECT * ORDER BY scorecard_id)');
    const after = await t.refill.plan({ tenant: t.name, range: DAY });
    expect(planned(after).map(({ table, kind }) => [table, kind])).toEqual([
      ['scorecard', 'lightweight'],
      ['score', 'rewrite'],
    ]);
    expect(after.warnings.filter(({ code }) => code === 'DELETE_REWRITES')).toEqual([
      { code: 'DELETE_REWRITES', table: 'score', message: expect.stringContaining('it has projections') },
    ]);
    expect(before.warnings.map(({ code }) => code)).not.toContain('DELETE_REWRITES');
    expect(await thrown(() => ended(t.refill.run(before.id)))).toMatchObject({ code: 'PLAN_FOREIGN' });
    expect(await commands(t)).toEqual([]);
    expect((await ended(t.refill.run(after.id))).result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t, DAY);
  });

  test('from before there was a choice rewrites', async () => {
    const t = await filled();
    const plan = await t.refill.plan({ tenant: t.name, range: DAY });
    const deletes = plan.deletes.map((del) => ({
      ...del,
      tables: del.tables.map(({ table, rows, sql }) => ({ table, rows, sql })),
    }));
    const ledger = await t.refill.ledger();
    await ledger.savePlan({ ...plan, id: 'p-old', deletes }, { user: 'test', host: 'test', pid: 1 });
    expect((await ended(t.refill.run('p-old'))).result).toMatchObject({ state: 'succeeded', differences: 0 });
    const found = await commands(t);
    expect(found.length).toBeGreaterThan(0);
    expect(found.filter((command) => command.includes('_row_exists'))).toEqual([]);
  });
});

describe.each(STRATEGIES)('%s', (strategy) => {
  test.each(DELETE_KINDS)('%s: the range becomes what the source says, and stays so in merges', async (kind) => {
    const t = await filled({ deletes: kind, limits: { windowRows: 120 } });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
    expect(kinds(plan)).toEqual([kind]);
    const { result } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t);
    const found = await commands(t);
    expect(found).toHaveLength(2 * plan.deletes.length);
    expect(new Set(found.map((command) => command.includes('_row_exists')))).toEqual(new Set([kind === 'lightweight']));
    for (const table of TABLES) await t.command(`OPTIMIZE TABLE ${table} FINAL`);
    await expectClean(t);
  });
});

test('a lightweight delete that does not end is listed with what keeps it, and only ours is taken back', async () => {
  const t = await filled({ deletes: 'lightweight' });
  const plan = await t.refill.plan({ tenant: t.name, range: DAY, strategy: 'purge' });
  await t.command('SYSTEM STOP MERGES score');
  await t.ch.command({
    query: `ALTER TABLE score DELETE WHERE score_id = 'foreign'`,
    clickhouse_settings: { mutations_sync: '0' },
  });
  let listed: readonly { readonly run: string | null; readonly why: string }[] = [];
  const { result } = await ended(t.refill.run(plan.id), async (event) => {
    if (listed.length > 0 || event.type !== 'progress' || !/the delete on score: \d+ parts? left/u.test(event.doing))
      return;
    listed = (await t.refill.mutations()).filter((one) => one.database === t.database && one.run !== null);
    await t.refill.killMutations(event.run);
  });
  expect(listed).toMatchObject([
    { table: 'score', run: result.run, why: expect.stringMatching(/in front of it, which is not ours/u) },
  ]);
  expect(result).toMatchObject({ state: 'failed', error: { code: 'MUTATION_VANISHED' } });
  const left = `SELECT command FROM system.mutations WHERE database = '${t.database}' AND NOT is_done`;
  expect(await t.select(left)).toEqual([{ command: expect.stringContaining('foreign') }]);
  await t.command('SYSTEM START MERGES score');
  expect((await ended(t.refill.retry())).result).toMatchObject({ state: 'succeeded', differences: 0 });
  await expectClean(t, DAY);
});

describe('what the server does not allow', () => {
  const password = 'a password of ClickHouse';
  const user = 'deleter';
  let stack: EmbeddedInfo;
  beforeAll(async () => {
    const dir = await mkdtemp(join(tmpdir(), 'refill-lightweight-'));
    const grants = ['GRANT SELECT, INSERT, ALTER DELETE, KILL QUERY ON *.*', 'GRANT CLUSTER, REMOTE ON *.*'];
    stack = await startEmbedded({ dir, attached: true, clickhouseUsers: [{ name: user, password, grants }] });
  }, 120_000);
  afterAll(() => removeEmbedded(stack.dir));

  test('a user who may not write masks has a plan that rewrites, with what to grant', async () => {
    const t = await filled({ stack });
    process.env['REFILL_TEST_CH_PASSWORD'] = password;
    const cluster = t.config.clusters['test'];
    if (!cluster) throw new Error('no cluster');
    const clickhouse = { ...cluster.clickhouse, user, password: 'env:REFILL_TEST_CH_PASSWORD' };
    const refill = openRefill({ ...t.config, clusters: { test: { ...cluster, clickhouse } } });
    try {
      const plan = await refill.plan({ tenant: t.name, range: DAY });
      expect(kinds(plan)).toEqual(['rewrite']);
      const told = plan.warnings.filter(({ code }) => code === 'DELETE_REWRITES');
      expect(told.map(({ table }) => table)).toEqual(TABLES);
      expect(told[0]?.message).toContain(`GRANT ALTER UPDATE(_row_exists) ON ${t.database}.scorecard`);
      expect((await ended(refill.run(plan.id))).result).toMatchObject({ state: 'succeeded', differences: 0 });
    } finally {
      await refill.close();
    }
    await expectClean(t, DAY);
  });

  test('a profile that forbids lightweight deletes is heeded', async () => {
    const bench = await workbenchOf(await filled({ stack }));
    const { target } = bench;
    expect(await againstLightweight(bench, TABLES)).toEqual(new Map());
    const forbidding = {
      ...target,
      rows: <Row>(...[sql, bindings, settings]: Parameters<typeof target.rows>) =>
        target.rows<Row>(sql, bindings, { ...settings, enable_lightweight_delete: 0 }),
    };
    const against = await againstLightweight({ ...bench, target: forbidding }, TABLES);
    expect([...against.values()]).toEqual(TABLES.map(() => expect.stringContaining('enable_lightweight_delete = 0')));
  });
});
