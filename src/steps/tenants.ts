import type { DatasetDefinition } from '../dataset/definition.ts';
import { identifier } from '../dataset/sql.ts';
import { asRefillError, RefillError } from '../domain/errors.ts';
import type { TenantFinding } from '../domain/events.ts';
import { mayShareServer } from '../domain/fleet.ts';
import { formatTenant, type Tenant, type TenantName } from '../domain/words.ts';
import { placeOf } from '../target/tables.ts';
import { ALL_REPLICAS, everyReplica } from '../target/topology.ts';
import { askSource, type SourceTenant } from './ask-source.ts';
import type { Cluster } from './connect.ts';
import { targetServers } from './servers.ts';

/** The owners whose rows a target database holds, with how many. Null: there is no such database or table. */
type Owners = ReadonlyMap<string, { readonly owner: TenantName; readonly rows: number }>;

/**
 * Databases of the target that hold the dataset's first table, with the owners of its rows: those that are named, or
 * all of them. Other databases are none of our business where the tenants are listed.
 */
export async function askTarget(
  cluster: Cluster,
  dataset: DatasetDefinition,
  named?: ReadonlySet<string>,
): Promise<Map<string, Owners>> {
  const table = dataset.tables[0];
  if (!table) return new Map();
  const { topology } = await cluster.layout();
  const databases = await cluster.target.rows<{ database: string }>(
    `SELECT DISTINCT database FROM ${everyReplica(topology, 'system.tables')}
     WHERE name = {name:String} AND engine LIKE '%MergeTree' ORDER BY 1`,
    { name: table.name },
    ALL_REPLICAS,
  );
  const found = new Map<string, Owners>();
  for (const { database } of databases) {
    if (named && !named.has(database)) continue;
    try {
      found.set(database, await owners(cluster, { topology, database, name: table.name }, table.owner));
    } catch (error) {
      // One that was dropped since it was listed is no tenant's any more.
      if (!(error instanceof RefillError && error.code === 'CH_TABLE_MISSING')) throw error;
    }
  }
  return found;
}

async function owners(
  cluster: Cluster,
  table: Parameters<typeof placeOf>[0],
  columns: { customer: string; profile: string } | undefined,
): Promise<Owners> {
  const [customer, profile] = columns ? [identifier(columns.customer), identifier(columns.profile)] : [`''`, `''`];
  const rows = await cluster.target.rows<{
    refill_own_customer: string;
    refill_own_profile: string;
    refill_own_rows: string;
  }>(
    `SELECT ${customer} AS refill_own_customer, ${profile} AS refill_own_profile, toString(count()) AS refill_own_rows
     FROM ${placeOf(table)} GROUP BY 1, 2`,
  );
  return new Map(
    rows.map((r) => {
      const owner = { customer: r.refill_own_customer, profile: r.refill_own_profile };
      return [formatTenant(owner), { owner, rows: Number(r.refill_own_rows) }];
    }),
  );
}

/**
 * The tenants of a cluster, as found on both sides. A tenant that only the target knows is listed too: its rows have no
 * source. A side that cannot be asked makes an error, never an empty list.
 */
export async function findTenants(cluster: Cluster, dataset: DatasetDefinition): Promise<TenantFinding[]> {
  const source = await askSource(cluster, dataset);
  return matchSides(cluster, dataset, source, await askTarget(cluster, dataset, namedTargets(cluster, source)));
}

/** The target's databases that listed tenants name; undefined where all are looked at. */
export function namedTargets(cluster: Cluster, source: readonly Tenant[]): ReadonlySet<string> | undefined {
  return cluster.config.tenants === 'discover' ? undefined : new Set(source.map((t) => t.targetDatabase));
}

/** Puts together what both sides know of a cluster's tenants. */
export function matchSides(
  cluster: Cluster,
  dataset: DatasetDefinition,
  source: readonly SourceTenant[],
  target: ReadonlyMap<string, Owners>,
): TenantFinding[] {
  const { tenants } = cluster.config;
  const hasOwners = dataset.tables[0]?.owner !== undefined;
  const byTarget = new Map<string, SourceTenant[]>();
  for (const t of source) byTarget.set(t.targetDatabase, [...(byTarget.get(t.targetDatabase) ?? []), t]);
  const findings = source.map((tenant): TenantFinding => {
    const holders = target.get(tenant.targetDatabase);
    const own = holders?.get(formatTenant(tenant));
    const others =
      hasOwners && holders
        ? [...holders.values()].map((h) => h.owner).filter((o) => formatTenant(o) !== formatTenant(tenant))
        : [];
    const rows = hasOwners ? (own?.rows ?? 0) : [...(holders?.values() ?? [])].reduce((sum, h) => sum + h.rows, 0);
    return {
      cluster: cluster.name,
      customer: tenant.customer,
      profile: tenant.profile,
      sourceDatabase: tenant.sourceDatabase,
      targetDatabase: holders ? tenant.targetDatabase : null,
      targetRows: holders ? rows : null,
      otherOwners: others,
      problem: problemOf(tenant, holders, others, byTarget.get(tenant.targetDatabase) ?? []),
    };
  });
  if (tenants !== 'discover') return findings;
  const known = new Set(source.map((t) => `${t.targetDatabase} ${formatTenant(t)}`));
  for (const [database, holders] of target) {
    for (const { owner, rows } of hasOwners ? holders.values() : []) {
      if (known.has(`${database} ${formatTenant(owner)}`)) continue;
      findings.push({
        cluster: cluster.name,
        ...owner,
        sourceDatabase: null,
        targetDatabase: database,
        targetRows: rows,
        otherOwners: [],
        problem: 'only the target has rows of it',
      });
    }
  }
  return findings;
}

/** @param neighbours The source's tenants of the same target database. */
function problemOf(
  tenant: SourceTenant,
  holders: Owners | undefined,
  others: readonly TenantName[],
  neighbours: readonly Tenant[],
): string | null {
  if (tenant.sourceProblem !== null) return tenant.sourceProblem;
  if (!holders) return `the target has no database ${tenant.targetDatabase} with the dataset's tables`;
  const twin = neighbours.find((t) => formatTenant(t) !== formatTenant(tenant));
  if (twin) return `${formatTenant(twin)} has the same database name ${tenant.targetDatabase}`;
  if (others.length > 0) return `its database also holds rows of ${others.map(formatTenant).join(', ')}`;
  return null;
}

/** A tenant with the cluster that it was found on. */
interface Found {
  readonly cluster: Cluster;
  readonly finding: TenantFinding;
}

/** Finds one tenant by name. Errors: `TENANT_UNKNOWN`, `TENANT_AMBIGUOUS`, `TENANTS_COLLIDE`, and what the servers say. */
export async function findTenant(
  clusters: readonly Cluster[],
  dataset: DatasetDefinition,
  name: TenantName,
): Promise<Found> {
  const matches: Found[] = [];
  const all: Found[] = [];
  let unreachable: RefillError | undefined;
  for (const cluster of clusters) {
    try {
      const found = (await findTenants(cluster, dataset)).map((finding) => ({ cluster, finding }));
      all.push(...found);
      matches.push(...found.filter(({ finding }) => formatTenant(finding) === formatTenant(name)));
    } catch (error) {
      unreachable ??= asRefillError(error);
    }
  }
  // A copy of its rows in some other target database has no source: it does not make the tenant ambiguous.
  const derived = matches.filter((m) => m.finding.sourceDatabase !== null);
  const candidates = derived.length > 0 ? derived : matches;
  const [match, another] = candidates;
  if (match && another) {
    const places = candidates
      .map((m) => `${m.finding.cluster} (${m.finding.sourceDatabase ?? m.finding.targetDatabase})`)
      .join(', ');
    throw new RefillError('TENANT_AMBIGUOUS', `${formatTenant(name)} is in several places: ${places}`, {
      details: { places },
    });
  }
  if (match) {
    await refuseTwin(match, all, dataset);
    return match;
  }
  // With a cluster out of reach, «unknown» would be a guess.
  if (unreachable) throw unreachable;
  throw new RefillError(
    'TENANT_UNKNOWN',
    `no tenant ${formatTenant(name)} on ${clusters.map((c) => c.name).join(', ')}`,
  );
}

/** Where a table does not say whose its rows are, a delete is confined by its database alone: that has to be the tenant's own. */
async function refuseTwin(match: Found, all: readonly Found[], dataset: DatasetDefinition): Promise<void> {
  const { finding } = match;
  const unowned = dataset.tables.find((table) => table.owner === undefined);
  if (!unowned || finding.targetDatabase === null) return;
  for (const { cluster, finding: twin } of all) {
    const other = twin.sourceDatabase !== null && formatTenant(twin) !== formatTenant(finding);
    if (!other || twin.targetDatabase !== finding.targetDatabase) continue;
    // A cluster of another name may be the same servers by other addresses.
    const apart =
      cluster !== match.cluster && !mayShareServer(await targetServers(cluster), await targetServers(match.cluster));
    if (apart) continue;
    throw new RefillError(
      'TENANTS_COLLIDE',
      `${formatTenant(finding)} and ${formatTenant(twin)} have the same database ${finding.targetDatabase}, and ${unowned.name} does not say whose its rows are`,
    );
  }
}

/** A tenant with both of its databases, or the error that says which is missing. */
export function tenantOf(finding: TenantFinding): Tenant {
  const { cluster, customer, profile, sourceDatabase, targetDatabase } = finding;
  if (sourceDatabase === null) {
    throw new RefillError(
      'TENANT_UNKNOWN',
      `${formatTenant(finding)}: only the target has rows of it, so there is nothing to derive them from`,
    );
  }
  if (targetDatabase === null)
    throw new RefillError('CH_TABLE_MISSING', `${formatTenant(finding)}: ${finding.problem ?? 'no target database'}`);
  return { cluster, customer, profile, sourceDatabase, targetDatabase };
}
