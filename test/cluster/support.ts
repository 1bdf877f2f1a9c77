import { type ClickHouseClient, type ClickHouseSettings, createClient } from '@clickhouse/client';
import { onTestFinished } from 'vitest';
import { resolveSecret } from '../../src/config/secrets.ts';
import { openReindexer } from '../../src/open-reindexer.ts';
import { openCluster } from '../../src/steps/connect.ts';
import { openWorkbench, type Workbench } from '../../src/steps/workbench.ts';
import type { TestTenant } from '../support/tenant.ts';
import type { Cluster, ClusterNode } from './cluster.ts';

/** A node by its name. */
export function nodeOf(servers: Cluster, name: string): ClusterNode {
  const found = servers.nodes.find((n) => n.name === name);
  if (!found) throw new Error(`no node ${name}`);
  return found;
}

async function at<T>(servers: Cluster, name: string, use: (client: ClickHouseClient) => Promise<T>): Promise<T> {
  const client = createClient({ url: nodeOf(servers, name).http });
  try {
    return await use(client);
  } finally {
    await client.close();
  }
}

/** Rows that one node gives. */
export const ask = <T>(servers: Cluster, name: string, sql: string): Promise<T[]> =>
  at(servers, name, async (client) => (await client.query({ query: sql, format: 'JSONEachRow' })).json<T>());

/** A statement to one node. */
export const tell = (servers: Cluster, name: string, sql: string, settings: ClickHouseSettings = {}): Promise<void> =>
  at(servers, name, async (client) => {
    await client.command({ query: sql, clickhouse_settings: settings });
  });

/** What the steps of a run work with. It ends with the test. */
export async function workbenchOf(t: TestTenant): Promise<Workbench> {
  const config = t.config.clusters['test'];
  const [dataset] = t.config.datasets;
  if (!config || !dataset) throw new Error('a test tenant has a cluster and a dataset');
  const cluster = await openCluster('test', config, resolveSecret, openReindexer);
  onTestFinished(() => cluster.close());
  const databases = { sourceDatabase: t.database, targetDatabase: t.database };
  return openWorkbench(cluster, { cluster: 'test', ...t.name, ...databases }, dataset);
}

/** ON CLUSTER statements stay in the queue of these nodes, behind one that does not end, until what it returns is called. */
export async function blockQueue(servers: Cluster, database: string, nodes: readonly string[]) {
  const table = `\`${database}\`.blocker`;
  await tell(
    servers,
    's1r1',
    `CREATE TABLE ${table} ON CLUSTER ${servers.cluster} (n UInt8) ENGINE = MergeTree ORDER BY n`,
  );
  for (const node of nodes) {
    await tell(servers, node, `INSERT INTO ${table} VALUES (1)`);
    await tell(servers, node, `SYSTEM STOP MERGES ${table}`);
  }
  await tell(servers, 's1r1', `ALTER TABLE ${table} ON CLUSTER ${servers.cluster} DELETE WHERE n = 1`, {
    mutations_sync: '1',
    distributed_ddl_task_timeout: '0',
    distributed_ddl_output_mode: 'null_status_on_timeout',
  });
  return async () => {
    for (const node of nodes) await tell(servers, node, `SYSTEM START MERGES ${table}`);
  };
}
