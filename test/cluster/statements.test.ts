import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { resolveSecret } from '../../src/config/secrets.ts';
import { mayShareServer } from '../../src/domain/fleet.ts';
import { DEFAULT_LIMITS } from '../../src/domain/limits.ts';
import { DEFAULT_HEALTH_LIMITS } from '../../src/domain/indicators.ts';
import { type Health, judge } from '../../src/domain/health.ts';
import { openReindexer } from '../../src/open-reindexer.ts';
import { checkTopology } from '../../src/steps/check-topology.ts';
import { openCluster } from '../../src/steps/connect.ts';
import { onDebugPoint } from '../../src/steps/debug-points.ts';
import { clearWindow } from '../../src/steps/delete-now.ts';
import { createHealthLook } from '../../src/steps/look-at-health.ts';
import { targetServers } from '../../src/steps/servers.ts';
import { benchTable } from '../../src/steps/workbench.ts';
import { deleteStatement } from '../../src/target/mutations.ts';
import type { SentStatements } from '../../src/target/deadline.ts';
import { alterEverywhere } from '../../src/target/reach.ts';
import { Proxy } from '../ledger/proxy.ts';
import { ended, expectClean, fillCards, RANGE } from '../support/cards.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';
import { type Cluster, startCluster, withoutCluster } from './cluster.ts';
import { ask, blockQueue, nodeOf, tell, workbenchOf } from './support.ts';

/** A part of the range that is one delete. */
/** Statements whose answers nobody waits for. */
const SENT: SentStatements = {
  seconds: DEFAULT_LIMITS.statementSeconds,
  before: () => Promise.resolve(() => Promise.resolve()),
  onTheWay: () => Promise.resolve(0),
};

const JANUARY = { ...RANGE, to: '2026-02-01T00:00:00.000Z' };
const SECOND_SHARD = ['s2r1', 's2r2'];
const NODES = ['s1r1', 's1r2', ...SECOND_SHARD];

const CARD_60 = (database: string) =>
  `SELECT toString(count()) AS n FROM \`${database}\`.scorecard WHERE scorecard_id = 'card-60'`;

/** How statements get to two shards of two replicas: each once, and nobody else's is touched. */
describe.skipIf(withoutCluster())('statements to several servers', () => {
  let servers: Cluster;
  beforeAll(async () => {
    servers = await startCluster({ shards: 2, replicas: 2 });
  });
  afterEach(() => onDebugPoint(undefined));
  afterAll(() => servers.end());

  async function filled(urls: readonly string[]): Promise<TestTenant> {
    const t = await createTenant({ limits: { windowRows: 300 }, servers: { cluster: servers.cluster, urls } });
    await fillCards(t, { cards: 121 });
    return t;
  }
  const oneAddress = () => servers.urls.slice(0, 1);

  test('before a window is cleared, what was sent for it before has got to every shard', async () => {
    const t = await filled(oneAddress());
    const bench = await workbenchOf(t);
    const unblock = await blockQueue(servers, t.database, SECOND_SHARD);
    // A program sent this and was killed; what it should remove on the first shard is gone by now.
    const { target } = benchTable(bench, 'score');
    const nonce = 'refill r-killed window 1 score v-1';
    const statement = deleteStatement(target, { condition: `score_id = 'none'`, nonce, kind: 'rewrite' });
    await alterEverywhere(bench.reach, target, statement, [1, 2], SENT, 'refill test');
    const waits: string[] = [];
    await clearWindow(bench, 'r-killed', { id: 1, ...JANUARY }, ['2026-01-01 00:00:00.000000'], {
      limits: DEFAULT_LIMITS,
      signal: new AbortController().signal,
      onWait: (reason) => {
        if (waits.push(reason) === 1) void unblock();
      },
      stillOurs: () => Promise.resolve(),
      sent: SENT,
    });
    await unblock();
    expect(waits[0]).toContain('still on its way to some shard: refill r-killed window 1');
    expect(await sentTo(t, 's2r1', 'refill r-killed window 1')).toBe(1);
  });

  /** Mutations with this text that a node knows. */
  async function sentTo(t: TestTenant, node: string, text: string): Promise<number> {
    const sql = `SELECT count() AS n FROM system.mutations WHERE database = '${t.database}' AND position(command, '${text}') > 0`;
    return Number((await ask<{ n: string }>(servers, node, sql))[0]?.n);
  }

  test('the delete barrier waits for a delete that was sent twice and is still in the queue', async () => {
    const t = await filled(oneAddress());
    const bench = await workbenchOf(t);
    const plan = await t.refill.plan({ tenant: t.name, range: JANUARY, strategy: 'purge' });
    expect(plan.deletes).toHaveLength(1);
    const ledger = await t.refill.ledger();
    let unblock: (() => Promise<void>) | undefined;
    onDebugPoint(async (point) => {
      if (point !== 'mutation-sent' || unblock) return;
      const [run] = await t.refill.runs();
      const [sent] = await ledger.mutations(run?.id ?? '');
      if (!sent) throw new Error('nothing was sent');
      for (const node of ['s1r1', 's2r1'])
        await expect.poll(() => sentTo(t, node, sent.nonce), { timeout: 30_000 }).toBe(1);
      unblock = await blockQueue(servers, t.database, SECOND_SHARD);
      await alterEverywhere(
        bench.reach,
        benchTable(bench, sent.table).target,
        sent.statement,
        [1, 2],
        SENT,
        'refill test',
      );
    });
    const order: string[] = [];
    const { result } = await ended(t.refill.run(plan.id), async (event) => {
      if (event.type === 'window' && event.state === 'written') order.push('written');
      if (event.type !== 'progress' || !event.doing.includes('still on its way') || order.includes('waited')) return;
      order.push('waited');
      await unblock?.();
    });
    await unblock?.();
    expect(order[0]).toBe('waited');
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t, JANUARY);
  });

  test('what is taken back is ours, also where somebody else’s mutation has the same id on another shard', async () => {
    const t = await filled(oneAddress());
    const plan = await t.refill.plan({ tenant: t.name, range: JANUARY, strategy: 'purge' });
    const score = `\`${t.database}\`.score`;
    for (const node of NODES) await tell(servers, node, `SYSTEM STOP MERGES ${score}`);
    await tell(servers, 's2r1', `ALTER TABLE ${score} DELETE WHERE score_id = 'foreign'`, { mutations_sync: '0' });
    let killed: readonly { readonly shard: number; readonly id: string }[] | undefined;
    const { result } = await ended(t.refill.run(plan.id), async (event) => {
      if (killed || event.type !== 'progress' || !/the delete on score: \d+ parts? left/u.test(event.doing)) return;
      killed = await t.refill.killMutations(event.run);
    });
    const foreign = await ask<{ id: string; killed: number }>(
      servers,
      's2r1',
      `SELECT mutation_id AS id, is_killed AS killed FROM system.mutations
       WHERE database = '${t.database}' AND NOT is_done AND command LIKE '%foreign%'`,
    );
    for (const node of NODES) await tell(servers, node, `SYSTEM START MERGES ${score}`);
    expect(result).toMatchObject({ state: 'failed', error: { code: 'MUTATION_VANISHED' } });
    // Ours on the first shard is called as theirs on the second.
    expect(foreign).toEqual([{ id: killed?.find((k) => k.shard === 1)?.id, killed: 0 }]);
    const again = await ended(t.refill.retry(result.run));
    expect(again.result).toMatchObject({ state: 'succeeded', differences: 0 });
  });

  test('a delete whose answer was lost is not sent to the next address', async () => {
    const way = await Proxy.to(Number(new URL(nodeOf(servers, 's1r1').http).port));
    const t = await filled([
      `http://127.0.0.1:${way.port}`,
      nodeOf(servers, 's1r2').http,
      nodeOf(servers, 's2r1').http,
    ]);
    const plan = await t.refill.plan({ tenant: t.name, range: JANUARY, strategy: 'purge' });
    way.cutNext('ALTER TABLE', 'after');
    const { result } = await ended(t.refill.run(plan.id));
    expect(way.cuts).toBe(1);
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    const mutations = await (await t.refill.ledger()).mutations(result.run);
    expect(mutations).toHaveLength(2);
    for (const { nonce } of mutations)
      for (const node of ['s1r1', 's2r1']) expect(await sentTo(t, node, nonce)).toBe(1);
  });

  test('a cluster that is held stays so while another of its servers is the worst, until it is better than `resume`', async () => {
    const t = await filled(servers.urls);
    const limits = { ...DEFAULT_HEALTH_LIMITS, unfinishedMutations: { slow: 2, stop: 2, resume: 1 } };
    const look = createHealthLook(await workbenchOf(t), limits);
    const score = `\`${t.database}\`.score`;
    let health: Health | null = null;
    /** The health, when so many mutations are seen on a server of the shard. */
    const seen = async (count: number, shard: number | null) => {
      const ports = servers.nodes.filter((n) => n.shard === shard).map((n) => String(n.tcp));
      const at = async () => {
        const readings = await look.look();
        const one = readings.find((r) => r.name === 'unfinished mutations');
        const there = shard === null || ports.some((port) => one?.subject.endsWith(port));
        if (one?.value === count && there) health = judge(health, readings, limits);
        return { value: one?.value, there };
      };
      await expect.poll(at, { timeout: 30_000, interval: 200 }).toEqual({ value: count, there: true });
      return health?.state;
    };
    for (const node of NODES) await tell(servers, node, `SYSTEM STOP MERGES ${score}`);
    for (const id of ['a', 'b'])
      await tell(servers, 's1r1', `ALTER TABLE ${score} DELETE WHERE score_id = '${id}'`, { mutations_sync: '0' });
    expect(await seen(2, 1)).toBe('hold');
    await tell(servers, 's2r1', `ALTER TABLE ${score} DELETE WHERE score_id = 'c'`, { mutations_sync: '0' });
    await tell(servers, 's1r1', `KILL MUTATION WHERE database = '${t.database}' AND table = 'score' SYNC`);
    expect(await seen(1, 2)).toBe('hold');
    for (const node of NODES) await tell(servers, node, `SYSTEM START MERGES ${score}`);
    expect(await seen(0, null)).toBe('go');
  });

  test('a cluster is the same servers at every address, and as one of them by itself', async () => {
    const t = await filled(oneAddress());
    const at = async (cluster: string, urls: readonly string[]) => {
      const config = t.config.clusters['test'];
      if (!config) throw new Error('no cluster');
      const opened = await openCluster(
        'test',
        { ...config, clickhouse: { ...config.clickhouse, cluster, urls } },
        resolveSecret,
        openReindexer,
      );
      onTestFinished(() => opened.close());
      return targetServers(opened);
    };
    const whole = await at(servers.cluster, servers.urls.slice(0, 1));
    expect(whole).toMatchObject({ all: true });
    expect(new Set(whole.known).size).toBe(4);
    // One that answers another request than the last one, as behind a load balancer, is told by all of them.
    for (const url of servers.urls) {
      const again = await at(servers.cluster, [url]);
      expect([...again.known].sort()).toEqual([...whole.known].sort());
      expect(mayShareServer(whole, await at('', [url]))).toBe(true);
    }
    const [one, other] = [await at('', servers.urls.slice(0, 1)), await at('', servers.urls.slice(-1))];
    expect(mayShareServer(one, other)).toBe(false);
  });

  test('a card that has come into another part is found in both, on whichever shards they are', async () => {
    const t = await filled(oneAddress());
    // Its shard follows from the time of its conversation, and without one from its own.
    await t.pg.query(
      `UPDATE director.scorecards SET conversation_id = '', submitted_at = submitted_at + interval '1 second' WHERE resource_id = 'card-60'`,
    );
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, only: { subset: 'process' } });
    const { result } = await ended(t.refill.run(plan.id));
    expect(result.state).toBe('differences');
    expect(result.tables[0]?.keys).toMatchObject({ duplicated: ['card-60'], stale: [], extra: [], missing: [] });
    const of = async (node: string) =>
      Number((await ask<{ n: string }>(servers, node, CARD_60(t.database)))[0]?.n ?? 0);
    expect([await of('s1r1'), await of('s2r1')]).toEqual([1, 1]);
  });

  test('two servers of one name are an error', async () => {
    const bench = await workbenchOf(await filled(servers.urls));
    const twin = bench.topology.shards[0]?.replicas[0]?.self ?? '';
    const [first, second] = bench.topology.shards;
    if (!first || !second) throw new Error('two shards');
    // As two containers of the same host name and port would answer.
    const shards = [first, { ...second, replicas: second.replicas.map((r) => ({ ...r, self: twin })) }];
    const found = await checkTopology({ ...bench, topology: { ...bench.topology, shards } });
    expect(found.filter((f) => f.level === 'error').map((f) => f.message)).toContain(
      `two servers of the cluster call themselves ${twin}, so that their answers cannot be told apart`,
    );
    expect((await checkTopology(bench)).filter((f) => f.level === 'error')).toEqual([]);
  });
});
