import type { DatasetDefinition } from '../dataset/definition.ts';
import { asRefillError, RefillError } from '../domain/errors.ts';
import type { TenantFinding } from '../domain/events.ts';
import {
  type ClusterFindings,
  collisions,
  collisionWords,
  type FleetRequest,
  type PlacedTenant,
} from '../domain/fleet.ts';
import { formatTenant, type TenantName } from '../domain/words.ts';
import type { Cluster } from './connect.ts';
import { findTenants, tenantOf } from './tenants.ts';

/**
 * The tenants of clusters. One that cannot be asked is unknown, with the reason, and keeps none of the others from being
 * asked: it is never empty.
 */
export async function findByCluster(
  clusters: readonly Cluster[],
  dataset: DatasetDefinition,
): Promise<readonly ClusterFindings[]> {
  const found = await Promise.all(
    clusters.map(async (cluster): Promise<ClusterFindings> => {
      try {
        return { cluster: cluster.name, tenants: await findTenants(cluster, dataset), error: null };
      } catch (error) {
        return { cluster: cluster.name, tenants: [], error: asRefillError(error).toJSON() };
      }
    }),
  );
  return withoutCopies(found, clusters);
}

/** Where two clusters share a target, rows whose source belongs to one are no tenant of the other. */
function withoutCopies(found: readonly ClusterFindings[], clusters: readonly Cluster[]): readonly ClusterFindings[] {
  const server = new Map(clusters.map((cluster) => [cluster.name, targetServer(cluster)]));
  const place = (t: TenantFinding) => JSON.stringify([server.get(t.cluster), t.targetDatabase, formatTenant(t)]);
  const derived = new Set(found.flatMap((one) => one.tenants.filter((t) => t.sourceDatabase !== null).map(place)));
  return found.map((one) => ({
    ...one,
    tenants: one.tenants.filter((t) => t.sourceDatabase !== null || !derived.has(place(t))),
  }));
}

/** What names a cluster's target, whichever of its addresses is asked. */
function targetServer({ config: { clickhouse } }: Cluster): string {
  return [...clickhouse.urls].sort().join(' ');
}

/** What names a cluster's Postgres server. */
export function sourceServer({
  postgres,
}: {
  readonly postgres: { readonly host: string; readonly port: number };
}): string {
  return `${postgres.host}:${postgres.port}`;
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
export function refuseCollisions(
  selected: readonly TenantFinding[],
  found: readonly ClusterFindings[],
  clusters: readonly Cluster[],
  dataset: DatasetDefinition,
): void {
  // Where a table does not say whose its rows are, a delete is confined by its database alone.
  const unowned = dataset.tables.some((table) => table.owner === undefined);
  const byName = new Map(clusters.map((cluster) => [cluster.name, cluster]));
  const chosen = new Set(selected.map((t) => JSON.stringify([t.cluster, t.customer, t.profile])));
  // All entries of the chosen, as a tenant that was named once may be found twice.
  const placed = found
    .flatMap((each) => each.tenants)
    .filter((t) => unowned || chosen.has(JSON.stringify([t.cluster, t.customer, t.profile])))
    .flatMap((finding): PlacedTenant[] => {
      const cluster = byName.get(finding.cluster);
      if (!cluster || finding.sourceDatabase === null || finding.targetDatabase === null) return [];
      return [
        { ...tenantOf(finding), sourceServer: sourceServer(cluster.config), targetServer: targetServer(cluster) },
      ];
    });
  const [first, ...others] = collisions(placed);
  if (!first) return;
  const more = others.length === 0 ? '' : `; and ${others.length} more`;
  throw new RefillError('TENANTS_COLLIDE', `${collisionWords(first)}${more}`, {
    details: { collisions: [first, ...others].map(collisionWords) },
  });
}
