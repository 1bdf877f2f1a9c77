import { databaseName, type TenantName } from '../../domain/words.ts';
import { FLEET_CLUSTERS, type FleetClusterName } from '../fleet-clusters.ts';
import { mix } from './shape.ts';
import { FOUR_ROWS, tenantCounts, type SampleCounts } from './sizes.ts';

/** How many tenants which cluster has, and how large they are. */
export interface FleetShape {
  /** Clusters with their tenants; the first has the largest and the smallest of all. */
  readonly clusters: Readonly<Partial<Record<FleetClusterName, number>>>;
  /** Kept scorecards of the largest tenant, which is out of all proportion. */
  readonly largest: number;
  /** The others follow a power law: the tenant of rank r has `scale / r²` kept scorecards. */
  readonly scale: number;
}

export type FleetSize = 'fleet' | 'fleet-small';

export const FLEET_SHAPES: Readonly<Record<FleetSize, FleetShape>> = {
  /** The campaign's fleet at 1:100 of its rows; the largest tenant is a thousand times the median, which is rank 48. */
  fleet: {
    clusters: { atlas: 44, borealis: 30, cinder: 17, delta: 3, ember: 1, fjord: 0, garnet: 0, harbor: 0 },
    largest: 270_000,
    scale: 622_080,
  },
  'fleet-small': {
    clusters: { atlas: 7, borealis: 4, cinder: 1, fjord: 0 },
    largest: 27_000,
    scale: 80_000,
  },
};

/** The clusters that a fleet needs for a sample of this size. */
export function clustersOf(size: FleetSize): readonly FleetClusterName[] {
  return FLEET_CLUSTERS.filter((name) => FLEET_SHAPES[size].clusters[name] !== undefined);
}

/** A tenant of the sample before it is made. */
export interface FleetTenant extends TenantName {
  readonly cluster: FleetClusterName;
  /** 1 for the largest. */
  readonly rank: number;
  readonly counts: SampleCounts;
  readonly seed: number;
}

const FRUITS = [
  'apricot',
  'bilberry',
  'cloudberry',
  'damson',
  'elderberry',
  'fig',
  'gooseberry',
  'huckleberry',
  'kumquat',
  'loquat',
  'medlar',
  'quince',
];
const TRADES = ['air', 'bank', 'cars', 'energy', 'homes', 'mail', 'retail', 'telecom', 'trains'];
const PROFILES = ['us-east', 'us-east', 'us-west', 'eu-central', 'main'];

/** All tenants of a fleet, largest first. The same seed gives the same. */
export function fleetTenants(shape: FleetShape, seed: number): readonly FleetTenant[] {
  const places = deal(shape);
  return places.map((cluster, i): FleetTenant => {
    const rank = i + 1;
    return {
      ...tenantName(i, seed),
      cluster,
      rank,
      counts: countsOf(shape, rank, places.length),
      // Rows are made from numbers and the seed alone: with one seed, all tenants would have the same ids.
      seed: 1 + mix(seed, 7919 * rank),
    };
  });
}

function countsOf(shape: FleetShape, rank: number, last: number): SampleCounts {
  if (rank === 1) return tenantCounts(shape.largest);
  return rank === last ? FOUR_ROWS : tenantCounts(Math.max(1, Math.floor(shape.scale / (rank * rank))));
}

/** The cluster of each rank: large and small tenants on all, in proportion to their numbers of tenants. */
function deal(shape: FleetShape): readonly FleetClusterName[] {
  const piles = FLEET_CLUSTERS.map((name) => ({
    name,
    open: shape.clusters[name] ?? 0,
    all: shape.clusters[name] ?? 0,
  }));
  const ranks = piles.reduce((sum, { all }) => sum + all, 0);
  const first = piles.find(({ all }) => all > 0);
  const dealt: FleetClusterName[] = [];
  for (let rank = 1; rank <= ranks; rank++) {
    // The one whose share of what it is still to get is the largest; of equals the smallest cluster.
    const open = piles.filter((pile) => pile.open > (pile === first && rank < ranks ? 1 : 0));
    const [next] = open.toSorted((a, b) => b.open * a.all - a.open * b.all || a.all - b.all);
    const pile = rank === 1 ? first : next;
    if (pile === undefined) break;
    pile.open -= 1;
    dealt.push(pile.name);
  }
  return dealt;
}

/** A name that no other tenant of the fleet has, nor its database. */
function tenantName(index: number, seed: number): TenantName {
  const step = (index + mix(seed, 3)) % (FRUITS.length * TRADES.length);
  // 12 and 9 are not coprime: the trade moves on each time the fruits come round.
  const fruit = FRUITS[step % FRUITS.length] ?? '';
  const trade = TRADES[(step + Math.floor(step / FRUITS.length)) % TRADES.length] ?? '';
  return { customer: `${fruit}-${trade}`, profile: PROFILES[mix(seed, 31 * index) % PROFILES.length] ?? '' };
}

/** Another tenant whose database has the same name. */
export function twinOf(tenant: TenantName): TenantName {
  const twin = { customer: tenant.customer.replace('-', '.'), profile: tenant.profile };
  if (databaseName(twin) !== databaseName(tenant)) throw new Error('the names do not collide');
  return twin;
}
