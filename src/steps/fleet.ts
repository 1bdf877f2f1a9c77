import type { DatasetDefinition } from '../dataset/definition.ts';
import { asRefillError, RefillError } from '../domain/errors.ts';
import type { TenantFinding } from '../domain/events.ts';
import {
  type ClusterFindings,
  collisions,
  collisionWords,
  type FleetRequest,
  type PlacedTenant,
  type Servers,
  shareServer,
} from '../domain/fleet.ts';
import { formatTenant, type TenantName } from '../domain/words.ts';
import type { Cluster } from './connect.ts';
import { sourceServers, targetServers } from './servers.ts';
import { findTenants, tenantOf } from './tenants.ts';

/**
 * The tenants of clusters. One that cannot be asked is unknown, with the reason, and keeps none of the others from being
 * asked: it is never empty.
 */
export async function findByCluster(
  clusters: readonly Cluster[],
  dataset: DatasetDefinition,
): Promise<readonly ClusterFindings[]> {
  const servers = new Map<string, Servers>();
  const found = await Promise.all(
    clusters.map(async (cluster): Promise<ClusterFindings> => {
      try {
        const tenants = await findTenants(cluster, dataset);
        servers.set(cluster.name, await targetServers(cluster));
        return { cluster: cluster.name, tenants, error: null };
      } catch (error) {
        return { cluster: cluster.name, tenants: [], error: asRefillError(error).toJSON() };
      }
    }),
  );
  return withoutCopies(found, servers);
}

/** Where two clusters share a target, rows whose source belongs to one are no tenant of the other. */
function withoutCopies(
  found: readonly ClusterFindings[],
  servers: ReadonlyMap<string, Servers>,
): readonly ClusterFindings[] {
  const place = (t: TenantFinding) => JSON.stringify([t.targetDatabase, formatTenant(t)]);
  const derived = new Map<string, string[]>();
  for (const t of found.flatMap((one) => one.tenants))
    if (t.sourceDatabase !== null) derived.set(place(t), [...(derived.get(place(t)) ?? []), t.cluster]);
  const shared = (a: string, b: string) => {
    const [one, other] = [servers.get(a), servers.get(b)];
    return one !== undefined && other !== undefined && shareServer(one, other);
  };
  const isCopy = (t: TenantFinding) => derived.get(place(t))?.some((cluster) => shared(cluster, t.cluster)) ?? false;
  return found.map((one) => ({
    ...one,
    tenants: one.tenants.filter((t) => t.sourceDatabase !== null || !isCopy(t)),
  }));
}

/** The tenants that a request is about. A name that fits none is an error: what it should have kept out would be deleted. */
export function selectTenants(found: readonly ClusterFindings[], request: FleetRequest): readonly TenantFinding[] {
  const all = found.flatMap((one) => one.tenants);
  for (const name of [...(request.exclude ?? []).map(formatTenant), ...Object.keys(request.priorities ?? {})]) {
    if (!all.some((t) => formatTenant(t) === name)) throw notFound(name, found);
  }
  const excluded = new Set((request.exclude ?? []).map(formatTenant));
  const chosen = request.tenants === undefined ? all : request.tenants.map((name) => one(name, all, found));
  return [...new Set(chosen)].filter((t) => !excluded.has(formatTenant(t)));
}

function one(name: TenantName, all: readonly TenantFinding[], found: readonly ClusterFindings[]): TenantFinding {
  const matches = all.filter((t) => formatTenant(t) === formatTenant(name));
  const derived = matches.filter((t) => t.sourceDatabase !== null);
  const [match, another] = derived.length > 0 ? derived : matches;
  if (!match) throw notFound(formatTenant(name), found);
  if (another && another.cluster !== match.cluster) {
    const places = `${match.cluster}, ${another.cluster}`;
    throw new RefillError('TENANT_AMBIGUOUS', `${formatTenant(name)} is on several clusters: ${places}`, {
      details: { places },
    });
  }
  return match;
}

function notFound(name: string, found: readonly ClusterFindings[]): RefillError {
  const unknown = found.find((one) => one.error !== null);
  // With a cluster out of reach, «no such tenant» would be a guess.
  if (unknown?.error) {
    return new RefillError(
      unknown.error.code,
      `${name} is on no cluster that could be asked, and ${unknown.cluster} could not: ${unknown.error.message}`,
    );
  }
  return new RefillError('TENANT_UNKNOWN', `no tenant ${name} on ${found.map((f) => f.cluster).join(', ')}`);
}

/** Refuses a tenant map that is no bijection, before anything is planned, let alone deleted. */
export async function refuseCollisions(
  selected: readonly TenantFinding[],
  found: readonly ClusterFindings[],
  clusters: readonly Cluster[],
  dataset: DatasetDefinition,
): Promise<void> {
  // Where a table does not say whose its rows are, a delete is confined by its database alone.
  const unowned = dataset.tables.some((table) => table.owner === undefined);
  const chosen = new Set(selected.map((t) => JSON.stringify([t.cluster, t.customer, t.profile])));
  // All entries of the chosen, as a tenant that was named once may be found twice.
  const tenants = found
    .flatMap((each) => each.tenants)
    .filter((t) => unowned || chosen.has(JSON.stringify([t.cluster, t.customer, t.profile])))
    .filter((t) => t.sourceDatabase !== null && t.targetDatabase !== null)
    .map(tenantOf);
  const clustersOf = new Map<string, Set<string>>();
  for (const { sourceDatabase, cluster } of tenants)
    clustersOf.set(sourceDatabase, (clustersOf.get(sourceDatabase) ?? new Set()).add(cluster));
  const placed = await Promise.all(
    clusters.map(async (cluster): Promise<PlacedTenant[]> => {
      const own = tenants.filter((t) => t.cluster === cluster.name);
      // Where a name is on another cluster too it matters that its own database answers.
      const asked = own.find((t) => (clustersOf.get(t.sourceDatabase)?.size ?? 0) > 1) ?? own[0];
      if (!asked) return [];
      const servers = {
        sourceServers: await sourceServers(cluster, asked.sourceDatabase),
        targetServers: await targetServers(cluster),
      };
      return own.map((t) => ({ ...t, ...servers }));
    }),
  );
  const [first, ...others] = collisions(placed.flat());
  if (!first) return;
  const more = others.length === 0 ? '' : `; and ${others.length} more`;
  throw new RefillError('TENANTS_COLLIDE', `${collisionWords(first)}${more}`, {
    details: { collisions: [first, ...others].map(collisionWords) },
  });
}
