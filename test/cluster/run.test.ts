import { createClient } from '@clickhouse/client';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { RunEvent } from '../../src/domain/events.ts';
import { onDebugPoint } from '../../src/steps/debug-points.ts';
import { ended, expectClean, fillCards, liveWrite, RANGE, type Table } from '../support/cards.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';
import { type Cluster, startCluster, withoutCluster } from './cluster.ts';

const TABLES: readonly Table[] = ['scorecard', 'score'];

/** `npm run test:3x3` takes the users' own shape; it needs the memory of nine servers. */
const [, SHARDS = 2, REPLICAS = 2] = (/^(\d)x(\d)$/u.exec(process.env['REFILL_TEST_SHAPE'] ?? '2x2') ?? []).map(Number);

describe.skipIf(withoutCluster())(`${SHARDS} shards of ${REPLICAS} replicas`, () => {
  let servers: Cluster;
  beforeAll(async () => {
    servers = await startCluster({ shards: SHARDS, replicas: REPLICAS });
  });
  afterEach(() => onDebugPoint(undefined));
  afterAll(() => servers.end());

  /** Rows of a table on each node, as they are there. */
  async function onNodes<Row>(sql: (node: string) => string): Promise<Row[][]> {
    return Promise.all(
      servers.nodes.map(async ({ name, http }) => {
        const client = createClient({ url: http });
        try {
          return await (await client.query({ query: sql(name), format: 'JSONEachRow' })).json<Row>();
        } finally {
          await client.close();
        }
      }),
    );
  }

  async function filled(
    urls: readonly string[],
    options: Parameters<typeof createTenant>[0] = {},
  ): Promise<TestTenant> {
    const t = await createTenant({
      limits: { windowRows: 150 },
      ...options,
      servers: { cluster: servers.cluster, urls },
    });
    // A number of cards that spreads their times, by which rows find their shard, over odd and even seconds.
    await fillCards(t, { cards: 241 });
    return t;
  }

  const WAYS: readonly (readonly [string, () => readonly string[]])[] = [
    ['an address of each server', () => servers.urls],
    ['one address for all', () => servers.urls.slice(0, 1)],
  ];

  describe.each(WAYS)('%s', (_, urls) => {
    test.each(['purge', 'replace'] as const)('%s: every shard becomes what the source says', async (strategy) => {
      const t = await filled(urls());
      const before = await t.refill.verify({ tenant: t.name, range: RANGE });
      for (const table of before.tables)
        for (const kind of ['missing', 'extra', 'stale', 'duplicated'] as const) expect(table[kind]).toBeGreaterThan(0);
      const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
      const { result } = await ended(t.refill.run(plan.id));
      expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
      await expectClean(t);

      // Each delete has one mutation a table and shard, with the shard's own id.
      const ledger = await t.refill.ledger();
      const mutations = await ledger.mutations(result.run);
      expect(mutations).toHaveLength(2 * plan.deletes.length);
      const shards = Array.from({ length: SHARDS }, (_, n) => String(n + 1));
      for (const { ids } of mutations) expect(ids.map(({ shard }) => shard).sort()).toEqual(shards);

      // The replicas of a shard are equal, the shards are not, and together they are the whole.
      for (const table of TABLES) {
        const sums = (
          await onNodes<{ rows: string; sum: string }>(
            () =>
              `SELECT toString(count()) AS rows, toString(sum(cityHash64(*))) AS sum FROM \`${t.database}\`.${table} FINAL`,
          )
        ).map(([row]) => row);
        const byShard = shards.map((_, n) =>
          sums.slice(n * REPLICAS, (n + 1) * REPLICAS).map((s) => JSON.stringify(s)),
        );
        for (const replicas of byShard) expect(new Set(replicas).size).toBe(1);
        expect(new Set(byShard.flat()).size).toBe(SHARDS);
        for (const sum of sums) expect(Number(sum?.rows)).toBeGreaterThan(0);
      }
    });
  });

  /** Mutations with this text that each node knows. */
  const known = (text: string) =>
    onNodes<{ id: string }>(
      () => `SELECT mutation_id AS id FROM system.mutations WHERE position(command, '${text}') > 0 ORDER BY 1`,
    );

  describe.each(WAYS)('lightweight deletes, %s', (_, urls) => {
    test.each(['purge', 'replace'] as const)('%s: one a shard, while somebody writes', async (strategy) => {
      const t = await filled(urls(), { deletes: 'lightweight' });
      const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
      const kinds = plan.deletes.flatMap((del) => del.tables.map(({ kind }) => kind));
      expect(new Set(kinds)).toEqual(new Set(['lightweight']));
      const { rows } = await t.pg.query<{ id: string }>(
        `SELECT resource_id AS id FROM director.scorecards c WHERE scorecard_type IS NULL AND calibrated_scorecard_id IS NULL
           AND created_at BETWEEN '2026-01-30Z' AND '2026-02-02Z' AND submitted_at IS NULL ORDER BY created_at`,
      );
      let written = 0;
      onDebugPoint(async (point) => {
        const card = rows[written];
        if (!card || !['mutation-sent', 'mutations-assigned', 'window-written'].includes(point)) return;
        written += 1;
        await t.pg.query('UPDATE director.scorecards SET score = 1000 WHERE resource_id = $1', [card.id]);
        await liveWrite(t, card.id);
      });
      const { result } = await ended(t.refill.run(plan.id));
      onDebugPoint(undefined);
      expect(written).toBeGreaterThan(3);
      expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
      await expectClean(t);

      const mutations = await (await t.refill.ledger()).mutations(result.run);
      expect(mutations).toHaveLength(2 * plan.deletes.length);
      for (const { nonce, ids, statement } of mutations) {
        expect(statement).toContain('_row_exists = 0');
        const byNode = (await known(nonce)).map((found) => found.map(({ id }) => id));
        // Each replica of a shard has the shard's one, and no other.
        const wanted = ids.flatMap(({ id }) => Array.from({ length: REPLICAS }, () => [id]));
        expect(byNode).toEqual(wanted);
      }
    });
  });

  test('rows that come late to every shard, into a part that is proven, are gone at the end', async () => {
    const t = await filled(servers.urls.slice(0, 1));
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'purge' });
    const late = `SELECT DISTINCT _shard_num AS shard FROM scorecard_d WHERE agent_user_id = 'agent-late' ORDER BY 1`;
    let shards = 0;
    onDebugPoint(async (point) => {
      if (point !== 'delete-proven' || shards > 0) return;
      const [run] = await t.refill.runs();
      const proven = (await (await t.refill.ledger()).deletes(run?.id ?? '')).filter((d) => d.state === 'proven');
      expect(proven.length).toBeLessThan(plan.deletes.length);
      // What an old writer still had in hand: cards as they were, of an agent of then.
      await t.command(
        `INSERT INTO scorecard_d SELECT * REPLACE ('agent-late' AS agent_user_id, toDateTime64('2026-02-10', 6, 'UTC') AS update_time)
         FROM scorecard_d WHERE toDate(scorecard_time) = '${proven[0]?.from.slice(0, 10)}'`,
      );
      shards = (await t.select(late)).length;
    });
    const { result } = await ended(t.refill.run(plan.id));
    expect(shards).toBe(SHARDS);
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect(await t.select(late)).toEqual([]);
    await expectClean(t);
  });

  test('rows on another shard than their own are stale by reason, and a run puts them right', async () => {
    const t = await filled(servers.urls, { limits: {} });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    await ended(t.refill.run(plan.id));
    // Three rows change places: equal in every column, and still not where readers look.
    const [own, other] = [servers.nodes[0], servers.nodes[REPLICAS]];
    if (!own || !other) throw new Error('no nodes');
    const moved = await t.select<{ scorecard_id: string }>(
      `SELECT scorecard_id FROM remote('127.0.0.1:${own.tcp}', \`${t.database}\`, scorecard) FINAL
       WHERE scorecard_time >= '2026-01-29' AND scorecard_time < '2026-02-04' ORDER BY 1 LIMIT 3`,
    );
    expect(moved).toHaveLength(3);
    const ids = moved.map((m) => `'${m.scorecard_id}'`).join(', ');
    await t.command(
      `INSERT INTO FUNCTION remote('127.0.0.1:${other.tcp}', \`${t.database}\`, scorecard)
       SELECT * FROM remote('127.0.0.1:${own.tcp}', \`${t.database}\`, scorecard) FINAL WHERE scorecard_id IN (${ids})`,
    );
    // The client's own server is of the first shard.
    await t.command(`ALTER TABLE scorecard DELETE WHERE scorecard_id IN (${ids})`);
    const verified = await t.refill.verify({ tenant: t.name, range: RANGE });
    expect(verified.ok).toBe(false);
    expect(verified.tables.find((v) => v.table === 'scorecard')).toMatchObject({
      missing: 0,
      extra: 0,
      stale: 3,
      duplicated: 0,
      keys: { stale: moved.map((m) => m.scorecard_id) },
    });
    expect(verified.reasons).toEqual([{ table: 'scorecard', kind: 'stale', reason: 'wrong_shard', rows: 3 }]);

    const again = await t.refill.plan({ tenant: t.name, range: RANGE });
    const { result } = await ended(t.refill.run(again.id));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  });

  test('a mutation that cannot begin is waited for, and named with its shard', async () => {
    const t = await filled(servers.urls);
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'purge' });
    const second = servers.nodes[REPLICAS];
    if (!second) throw new Error('no node');
    const client = createClient({ url: second.http });
    await client.command({ query: `SYSTEM STOP MERGES \`${t.database}\`.score` });
    let waited = '';
    const { result } = await ended(t.refill.run(plan.id), async (event: RunEvent) => {
      if (event.type !== 'progress' || waited !== '' || !/on shard 2/u.test(event.doing)) return;
      waited = event.doing;
      await client.command({ query: `SYSTEM START MERGES \`${t.database}\`.score` });
    });
    await client.close();
    expect(waited).toMatch(/the delete on score: \d+ parts? left on shard 2/u);
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  });
});
