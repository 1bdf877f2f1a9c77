import { expect, onTestFinished, test } from 'vitest';
import type { ClusterConfig } from '../../src/config/config.ts';
import { resolveSecret } from '../../src/config/secrets.ts';
import { openReindexer } from '../../src/open-reindexer.ts';
import { openCluster } from '../../src/steps/connect.ts';
import { SourceNames } from '../../src/steps/source-names.ts';
import { openRefill } from '../support/executor.ts';
import { createTenant } from '../support/tenant.ts';

const RANGE = { from: '2026-01-29T00:00:00.000Z', to: '2026-02-04T00:00:00.000Z' };

/** A tenant on a cluster, and another on a second cluster: the same servers by other addresses. */
async function twoClusters(which: 'source' | 'target') {
  const [t, u] = [await createTenant(), await createTenant()];
  const east = t.config.clusters['test'];
  if (!east) throw new Error('no cluster');
  const urls = east.clickhouse.urls.map((url) => url.replace('127.0.0.1', 'localhost'));
  expect(urls).not.toEqual(east.clickhouse.urls);
  const twin = {
    ...u.name,
    sourceDatabase: which === 'source' ? t.database : u.database,
    targetDatabase: which === 'target' ? t.database : u.database,
  };
  const west = {
    ...east,
    postgres: { ...east.postgres, host: 'localhost' },
    clickhouse: { ...east.clickhouse, urls },
    tenants: [twin],
  };
  const refill = openRefill({ ...t.config, clusters: { east, west } });
  onTestFinished(() => refill.close());
  return { t, u, refill };
}

test.each(['source', 'target'] as const)(
  'two tenants with one %s database are refused, whichever addresses its server is named by',
  async (side) => {
    const { t, u, refill } = await twoClusters(side);
    const [a, b] = [t, u].map(({ name }) => `${name.customer}/${name.profile}`);
    await expect(refill.planFleet({ range: RANGE })).rejects.toMatchObject({
      code: 'TENANTS_COLLIDE',
      message: `${a} (cluster east) and ${b} (cluster west) have the same ${side} database ${t.database}`,
    });
  },
);

test('clusters on one Postgres server share its limit, whichever addresses name it; one that does not answer is asked again', async () => {
  const { config } = await createTenant();
  const east = config.clusters['test'];
  if (!east) throw new Error('no cluster');
  const { port } = east.postgres;
  const clusters: Record<string, ClusterConfig> = {
    east,
    west: { ...east, postgres: { ...east.postgres, host: 'localhost' } },
    away: { ...east, postgres: { ...east.postgres, port: 1 } },
  };
  const names = new SourceNames(async (name) => {
    const found = clusters[name];
    if (!found) throw new Error(`no cluster ${name}`);
    const cluster = await openCluster(name, found, resolveSecret, openReindexer);
    onTestFinished(() => cluster.close());
    return cluster;
  });
  expect(await names.of('away')).toBe('127.0.0.1:1');
  expect(await names.of('east')).toBe(`127.0.0.1:${port}`);
  expect(await names.of('west')).toBe(`127.0.0.1:${port}`);
  clusters['away'] = { ...east, postgres: { ...east.postgres, host: 'localhost' } };
  expect(await names.of('away')).toBe(`127.0.0.1:${port}`);
});
