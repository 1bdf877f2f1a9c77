import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Cluster, startCluster, withoutCluster } from '../cluster/cluster.ts';
import { ask, nodeOf } from '../cluster/support.ts';
import { fillCards, RANGE } from '../support/cards.ts';
import { createTenant } from '../support/tenant.ts';
import { configFile, start } from './program.ts';

describe.skipIf(withoutCluster({ stops: true }))('a node whose clock is 5 minutes off', () => {
  let servers: Cluster;
  beforeAll(async () => {
    servers = await startCluster({ shards: 1, replicas: 3, clocks: { s1r3: 300 } });
  });
  afterAll(() => servers.end());

  test('is named by doctor, and a run is refused: exit 3, nothing is touched', async () => {
    const t = await createTenant({ servers: { cluster: servers.cluster, urls: servers.urls } });
    await fillCards(t, { cards: 40 });
    // It is really off, and the others are not.
    const [now] = await ask<{ ahead: number }>(
      servers,
      's1r3',
      `SELECT toUnixTimestamp(now()) - ${Date.now() / 1000} AS ahead`,
    );
    expect(Math.abs((now?.ahead ?? 0) - 300)).toBeLessThan(30);

    const off = `:${nodeOf(servers, 's1r3').tcp}`;
    const clocks = (await t.refill.doctor()).filter((f) => f.check === 'clocks' && f.level === 'error');
    expect(clocks.map((f) => f.subject.slice(-off.length))).toEqual([off]);
    expect(clocks[0]?.message).toMatch(/^its clock is \d+ s away from the others': /u);

    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const program = await start(['run', plan.id, '--execute', '--config', await configFile(t.config)]);
    const { status, stderr } = await program.end;
    expect({ status, stderr }).toMatchObject({ status: 3, stderr: expect.stringMatching(/its clock is \d+ s away/u) });
    expect(await t.refill.runs()).toEqual([]);
  });
});
