import { resolveSecret } from '../../src/config/secrets.ts';
import type { DatasetDefinition } from '../../src/dataset/definition.ts';
import { openReindexer } from '../../src/open-reindexer.ts';
import { openCluster } from '../../src/steps/connect.ts';
import { openWorkbench, type Workbench } from '../../src/steps/workbench.ts';
import { onTestFinished } from 'vitest';
import type { TestTenant } from './tenant.ts';

/** A test's tenant on the workbench, for tests of single steps. */
export async function openBench(t: TestTenant, dataset?: DatasetDefinition): Promise<Workbench> {
  const config = t.config.clusters['test'];
  const wanted = dataset ?? t.config.datasets[0];
  if (!config || !wanted) throw new Error('no cluster or no dataset');
  const cluster = await openCluster('test', config, resolveSecret, openReindexer);
  onTestFinished(() => cluster.close());
  const tenant = { ...t.name, cluster: 'test', sourceDatabase: t.database, targetDatabase: t.database };
  return openWorkbench(cluster, tenant, wanted);
}
