import { setTimeout as sleep } from 'node:timers/promises';
import { createClient } from '@clickhouse/client';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RunEvent } from '../../src/domain/events.ts';
import { type Cluster, type ClusterNode, startCluster, withoutCluster } from '../cluster/cluster.ts';
import { ended, expectClean, fillCards, RANGE } from '../support/cards.ts';
import { createTenant, type TestTenant, type TestTenantOptions } from '../support/tenant.ts';

/** What goes wrong with servers of a cluster, each by name: nothing is lost, and nothing is claimed. */
describe.skipIf(withoutCluster({ stops: true }))('two shards of two replicas', () => {
  let servers: Cluster;
  beforeAll(async () => {
    servers = await startCluster({ shards: 2, replicas: 2 });
  });
  afterAll(() => servers.end());

  /** One address a shard, of replicas that are never killed here, so that tests can look. */
  const addresses = () => ['s1r1', 's2r1'].map((name) => at(name).http);
  const at = (name: string): ClusterNode => {
    const found = servers.nodes.find((n) => n.name === name);
    if (!found) throw new Error(`no node ${name}`);
    return found;
  };

  async function filled(limits: NonNullable<TestTenantOptions['limits']> = {}): Promise<TestTenant> {
    const t = await createTenant({
      limits: { windowRows: 150, outageMinutes: 2, ...limits },
      servers: { cluster: servers.cluster, urls: addresses() },
    });
    await fillCards(t, { cards: 241 });
    return t;
  }

  async function on<T>(name: string, sql: string): Promise<T[]> {
    const client = createClient({ url: at(name).http });
    try {
      return await (await client.query({ query: sql, format: 'JSONEachRow' })).json<T>();
    } finally {
      await client.close();
    }
  }

  async function tell(name: string, sql: string): Promise<void> {
    const client = createClient({ url: at(name).http });
    try {
      await client.command({ query: sql });
    } finally {
      await client.close();
    }
  }

  /** Fails unless a replica has exactly the rows of its sibling, once it has copied them. */
  async function expectCopied(t: TestTenant, sibling: string, name: string): Promise<void> {
    for (const table of ['scorecard', 'score']) {
      await tell(name, `SYSTEM SYNC REPLICA \`${t.database}\`.${table}`);
      const sql = `SELECT toString(count()) AS n, toString(sum(cityHash64(*))) AS sum FROM \`${t.database}\`.${table} FINAL`;
      const [one, other] = await Promise.all([on(sibling, sql), on(name, sql)]);
      expect(other).toEqual(one);
    }
  }

  const notices = (events: readonly RunEvent[]) =>
    events.flatMap((e) => (e.type === 'notice' ? [e.message] : [])).join('\n');

  test.each(['purge', 'replace'] as const)(
    '%s with a replica that is dead from the start: it is named, not waited for beyond the limit, and right when it is back',
    async (strategy) => {
      const t = await filled({ replicaMinutes: 0.02 });
      const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
      await servers.node('s2r2').kill();
      const { events, result } = await ended(t.refill.run(plan.id));
      await servers.node('s2r2').start();
      expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
      expect(notices(events)).toContain(`:${at('s2r2').tcp}`);
      await expectClean(t);
      await expectCopied(t, 's2r1', 's2r2');
    },
  );

  test.each([
    ['an insert', (e: RunEvent) => e.type === 'progress' && e.windows.active > 0],
    ['a delete', (e: RunEvent) => e.type === 'delete' && e.state === 'submitted'],
    ['a verify', (e: RunEvent) => e.type === 'delete' && e.state === 'finished'],
  ] as const)('a replica that dies in the middle of %s', async (_, moment) => {
    const t = await filled({ replicaMinutes: 0.02 });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    let killed = false;
    const { result } = await ended(t.refill.run(plan.id), async (event) => {
      if (killed || !moment(event)) return;
      killed = true;
      await servers.node('s1r2').kill();
    });
    expect(killed).toBe(true);
    await servers.node('s1r2').start();
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t);
    await expectCopied(t, 's1r1', 's1r2');
  });

  test('a shard with no replica left: the run fails and names it, nothing is claimed, and retry ends it', async () => {
    const t = await filled({ outageMinutes: 0.1, replicaMinutes: 0.02 });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    let killed = false;
    const { result } = await ended(t.refill.run(plan.id), async (event) => {
      if (killed || event.type !== 'window') return;
      killed = true;
      await Promise.all([servers.node('s2r1').kill(), servers.node('s2r2').kill()]);
    });
    expect(result.state).toBe('failed');
    expect(result.error?.code).toMatch(/^CH_(SHARD_)?UNREACHABLE$/u);
    const ledger = await t.refill.ledger();
    const proven = (await ledger.deletes(result.run)).filter((d) => d.state === 'proven');
    expect(proven).toEqual([]);
    expect(await ledger.proofs(result.run)).toEqual([]);
    // Counts on the shard that is left are not the truth: they are refused.
    await expect(t.refill.verify({ tenant: t.name, range: RANGE })).rejects.toMatchObject({
      code: expect.stringMatching(/^CH_/u),
    });
    await Promise.all([servers.node('s2r1').start(), servers.node('s2r2').start()]);
    await writable(t, 's2r1');
    const again = await ended(t.refill.retry(result.run));
    expect(again.result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t);
  });

  /** Waits until a node that came back has its Keeper. */
  async function writable(t: TestTenant, name: string): Promise<void> {
    for (let look = 0; look < 60; look += 1) {
      const [row] = await on<{ n: number }>(
        name,
        `SELECT toUInt8(countIf(is_readonly)) AS n FROM system.replicas WHERE database = '${t.database}'`,
      ).catch(() => [{ n: 1 }]);
      if (row?.n === 0) return;
      await sleep(500);
    }
    throw new Error(`${name} is still read-only`);
  }

  test('the Keeper gone for 20 s: the run waits, and ends', async () => {
    const t = await filled();
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    let back: Promise<void> | undefined;
    const { result } = await ended(t.refill.run(plan.id), async (event) => {
      if (back !== undefined || event.type !== 'window') return;
      await servers.zookeeper.kill();
      back = sleep(20_000).then(() => servers.zookeeper.start());
    });
    await back;
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    // Replicated tables cannot be written meanwhile.
    expect(result.seconds).toBeGreaterThan(20);
    await expectClean(t);
  });

  test('a delete of ours that somebody kills: named, and retry sends another', async () => {
    const t = await filled();
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    for (const node of ['s1r1', 's1r2', 's2r1', 's2r2']) await tell(node, `SYSTEM STOP MERGES \`${t.database}\`.score`);
    let killed = false;
    const { result } = await ended(t.refill.run(plan.id), async (event) => {
      if (killed || event.type !== 'progress' || !/the delete on score: \d+ parts? left/u.test(event.doing)) return;
      killed = true;
      for (const node of ['s1r1', 's2r1'])
        await tell(node, `KILL MUTATION WHERE database = '${t.database}' AND table = 'score' SYNC`);
    });
    for (const node of ['s1r1', 's1r2', 's2r1', 's2r2'])
      await tell(node, `SYSTEM START MERGES \`${t.database}\`.score`);
    expect(killed).toBe(true);
    expect(result).toMatchObject({ state: 'failed', error: { code: 'MUTATION_VANISHED' } });
    const again = await ended(t.refill.retry(result.run));
    expect(again.result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t);
  });

  test('a foreign mutation stuck in front of ours: it is named and left alone', async () => {
    const t = await filled();
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'purge' });
    await tell(
      's2r1',
      `ALTER TABLE \`${t.database}\`.score DELETE WHERE throwIf(score_id != '', 'foreign') SETTINGS mutations_sync = 0`,
    );
    let named = '';
    const { result } = await ended(t.refill.run(plan.id), async (event) => {
      if (named !== '' || event.type !== 'progress' || !/not ours/u.test(event.doing)) return;
      named = event.doing;
      const unfinished = await on<{ command: string }>(
        's2r1',
        `SELECT command FROM system.mutations WHERE NOT is_done AND database = '${t.database}' AND command LIKE '%foreign%'`,
      );
      expect(unfinished).toHaveLength(1);
      await tell('s2r1', `KILL MUTATION WHERE database = '${t.database}' AND command LIKE '%foreign%' SYNC`);
    });
    expect(named).toMatch(
      /on shard 2.*in front of it is mutation \d+ on .*, which is not ours and fails: .*ClickHouse says 395/u,
    );
    // Seen once in six runs to end with four differences, and not understood yet: this says which.
    const drift = await (await t.refill.ledger()).drift(result.run, { limit: 20 });
    expect({ state: result.state, drift }).toEqual({ state: 'succeeded', drift: [] });
    await expectClean(t);
  });

  test('rows that an old writer inserts late, after the delete, are named exactly', async () => {
    const t = await filled();
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'purge' });
    const { result } = await ended(t.refill.run(plan.id));
    expect(result.state).toBe('succeeded');
    const [row] = await t.select<Record<string, unknown>>(
      `SELECT * FROM scorecard_d FINAL WHERE scorecard_time >= '2026-01-30' AND scorecard_time < '2026-02-02' ORDER BY scorecard_id LIMIT 1`,
    );
    await t.ch.insert({
      table: 'scorecard_d',
      values: [{ ...row, agent_user_id: 'agent-of-then', update_time: '2026-02-10 00:00:00.000000' }],
      format: 'JSONEachRow',
    });
    const verified = await t.refill.verify({ tenant: t.name, range: RANGE });
    expect(verified.tables.find((v) => v.table === 'scorecard')).toMatchObject({
      missing: 0,
      extra: 0,
      stale: 0,
      duplicated: 1,
      keys: { duplicated: [row?.['scorecard_id']] },
    });
  });
});
