import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';

import { createRefill, loadConfig } from '../../src/index.ts';
import { fleetInfo, removeFleet, startFleet, type FleetInfo } from '../../src/embedded/fleet.ts';
import { chooseEngines, enginesFor, FLEET_CLUSTERS } from '../../src/embedded/fleet-clusters.ts';
import { isRunning, refOf, type ProcessRef } from '../../src/embedded/process.ts';
import { clickhouse } from '../../src/embedded/sample/clickhouse-http.ts';
import { makeFleetSample, type FleetSample } from '../../src/embedded/sample/fleet.ts';
import { FLEET_SHAPES, fleetTenants, twinOf, type FleetShape } from '../../src/embedded/sample/fleet-shape.ts';
import { sourceChecksum } from '../../src/embedded/sample/source.ts';
import { startEmbedded } from '../../src/embedded/stack.ts';
import { databaseName, formatTenant } from '../../src/domain/words.ts';
import { refill } from '../cli/built.ts';

const START_TIMEOUT_MS = 120_000;
const TABLES = ['scorecard', 'score'];
const SHAPE: FleetShape = { clusters: { atlas: 2, borealis: 1, cinder: 1, fjord: 0 }, largest: 600, scale: 1200 };

describe('the shape of a fleet', () => {
  const tenants = fleetTenants(FLEET_SHAPES.fleet, 1);
  const scores = tenants.map(({ counts }) => counts.keptScores + counts.appealScores);
  const on = (cluster: string) => tenants.filter((tenant) => tenant.cluster === cluster);

  test('is the campaign’s at 1:100: 95 tenants on five of eight clusters, 6.4 million scores', () => {
    expect(FLEET_CLUSTERS.map((cluster) => on(cluster).length)).toEqual([44, 30, 17, 3, 1, 0, 0, 0]);
    const cards = tenants.reduce((sum, { counts }) => sum + counts.kept + counts.appeals, 0);
    expect([cards, scores.reduce((a, b) => a + b)]).toEqual([734_598, 6_408_508]);
  });

  test('the largest is a thousand times the median, and on one cluster with the one of four rows', () => {
    expect((scores[0] ?? 0) / (scores[47] ?? 1)).toBeCloseTo(1000, -1);
    expect(on('atlas').map(({ rank }) => rank)).toEqual(expect.arrayContaining([1, 95]));
    const last = tenants.at(-1)?.counts;
    expect([last?.kept, last?.keptScores, last?.appeals, last?.appealScores]).toEqual([1, 1, 1, 1]);
  });

  test('the same seed names and numbers them alike, and no two alike', () => {
    expect(fleetTenants(FLEET_SHAPES.fleet, 1)).toEqual(tenants);
    expect(fleetTenants(FLEET_SHAPES.fleet, 2)).not.toEqual(tenants);
    expect(new Set(tenants.map(databaseName)).size).toBe(95);
    expect(new Set(tenants.map(({ seed }) => seed)).size).toBe(95);
  });

  test('every tenant that is large enough has every kind of row', () => {
    for (const { counts } of tenants.slice(0, -1)) {
      for (const [kind, count] of Object.entries(counts)) expect(count, kind).toBeGreaterThan(0);
    }
  });
});

describe('engines', () => {
  const sharing = (engines: number) => {
    const choices = chooseEngines([], FLEET_CLUSTERS, engines);
    return choices.map(({ engine }) => engine.slice(0, 1)).join('');
  };

  test.each([
    [9, 'abcdefgh'],
    [8, 'abcdefgh'],
    [7, 'abcdefgg'],
    [6, 'abcdefff'],
    [5, 'abcddfff'],
    [2, 'aaaaafff'],
    [1, 'aaaaafff'],
  ])('%i for eight clusters: those without data share first, and only among themselves', (engines, expected) => {
    expect(sharing(engines)).toBe(expected);
  });

  test('what is there keeps its engine', () => {
    const known = chooseEngines([], ['atlas', 'borealis', 'fjord'], 2);
    expect(known.map(({ engine }) => engine)).toEqual(['atlas', 'atlas', 'fjord']);
    const grown = chooseEngines(known, ['cinder', 'garnet'], 8);
    expect(grown.slice(0, 3)).toEqual(known);
    expect(grown.slice(3).map(({ engine }) => engine)).toEqual(['cinder', 'garnet']);
  });

  test('as many as memory is enough for, at least one', () => {
    expect([500_000_000, 3_500_000_000, 16_000_000_000].map(enginesFor)).toEqual([1, 5, 36]);
  });
});

describe('a fleet', () => {
  const dir = mkdtempSync(join(tmpdir(), 'refill-fleet-'));
  let info: FleetInfo;
  let sample: FleetSample;

  const processes = (of: FleetInfo): ProcessRef[] => {
    const pids = of.clusters.flatMap(({ pids: own }) => [own.postgres, own.clickhouse]);
    return [...new Set(pids)].map((pid) => refOf(pid)).filter((ref) => ref !== undefined);
  };
  const cluster = (name: string, of = info) => {
    const found = of.clusters.find((one) => one.name === name);
    if (found === undefined) throw new Error(`no cluster ${name}`);
    return found;
  };
  const tenants = async () => {
    const { config } = await loadConfig({ file: info.config });
    const open = createRefill(config);
    try {
      return await open.tenants();
    } finally {
      await open.close();
    }
  };
  /** Sums over every row of every tenant, on both sides; without duplicates, which merges may have collapsed. */
  const checksums = async (of: FleetSample) => {
    const sums: Record<string, string[]> = {};
    for (const { cluster: name, database } of of.tenants) {
      const { postgres, clickhouse: target } = cluster(name);
      const { host, port, user, password } = postgres;
      const client = new Client({ host, port, user, password, database });
      await client.connect();
      const source = await sourceChecksum(client);
      await client.end();
      const read = (table: string) =>
        clickhouse(
          { url: target.http },
          `SELECT count(), sum(cityHash64(formatRow('TabSeparated', *))) FROM ${database}.${table} FINAL`,
        );
      sums[database] = [source, ...(await Promise.all(TABLES.map(read)))];
    }
    return sums;
  };

  beforeAll(async () => {
    const options = { dir, attached: true, temporary: true };
    await startFleet({ ...options, clusters: ['atlas', 'borealis', 'fjord'], engines: 3 });
    // Grown by one for which there is no memory: it shares an engine.
    info = await startFleet({ ...options, clusters: ['cinder'], engines: 3 });
    sample = await makeFleetSample({ fleet: info, shape: SHAPE });
  }, START_TIMEOUT_MS);
  afterAll(async () => {
    await removeFleet(dir);
    expect(existsSync(dir)).toBe(false);
  });

  test('has a Postgres for each cluster and one for the ledger, and engines as there is memory', () => {
    expect(info.clusters.map(({ name, engine }) => `${name} ${engine}`)).toEqual([
      'atlas atlas',
      'borealis borealis',
      'fjord fjord',
      'cinder borealis',
    ]);
    const ports = [info.ledger.port, ...info.clusters.map(({ postgres }) => postgres.port)];
    expect(new Set(ports).size).toBe(5);
    expect(processes(info)).toHaveLength(7);
  });

  test('each cluster knows its own tenants and nobody else’s, also where an engine is shared', async () => {
    const found = await tenants();
    const names = (list: readonly { cluster: string; customer: string; profile: string }[]) =>
      list.map((tenant) => `${tenant.cluster} ${formatTenant(tenant)}`).toSorted();
    expect(names(found)).toEqual(names(sample.tenants));
    expect(found.map(({ problem }) => problem)).toEqual(found.map(() => null));
    const config = z
      .object({ clusters: z.record(z.string(), z.object({ tenants: z.unknown() })) })
      .parse(parse(readFileSync(info.config, 'utf8')));
    const listed = Object.entries(config.clusters).filter(([, { tenants: how }]) => how !== 'discover');
    expect(listed.map(([name]) => name)).toEqual(['borealis', 'cinder']);
  });

  test('a sample is made anew, the same of the same seed, and nothing of an earlier one is left', async () => {
    const before = await checksums(sample);
    const other = await makeFleetSample({
      fleet: info,
      shape: { ...SHAPE, clusters: { atlas: 2, fjord: 0 } },
      seed: 2,
    });
    expect((await tenants()).map(formatTenant).toSorted()).toEqual(other.tenants.map(formatTenant).toSorted());
    const again = await makeFleetSample({ fleet: info, shape: SHAPE });
    expect({ ...again, durationMs: 0 }).toEqual({ ...sample, durationMs: 0 });
    expect(await checksums(again)).toEqual(before);
  });

  test('a single stack is not started over it, nor a sample of clusters that it has not', async () => {
    await expect(startEmbedded({ dir })).rejects.toThrow(/holds a fleet/u);
    await expect(makeFleetSample({ fleet: info, shape: FLEET_SHAPES.fleet })).rejects.toThrow(
      /has no clusters delta, ember, garnet, harbor/u,
    );
  });

  test(
    'comes back with its data after kill -9 of a Postgres and an engine, the others left alone',
    async () => {
      const before = await checksums(sample);
      process.kill(cluster('atlas').pids.postgres, 'SIGKILL');
      process.kill(cluster('borealis').pids.clickhouse, 'SIGKILL');
      const after = await startFleet({ dir, attached: true });
      expect(cluster('atlas', after).pids).toEqual({ ...cluster('atlas').pids, postgres: expect.any(Number) });
      expect(cluster('borealis', after).pids).toEqual({ ...cluster('borealis').pids, clickhouse: expect.any(Number) });
      expect(cluster('fjord', after)).toEqual(cluster('fjord'));
      expect(processes(after)).toHaveLength(7);
      info = after;
      expect(await checksums(sample)).toEqual(before);
    },
    START_TIMEOUT_MS,
  );

  test(
    'the command line finds it, stops all of it, and starts nothing twice',
    async () => {
      const fill = await refill(['sample', 'small', '--dir', dir]);
      expect([fill.status, fill.stderr]).toEqual([2, expect.stringContaining('holds a fleet')]);
      const refs = processes(info);
      const down = await refill(['down', '--dir', dir, '--json']);
      expect(JSON.parse(down.stdout)).toEqual({
        stopped: ['postgres', 'clickhouse'],
        fleet: [
          { name: 'ledger', stopped: ['postgres'] },
          { name: 'atlas', stopped: ['postgres', 'clickhouse'] },
          { name: 'borealis', stopped: ['postgres', 'clickhouse'] },
          { name: 'fjord', stopped: ['postgres', 'clickhouse'] },
          { name: 'cinder', stopped: ['postgres'] },
        ],
      });
      expect(refs.filter((ref) => isRunning(ref))).toEqual([]);
      expect(await fleetInfo(dir)).toBeUndefined();
      const again = await refill(['down', '--dir', dir]);
      expect(again.stdout).toContain('No servers were running');
      // Attached, so that nothing outlives a test run that is killed; what the command finds then is all up.
      const started = await startFleet({ dir, attached: true });
      const up = await refill(['up', '--fleet', '--dir', dir, '--json']);
      const clusters = started.clusters.map(({ name, engine, postgres, clickhouse: target }) => ({
        name,
        engine,
        postgres,
        clickhouse: target,
      }));
      expect(JSON.parse(up.stdout)).toEqual({ config: info.config, ledger: info.ledger, clusters, dashboard: null });
      expect(processes(started)).toHaveLength(7);
      info = started;
      expect((await tenants()).length).toBe(4);
    },
    START_TIMEOUT_MS,
  );

  test('two tenants of one name are found where they are asked for', async () => {
    const { twins } = await makeFleetSample({ fleet: info, shape: { ...SHAPE, clusters: { atlas: 1 } }, twins: true });
    const [one, other] = twins ?? [];
    if (one === undefined || other === undefined) throw new Error('no twins');
    expect(other).toEqual(twinOf(one));
    const found = (await tenants()).filter(({ targetDatabase }) => targetDatabase === databaseName(one));
    expect(found.map(formatTenant).toSorted()).toEqual([one, other].map(formatTenant).toSorted());
    for (const { problem } of found) expect(problem).toMatch(/has the same database name/u);
  });
});
