import { RefillError } from '../domain/errors.ts';
import { chLiteral } from '../dataset/sql.ts';
import type { Target } from './clickhouse.ts';

/** A server of a cluster, as `system.clusters` lists it. */
export interface Replica {
  readonly shard: number;
  readonly replica: number;
  readonly host: string;
  readonly port: number;
  /** `host:port`, as messages name it. */
  readonly name: string;
  /** What the server calls itself (`hostName():tcpPort()`), by which rows that it sends are known; null while it does not answer. */
  readonly self: string | null;
  /** What tells it from every other server, whichever address it is asked at (`IDENTITY`); null while it does not answer. */
  readonly identity: string | null;
}

export interface Shard {
  /** Number in the cluster, from 1. */
  readonly number: number;
  /** Its share of the rows: a Distributed table's sharding key is taken modulo the sum of all weights. */
  readonly weight: number;
  /** False where an insert through the cluster is written to every replica by the sender: fatal with replicated tables. */
  readonly internalReplication: boolean;
  readonly replicas: readonly Replica[];
}

/** The shards and replicas of a cluster; one shard with one replica where the configuration names no cluster. */
export interface Topology {
  /** Name in `system.clusters`; empty for a server by itself. */
  readonly cluster: string;
  readonly shards: readonly Shard[];
}

/** What a statement of ours says of the servers that answered it, as a text that `Replica.self` equals. */
export const SELF = `concat(hostName(), ':', toString(tcpPort()))`;

/** Servers that were made of one image have one name, copies of one disk one UUID; no two of them have both. */
const IDENTITY = `concat(toString(serverUUID()), ' ', ${SELF})`;

/** Reads of all replicas leave out those that do not answer: the topology tells which these are. */
export const ALL_REPLICAS = { skip_unavailable_shards: 1, connect_timeout_with_failover_ms: 2000 } as const;

/** ClickHouse: a system table of every replica that answers, or of the one server where there is no cluster. */
export function everyReplica(topology: Topology, table: string): string {
  return !isSpread(topology) ? table : `clusterAllReplicas(${chLiteral(topology.cluster)}, ${table})`;
}

/** ClickHouse: a system table of one replica of each shard. */
export function everyShard(topology: Topology, table: string): string {
  return topology.shards.length > 1 ? `cluster(${chLiteral(topology.cluster)}, ${table})` : table;
}

export const replicasOf = (topology: Topology): readonly Replica[] => topology.shards.flatMap((s) => s.replicas);

/** Whether more than one server holds a tenant's rows, or a copy of them. */
export const isSpread = (topology: Topology): boolean => replicasOf(topology).length > 1;

interface ListedServer {
  readonly shard: number;
  readonly weight: number;
  readonly replica: number;
  readonly host: string;
  readonly port: number;
}

/**
 * Finds the shards and replicas of a cluster, and which of them answer.
 *
 * @throws RefillError `CH_CLUSTER_UNKNOWN` where the server knows no cluster of this name.
 */
export async function discoverTopology(target: Target, cluster: string): Promise<Topology> {
  if (cluster === '') return aloneTopology(target);
  const listed = await target.rows<ListedServer>(
    `SELECT shard_num AS shard, shard_weight AS weight, replica_num AS replica, host_name AS host, port
     FROM system.clusters WHERE cluster = {cluster:String} ORDER BY shard_num, replica_num`,
    { cluster },
  );
  if (listed.length === 0) {
    const known = await target.rows<{ cluster: string }>(`SELECT DISTINCT cluster FROM system.clusters ORDER BY 1`);
    throw new RefillError(
      'CH_CLUSTER_UNKNOWN',
      `ClickHouse knows no cluster ${cluster}; it knows ${known.map((k) => k.cluster).join(', ') || 'none'}`,
    );
  }
  const [selves, replication] = await Promise.all([
    askSelves(target, cluster, listed),
    askReplication(target, cluster),
  ]);
  const numbers = [...new Set(listed.map((s) => s.shard))];
  return {
    cluster,
    shards: numbers.map((number): Shard => {
      const servers = listed.filter((s) => s.shard === number);
      return {
        number,
        weight: servers[0]?.weight ?? 1,
        internalReplication: replication.get(number) ?? true,
        replicas: servers.map(({ shard, replica, host, port }) => ({
          shard,
          replica,
          host,
          port,
          name: `${host}:${port}`,
          self: selves.get(`${shard}.${replica}`)?.self ?? null,
          identity: selves.get(`${shard}.${replica}`)?.identity ?? null,
        })),
      };
    }),
  };
}

async function aloneTopology(target: Target): Promise<Topology> {
  const [row] = await target.rows<Self & { host: string; port: number }>(
    `SELECT ${SELF} AS self, ${IDENTITY} AS identity, hostName() AS host, tcpPort() AS port`,
  );
  const { self = '', identity = null, host = '', port = 0 } = row ?? {};
  const replica = { shard: 1, replica: 1, host, port, name: self, self, identity };
  return { cluster: '', shards: [{ number: 1, weight: 1, internalReplication: true, replicas: [replica] }] };
}

type Self = Readonly<Record<'self' | 'identity', string>>;

/** What each server that answers calls itself, by shard and replica. A cluster of one server is the one that was asked. */
async function askSelves(
  target: Target,
  cluster: string,
  listed: readonly Pick<ListedServer, 'shard' | 'replica'>[],
): Promise<ReadonlyMap<string, Self>> {
  const [only, another] = listed;
  if (only && !another) {
    const rows = await target.rows<Self>(`SELECT ${SELF} AS self, ${IDENTITY} AS identity`);
    return new Map(rows.map((row) => [`${only.shard}.${only.replica}`, row]));
  }
  const rows = await target.rows<Self & { shard: number; replica: number }>(
    `SELECT ${SELF} AS self, ${IDENTITY} AS identity, shard_num AS shard, replica_num AS replica
     FROM clusterAllReplicas(${chLiteral(cluster)}, system.clusters) WHERE cluster = ${chLiteral(cluster)} AND is_local`,
    {},
    ALL_REPLICAS,
  );
  return new Map(rows.map((r) => [`${r.shard}.${r.replica}`, r]));
}

/** The servers that answer now: name to what they call themselves. */
export async function answering(target: Target, topology: Topology): Promise<ReadonlyMap<string, string>> {
  const replicas = replicasOf(topology);
  const selves = await askSelves(target, topology.cluster, replicas);
  return new Map(
    replicas.flatMap((r): [string, string][] => {
      const self = selves.get(`${r.shard}.${r.replica}`);
      return self === undefined ? [] : [[r.name, self.self]];
    }),
  );
}

/** Whether the receiving replicas replicate by themselves, by shard; servers before 24.10 do not say. */
async function askReplication(target: Target, cluster: string): Promise<ReadonlyMap<number, boolean>> {
  const [known] = await target.rows<{ n: string }>(
    `SELECT toString(count()) AS n FROM system.columns
     WHERE database = 'system' AND table = 'clusters' AND name = 'internal_replication'`,
  );
  if (known?.n !== '1') return new Map();
  const rows = await target.rows<{ shard: number; internal: number }>(
    `SELECT shard_num AS shard, min(internal_replication) AS internal FROM system.clusters
     WHERE cluster = {cluster:String} GROUP BY 1`,
    { cluster },
  );
  return new Map(rows.map((r) => [r.shard, r.internal === 1]));
}

/** ClickHouse: the number of the shard on which a sharding expression puts a row, as a Distributed table does it. */
export function shardNumber(topology: Topology, expression: string): string {
  const total = topology.shards.reduce((sum, s) => sum + s.weight, 0);
  const slots = topology.shards.flatMap((s) => Array.from({ length: s.weight }, () => s.number));
  return `[${slots.join(', ')}][1 + positiveModulo(${expression}, ${total})]`;
}
