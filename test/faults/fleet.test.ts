import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import type { RefillConfig } from '../../src/config/config.ts';
import { createRefill } from '../../src/create-refill.ts';
import { type Cluster, startCluster, withoutCluster } from '../cluster/cluster.ts';
import { ask, nodeOf, tell } from '../cluster/support.ts';
import { expectClean, fillCards, RANGE } from '../support/cards.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';
import { configFile, start } from './program.ts';

vi.setConfig({ testTimeout: 400_000 });

const LIMITS = { windowRows: 100, tenants: 2, replicaMinutes: 0.02, outageMinutes: 2 };

describe.skipIf(withoutCluster({ stops: true }))('a fleet over two shards of two replicas, and one server', () => {
  let servers: Cluster;
  beforeAll(async () => {
    servers = await startCluster({ shards: 2, replicas: 2 });
  });
  afterAll(() => servers.end());

  /** Tenants with so many cards: on `east`, the cluster, or on `west`, the server of the whole test run. */
  async function filled(cards: readonly number[], east: boolean): Promise<TestTenant[]> {
    const urls = ['s1r1', 's2r1'].map((name) => nodeOf(servers, name).http);
    const tenants: TestTenant[] = [];
    for (const number of cards) {
      const place = east ? { servers: { cluster: servers.cluster, urls } } : {};
      const tenant = await createTenant({ limits: LIMITS, ...place });
      await fillCards(tenant, { cards: number });
      tenants.push(tenant);
    }
    return tenants;
  }

  /** One configuration for all of them, with the ledger of the first. */
  function fleetConfig(east: readonly TestTenant[], west: readonly TestTenant[]): RefillConfig {
    const clusterOf = (tenants: readonly TestTenant[]) => {
      const cluster = tenants[0]?.config.clusters['test'];
      if (!cluster) throw new Error('no cluster');
      return { ...cluster, tenants: tenants.map((t) => ({ ...t.name, database: t.database })) };
    };
    const [first] = east;
    if (!first) throw new Error('no tenant');
    return { ...first.config, clusters: { east: clusterOf(east), west: clusterOf(west) } };
  }

  async function killed(args: readonly string[], point: string): Promise<void> {
    const { signal, stdout } = await (await start([...args, '--json'], { REFILL_DEBUG_POINT: point })).end;
    expect(signal).toBe('SIGKILL');
    expect(stdout).not.toContain('"type":"fleet-result"');
  }

  test('killed twice and resumed, with a dead replica and a stuck mutation: proven, or named with the reason', async () => {
    const east = await filled([20, 40, 60], true);
    const west = await filled([20, 40], false);
    const [stuck] = east;
    const [gone] = west;
    if (!stuck || !gone) throw new Error('no tenants');
    const config = fleetConfig(east, west);
    const refill = createRefill(config);
    onTestFinished(() => refill.close());
    const file = await configFile(config);
    const plan = await refill.planFleet({ range: RANGE });
    const ledger = await refill.ledger();

    await servers.node('s2r2').kill();
    for (const node of ['s1r1', 's1r2']) await tell(servers, node, `SYSTEM STOP MERGES \`${stuck.database}\`.score`);
    await gone.command('RENAME TABLE score TO score_away');

    await killed(['run', plan.id, '--execute', '--config', file], 'run-created:kill@3');
    await killed(['resume', plan.id, '--config', file], 'delete-proven:kill@2');

    const last = await start(['resume', plan.id, '--config', file]);
    // The stuck one holds up nobody: the others end, and then somebody lets it go on.
    const atWork = async () =>
      (await ledger.members(plan.id)).filter((m) => m.state === 'left' || m.state === 'running').map((m) => m.customer);
    await expect.poll(atWork, { timeout: 240_000, interval: 500 }).toEqual([stuck.name.customer]);
    const found = await refill.mutations({ cluster: 'east' });
    expect(new Set(found.map((m) => [m.database, m.table, m.shard].join(' ')))).toEqual(
      new Set([`${stuck.database} score 1`]),
    );
    for (const node of ['s1r1', 's1r2']) await tell(servers, node, `SYSTEM START MERGES \`${stuck.database}\`.score`);

    const { status, stdout } = await last.end;
    expect({ status, stdout }).toMatchObject({
      status: 1,
      stdout: expect.stringContaining('not every tenant is proven'),
    });
    // By cluster: tenants, proven, with differences, failed, left; then those who are not proven, with the reason.
    expect(stdout).toMatch(/^\W*east\W+3\W+3\W+0\W+0\W+0\W/mu);
    expect(stdout).toMatch(/^\W*west\W+2\W+1\W+0\W+1\W+0\W/mu);
    expect(stdout).toMatch(new RegExp(`${gone.name.customer}.*failed.*there is no table`, 'u'));
    expect(await refill.runs({ limit: 100 })).toHaveLength(4);

    // What was wrong is put right, and retry ends it.
    await servers.node('s2r2').start();
    await gone.command('RENAME TABLE score_away TO score');
    const again = await (await start(['retry', plan.id, '--execute', '--config', file])).end;
    expect({ status: again.status, stdout: again.stdout }).toMatchObject({
      status: 0,
      stdout: expect.stringContaining('every tenant is proven'),
    });
    for (const tenant of [...east, ...west]) await expectClean(tenant);
    for (const { database } of east) await expectCopied(database);
  });

  /** Fails unless the replica that was dead has exactly the rows of its sibling, once it has copied them. */
  async function expectCopied(database: string): Promise<void> {
    for (const table of ['scorecard', 'score']) {
      const name = `\`${database}\`.${table}`;
      await tell(servers, 's2r2', `SYSTEM SYNC REPLICA ${name}`);
      const sql = `SELECT toString(count()) AS n, toString(sum(cityHash64(*))) AS sum FROM ${name} FINAL`;
      expect(await ask(servers, 's2r2', sql)).toEqual(await ask(servers, 's2r1', sql));
    }
  }
});
