import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ClickHouseLogLevel, createClient, type ClickHouseClient } from '@clickhouse/client';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';

import { clickhouseSchemaSql } from '../../src/embedded/sample/schema.ts';
import { startCluster, withoutCluster, type Cluster } from './cluster.ts';

const DATABASE = `refill_cluster_${process.pid}`;
const CARDS = 20;

describe.skipIf(withoutCluster())('a cluster of two shards with two replicas each', () => {
  let cluster: Cluster;
  const clients = new Map<string, ClickHouseClient>();

  beforeAll(async () => {
    cluster = await startCluster({ shards: 2, replicas: 2 });
    for (const { name, http } of cluster.nodes) {
      clients.set(
        name,
        createClient({
          url: http,
          database: DATABASE,
          clickhouse_settings: { wait_end_of_query: 1 },
          log: { level: ClickHouseLogLevel.OFF },
        }),
      );
    }
    const maker = createClient({ url: cluster.urls[0] ?? '' });
    const statements = clickhouseSchemaSql({ database: DATABASE, cluster: cluster.cluster, replicated: true });
    for (const query of statements) await maker.command({ query });
    await maker.close();
  });
  afterAll(async () => {
    await command('s1r1', `DROP DATABASE IF EXISTS ${DATABASE} ON CLUSTER '${cluster.cluster}' SYNC`);
    for (const client of clients.values()) await client.close();
    await cluster.end();
  });

  const client = (node: string) => {
    const found = clients.get(node);
    if (found === undefined) throw new Error(`no node ${node}`);
    return found;
  };
  const command = async (node: string, query: string) => {
    await client(node).command({ query });
  };
  const select = async (node: string, query: string) =>
    await (await client(node).query({ query, format: 'JSONEachRow' })).json<Record<string, unknown>>();
  const countOf = async (node: string, table = 'scorecard') =>
    Number((await select(node, `SELECT count() AS rows FROM ${table} FINAL`))[0]?.['rows']);
  const insertCards = async (node: string, into: string, from: number, count: number) => {
    const values = Array.from({ length: count }, (_, i) => {
      const start = `2026-01-01 00:00:${String((from + i) % 60).padStart(2, '0')}`;
      return {
        scorecard_id: `card-${from + i}`,
        scorecard_time: start,
        conversation_start_time: start,
        conversation_id: 'c',
      };
    });
    await client(node).insert({
      table: into,
      values,
      format: 'JSONEachRow',
      // Without ZooKeeper it fails at once, and does not try for a minute.
      clickhouse_settings: { distributed_foreground_insert: 1, insert_keeper_max_retries: '0' },
    });
  };

  test('knows each of its nodes once', async () => {
    const rows = await select(
      's2r2',
      `SELECT hostName() AS host, tcpPort() AS tcp, shard_num AS shard, replica_num AS replica
       FROM clusterAllReplicas('${cluster.cluster}', system.clusters) WHERE cluster = '${cluster.cluster}' AND is_local
       ORDER BY shard, replica`,
    );
    expect(rows.map(({ shard, replica, tcp }) => ({ shard, replica, tcp }))).toEqual(
      cluster.nodes.map(({ shard, replica, tcp }) => ({ shard, replica, tcp })),
    );
    expect(new Set(rows.map(({ host, tcp }) => `${String(host)}:${String(tcp)}`)).size).toBe(4);
  });

  test('has the schema on every node, in shards that hold halves, which replicas share', async () => {
    await insertCards('s1r1', 'scorecard_d', 0, CARDS);
    for (const node of ['s1r2', 's2r1', 's2r2']) await command(node, 'SYSTEM SYNC REPLICA scorecard');
    for (const { name } of cluster.nodes) {
      expect([await countOf(name), await countOf(name, 'scorecard_d')]).toEqual([CARDS / 2, CARDS]);
    }
    await insertCards('s2r2', 'score', 100, 1);
    await command('s2r1', 'SYSTEM SYNC REPLICA score');
    expect([await countOf('s2r1', 'score'), await countOf('s1r1', 'score')]).toEqual([1, 0]);
  });

  test('deletes on all nodes by one statement', async () => {
    await command(
      's1r1',
      `ALTER TABLE scorecard ON CLUSTER '${cluster.cluster}' DELETE
       WHERE toSecond(conversation_start_time) < 4 SETTINGS mutations_sync = 2`,
    );
    for (const { name } of cluster.nodes) expect(await countOf(name)).toBe(CARDS / 2 - 2);
  });

  describe.skipIf(withoutCluster({ stops: true }))('whose servers are ours', () => {
    test('takes rows while a replica is dead, which has them when it is back', async () => {
      const before = cluster.node('s1r2').pid;
      await cluster.node('s1r2').kill();
      expect(cluster.node('s1r2').pid).toBeUndefined();
      await insertCards('s1r1', 'scorecard', 200, 5);
      await cluster.node('s1r2').start();
      expect(cluster.node('s1r2').pid).not.toBe(before);
      await writable('s1r2');
      await command('s1r2', 'SYSTEM SYNC REPLICA scorecard');
      expect(await countOf('s1r2')).toBe(await countOf('s1r1'));
      expect(await countOf('s1r2')).toBe(CARDS / 2 - 2 + 5);
    });

    test('refuses writes while ZooKeeper is away, and takes them again after', async () => {
      await cluster.zookeeper.kill();
      await expect(insertCards('s2r1', 'scorecard', 300, 1)).rejects.toThrow();
      await cluster.zookeeper.start();
      for (const { name } of cluster.nodes) await writable(name);
      await insertCards('s2r1', 'scorecard', 301, 1);
    });

    test('stops a node as an operator does, and starts it again', async () => {
      await cluster.node('s2r2').stop();
      expect(cluster.node('s2r2').pid).toBeUndefined();
      await cluster.node('s2r2').start();
      await writable('s2r2');
    });
  });

  const writable = async (node: string) => {
    const readOnly = `SELECT count() AS tables FROM system.replicas WHERE is_readonly OR zookeeper_exception != ''`;
    await expect
      .poll(async () => (await select(node, readOnly))[0]?.['tables'], { timeout: 30_000 })
      .toSatisfy((tables) => Number(tables) === 0);
  };
});

describe.skipIf(withoutCluster({ stops: true }))('what a small cluster leaves', () => {
  // Clusters without a directory of their own go into it.
  const parent = mkdtempSync(join(tmpdir(), 'refill-clusters-'));
  /** The programs that have to do with a directory, the guardian too: it looks for work for a moment longer. */
  const programsIn = (dir: string) =>
    readdirSync('/proc').filter((pid) => /^\d+$/u.test(pid) && commandLine(pid).includes(dir));
  const commandLine = (pid: string) => {
    try {
      return readFileSync(join('/proc', pid, 'cmdline'), 'utf8');
    } catch {
      return '';
    }
  };
  afterEach(() => vi.unstubAllEnvs());
  afterAll(() => rmSync(parent, { recursive: true }));

  test('is nothing after end(), and a cluster beside it stays', async () => {
    vi.stubEnv('TMPDIR', parent);
    const one = await startCluster({ shards: 1, replicas: 1 });
    vi.unstubAllEnvs();
    const other = await startCluster({ shards: 1, replicas: 1 });
    // ZooKeeper, the engine and the guardian.
    expect(programsIn(parent)).toHaveLength(3);
    await one.end();
    expect([one.zookeeper.pid, one.node('s1r1').pid]).toEqual([undefined, undefined]);
    await expect.poll(() => programsIn(parent), { timeout: 10_000 }).toEqual([]);
    expect(readdirSync(parent)).toEqual([]);
    const ping = await fetch(`${other.urls[0]}/ping`);
    expect(await ping.text()).toBe('Ok.\n');
    await other.end();
  });

  test('is nothing after kill -9 of the process that started it', async () => {
    const owner = spawn(process.execPath, [join(import.meta.dirname, 'owner.mjs')], {
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, TMPDIR: parent },
    });
    const pids = await new Promise<string>((resolve) => owner.stdout.once('data', (data) => resolve(String(data))));
    expect(programsIn(parent)).toEqual(expect.arrayContaining(pids.trim().split(' ')));
    owner.kill('SIGKILL');
    await expect.poll(() => programsIn(parent), { timeout: 10_000 }).toEqual([]);
    expect(readdirSync(parent)).toEqual([]);
  });
});
