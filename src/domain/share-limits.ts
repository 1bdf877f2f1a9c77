/** What a slot is asked for. */
export interface ShareRequest {
  readonly cluster: string;
  /** The Postgres server that is read. */
  readonly server: string;
  readonly tenant: string;
  /** Higher goes first, before all fairness: the others wait as long as it can use slots. Default 0. */
  readonly priority?: number;
  /** The run and its window, for whoever admits to a slot: they make no difference here. */
  readonly run?: string;
  readonly window?: number;
}

/** What a limit is of. */
export interface SharePlace {
  readonly of: 'server' | 'cluster' | 'fleet';
  /** Of the server or the cluster. */
  readonly name: string;
}

/** Slots at once, each of them a window at work. 0 lets nothing begin; what is at work is never taken away. */
export interface ShareLimits {
  readonly total: number;
  /** For each cluster, server and tenant that has no limit of its own below. */
  readonly perCluster: number;
  readonly perServer: number;
  readonly perTenant: number;
  /** Of one by name: what health, the calendar or a person set for it. */
  readonly clusters?: Readonly<Record<string, number>>;
  readonly servers?: Readonly<Record<string, number>>;
  readonly tenants?: Readonly<Record<string, number>>;
}

/** What is in force for one request. */
export type LimitsInForce = Readonly<Record<'tenant' | SharePlace['of'], number>>;

/** One text for a place. */
export const placeKey = ({ of, name }: SharePlace): string => JSON.stringify([of, of === 'fleet' ? '' : name]);

/** The places in which a request needs a slot: the narrowest first, as reasons are told. */
export const placesOf = ({ server, cluster }: ShareRequest): readonly SharePlace[] => [
  { of: 'server', name: server },
  { of: 'cluster', name: cluster },
  { of: 'fleet', name: '' },
];

const limitOf = (own: Readonly<Record<string, number>> | undefined, name: string, all: number): number =>
  own && Object.hasOwn(own, name) ? (own[name] ?? all) : all;

/** The limits that are in force for a request. */
export function limitsFor(limits: ShareLimits, { cluster, server, tenant }: ShareRequest): LimitsInForce {
  const { total, perCluster, perServer, perTenant, clusters, servers, tenants } = limits;
  return {
    tenant: limitOf(tenants, tenant, perTenant),
    server: limitOf(servers, server, perServer),
    cluster: limitOf(clusters, cluster, perCluster),
    fleet: total,
  };
}

/** A limit that is no number would let everything begin, or nothing for ever. */
export function checked(limits: ShareLimits): ShareLimits {
  const { total, perCluster, perServer, perTenant, clusters = {}, servers = {}, tenants = {} } = limits;
  const all = [
    total,
    perCluster,
    perServer,
    perTenant,
    ...[clusters, servers, tenants].flatMap((own) => Object.values(own)),
  ];
  const wrong = all.find((limit) => Number.isNaN(limit) || limit < 0);
  if (wrong !== undefined) throw new RangeError(`a limit of slots is 0 or more, not ${wrong}`);
  return limits;
}
