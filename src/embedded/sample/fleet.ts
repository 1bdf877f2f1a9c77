import { createPool } from '../../domain/pool.ts';
import { RefillError } from '../../domain/errors.ts';
import { databaseName, type Range, type TenantName } from '../../domain/words.ts';
import type { ClickHouseAddress } from './clickhouse-http.ts';
import { rememberTenants, type FleetCluster, type FleetInfo } from '../fleet.ts';
import type { FleetClusterName } from '../fleet-clusters.ts';
import { fleetTenants, twinOf, type FleetShape, type FleetTenant } from './fleet-shape.ts';
import { makeTenant } from './make.ts';
import type { PlantKind } from './planted.ts';
import { CAMPAIGN } from './sizes.ts';
import { createDatabase, dropSampleDatabases, SAMPLE_MARK, withPostgres } from './source.ts';
import { postgresSchemaSql } from './postgres-schema.ts';
import { dropSampleTargets } from './target.ts';

/** Two cores do as much with three tenants at work as with more: each works on both of its sides at once. */
const TENANTS_AT_ONCE = 3;

export interface FleetSampleOptions {
  readonly fleet: FleetInfo;
  readonly shape: FleetShape;
  /** The same seed gives the same bytes. Default 1. */
  readonly seed?: number;
  /**
   * Adds a tenant to the source of the first cluster whose database would have the smallest tenant's name. Default
   * false: such a fleet is refused.
   */
  readonly twins?: boolean;
  readonly onProgress?: (progress: FleetProgress) => void;
}

export interface FleetProgress {
  readonly tenants: number;
  readonly tenantsTotal: number;
  readonly scores: number;
  readonly scoresTotal: number;
}

export interface FleetSample {
  readonly seed: number;
  readonly range: Range;
  /** Largest first. */
  readonly tenants: readonly FleetSampleTenant[];
  /** The two whose databases would have one name. */
  readonly twins: readonly [TenantName, TenantName] | null;
  readonly durationMs: number;
}

export interface FleetSampleTenant extends TenantName {
  readonly cluster: FleetClusterName;
  readonly database: string;
  /** Source rows in the range that belong into the target, or were there wrongly. */
  readonly scorecards: number;
  readonly scores: number;
  /** How many rows are wrong, by kind. */
  readonly planted: Readonly<Partial<Record<PlantKind, number>>>;
}

/** Fills a fleet with tenants, in place of those of an earlier sample. */
export async function makeFleetSample(options: FleetSampleOptions): Promise<FleetSample> {
  const startedAt = Date.now();
  const { fleet, shape, seed = 1, onProgress = () => undefined } = options;
  const tenants = fleetTenants(shape, seed);
  const clusters = new Map(fleet.clusters.map((cluster) => [cluster.name, cluster]));
  const missing = Object.keys(shape.clusters).filter(
    (name) => !fleet.clusters.some((cluster) => cluster.name === name),
  );
  if (missing.length > 0) {
    throw new RefillError(
      'USAGE',
      `the fleet has no ${missing.length > 1 ? 'clusters' : 'cluster'} ${missing.join(', ')}`,
      {
        hint: '`refill up --fleet --sample …` starts the clusters that a sample needs.',
      },
    );
  }
  await rememberTenants(fleet.dir, []);
  for (const cluster of fleet.clusters) {
    await dropSampleDatabases(cluster.postgres);
    if (cluster.engine === cluster.name) await dropSampleTargets(addressOf(cluster.clickhouse));
  }
  const total = { tenantsTotal: tenants.length, scoresTotal: sumOfScores(tenants) };
  const progress = { tenants: 0, scores: 0 };
  const show = () => onProgress({ ...progress, ...total });
  show();
  const pool = createPool(TENANTS_AT_ONCE);
  const made = await Promise.allSettled(
    // Largest first: the one that takes longest should not begin last.
    tenants.map(async (tenant) => {
      const cluster = clusters.get(tenant.cluster);
      if (cluster === undefined) throw new Error('unreachable');
      const result = await pool.run(() => fill(cluster, tenant, seed));
      progress.tenants += 1;
      progress.scores += result.scores;
      show();
      return result;
    }),
  );
  const results = made.map((result) => {
    if (result.status === 'rejected') throw result.reason;
    return result.value;
  });
  await rememberTenants(fleet.dir, tenants);
  const twins = options.twins === true ? await addTwin(fleet, tenants) : null;
  return { seed, range: CAMPAIGN, tenants: results, twins, durationMs: Date.now() - startedAt };
}

function addressOf({ http, user, password }: FleetCluster['clickhouse']): ClickHouseAddress {
  return { url: http, user, password };
}

async function fill(cluster: FleetCluster, tenant: FleetTenant, seed: number): Promise<FleetSampleTenant> {
  const { customer, profile, counts } = tenant;
  const made = await makeTenant({
    postgres: cluster.postgres,
    clickhouse: addressOf(cluster.clickhouse),
    customer,
    profile,
    counts,
    range: CAMPAIGN,
    seed: tenant.seed,
    mark: `fleet, seed ${seed}`,
  });
  const planted: Partial<Record<PlantKind, number>> = {};
  for (const { kind, count } of made.planted) planted[kind] = (planted[kind] ?? 0) + count;
  return {
    customer,
    profile,
    cluster: cluster.name,
    database: made.database,
    scorecards: counts.kept + counts.appeals,
    scores: scoresOf(tenant),
    planted,
  };
}

const scoresOf = ({ counts }: FleetTenant) => counts.keptScores + counts.appealScores;
const sumOfScores = (tenants: readonly FleetTenant[]) => tenants.reduce((sum, tenant) => sum + scoresOf(tenant), 0);

/** One scorecard of a tenant in a source database of its own: in the target, it and the other would share one. */
async function addTwin(
  fleet: FleetInfo,
  tenants: readonly FleetTenant[],
): Promise<readonly [TenantName, TenantName] | null> {
  const smallest = tenants.at(-1);
  const cluster = fleet.clusters.find(({ name }) => name === smallest?.cluster);
  if (smallest === undefined || cluster === undefined) return null;
  const twin = twinOf(smallest);
  const database = `${databaseName(twin)}_twin`;
  await createDatabase(cluster.postgres, database, `${SAMPLE_MARK}: twin`, true);
  await withPostgres(cluster.postgres, database, async (client) => {
    await client.query(postgresSchemaSql());
    await client.query(
      `INSERT INTO director.scorecards (customer, profile, resource_id, template_id, template_revision, created_at, updated_at)
       VALUES ($1, $2, 'twin', 'tpl-unknown', 'ffffffff', $3, $3)`,
      [twin.customer, twin.profile, CAMPAIGN.from],
    );
  });
  const { customer, profile } = smallest;
  return [{ customer, profile }, twin];
}
