import type { DatasetDefinition } from '../dataset/definition.ts';
import { asRefillError } from '../domain/errors.ts';
import type { Finding, TenantFinding } from '../domain/events.ts';
import { formatTenant } from '../domain/words.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { askSource, type SourceTenant } from './ask-source.ts';
import type { Cluster } from './connect.ts';
import { checkDependents } from './dependents.ts';
import { preflight } from './preflight.ts';
import { askTarget, matchSides, namedTargets, tenantOf } from './tenants.ts';
import { refuseRepeatedSample } from './unique-keys.ts';
import { openWorkbench } from './workbench.ts';

const many = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

/** Tries something, and says as a finding how it went. */
export async function check(name: string, subject: string, task: () => Promise<string>): Promise<Finding> {
  try {
    return { check: name, level: 'ok', subject, message: await task(), remedy: null };
  } catch (thrown) {
    const error = asRefillError(thrown);
    return { check: name, level: 'error', subject, message: `${error.code}: ${error.message}`, remedy: error.hint };
  }
}

export function checkLedger(database: string, ledger: () => Promise<Ledger>): Promise<Finding> {
  return check('ledger', database, async () => {
    await (await ledger()).runs({ limit: 1 });
    return 'reachable, and its schema is up to date';
  });
}

/** What `doctor` says of a cluster and a dataset: of each side whether it answers, and of each tenant whether it can be run. */
export async function checkCluster(cluster: Cluster, dataset: DatasetDefinition): Promise<readonly Finding[]> {
  let source: readonly SourceTenant[] | undefined;
  let target: Awaited<ReturnType<typeof askTarget>> | undefined;
  const findings = [
    await check('postgres', cluster.name, async () => {
      source = await askSource(cluster, dataset);
      return `reachable, ${many(source.length, 'tenant')} of ${dataset.name}`;
    }),
    await check('clickhouse', cluster.name, async () => {
      target = await askTarget(cluster, dataset, source && namedTargets(cluster, source));
      return `reachable, ${many(target.size, 'database')} with tables of ${dataset.name}`;
    }),
  ];
  if (source === undefined || target === undefined) return findings;
  for (const tenant of matchSides(cluster, dataset, source, target))
    findings.push(...(await checkTenant(cluster, dataset, tenant)));
  return findings;
}

async function checkTenant(
  cluster: Cluster,
  dataset: DatasetDefinition,
  tenant: TenantFinding,
): Promise<readonly Finding[]> {
  const subject = formatTenant(tenant);
  const findings: Finding[] = [];
  if (tenant.problem !== null)
    findings.push({
      check: 'tenant',
      level: 'warning',
      subject,
      message: tenant.problem,
      remedy: 'list it with its database in the configuration',
    });
  if (tenant.sourceDatabase === null || tenant.targetDatabase === null) return findings;
  const fits = await check('dataset', subject, async () => {
    const bench = await openWorkbench(cluster, tenantOf(tenant), dataset);
    findings.push(...(await preflight(bench)), ...(await checkDependents(bench)));
    await refuseRepeatedSample(bench);
    return `${dataset.name} fits ${bench.tables.map((t) => t.definition.name).join(', ')}`;
  });
  return [...findings, fits];
}
