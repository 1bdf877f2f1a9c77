import { chLiteral, identifier } from '../dataset/sql.ts';
import { asRefillError, RefillError } from '../domain/errors.ts';
import type { Target } from './clickhouse.ts';
import { localName, type TargetTable } from './tables.ts';
import { answering, replicasOf, type Topology } from './topology.ts';

/**
 * How a statement gets to every shard: straight, where the configured addresses lead to a server of each shard; else as
 * `ON CLUSTER`, through the cluster's queue of statements, which is what a single address for all of them leaves.
 */
export interface Reach {
  /** Servers of each shard that can be asked straight; null where that is not possible for all of them. */
  readonly direct: ReadonlyMap<number, readonly Target[]> | null;
  /** Any address. */
  readonly target: Target;
}

/** Finds out where the configured addresses lead. One that does not answer leads nowhere. */
export async function findReach(target: Target, addresses: readonly Target[], topology: Topology): Promise<Reach> {
  const [only, another] = topology.shards;
  if (only && !another) return { target, direct: new Map([[only.number, [target]]]) };
  const names = new Map([...(await answering(target, topology))].map(([name, self]) => [self, name]));
  const shards = new Map(replicasOf(topology).map((r) => [r.name, r.shard]));
  const direct = new Map<number, Target[]>();
  for (const address of addresses) {
    const self = await whoIs(address);
    const shard = shards.get(names.get(self ?? '') ?? '');
    if (shard !== undefined) direct.set(shard, [...(direct.get(shard) ?? []), address]);
  }
  return { target, direct: topology.shards.every((s) => direct.has(s.number)) ? direct : null };
}

async function whoIs(address: Target): Promise<string | null> {
  try {
    const [row] = await address.rows<{ self: string }>(`SELECT concat(hostName(), ':', toString(tcpPort())) AS self`);
    return row?.self ?? null;
  } catch (error) {
    if (asRefillError(error).code === 'CH_UNREACHABLE') return null;
    throw error;
  }
}

/** Sent explicitly: an engine whose default is to wait would block this call for as long as the mutation takes. */
const DO_NOT_WAIT = { mutations_sync: '0' } as const;
/** The queue of statements is told to return at once; that it is done is looked up where it counts. */
const QUEUED = {
  ...DO_NOT_WAIT,
  distributed_ddl_task_timeout: '0',
  distributed_ddl_output_mode: 'null_status_on_timeout',
} as const;

/**
 * Sends an `ALTER TABLE` of a target table to some shards (straight) or to all of them (`ON CLUSTER`), and does not wait
 * for what it does.
 */
export async function alterEverywhere(
  reach: Reach,
  table: TargetTable,
  statement: string,
  shards: readonly number[],
): Promise<void> {
  if (reach.direct === null) {
    const plain = `ALTER TABLE ${localName(table)} `;
    if (!statement.startsWith(plain)) throw new RefillError('BUG', 'an ALTER of another table');
    const { cluster } = table.topology;
    await reach.target.command(`${plain}ON CLUSTER ${identifier(cluster)} ${statement.slice(plain.length)}`, QUEUED);
    return;
  }
  for (const shard of shards)
    await first(reach.direct.get(shard) ?? [], (address) => address.command(statement, DO_NOT_WAIT));
}

/** Takes a mutation back on every shard that has it: parts that it has not done stay as they are. */
export async function killMutation(
  reach: Reach,
  table: Pick<TargetTable, 'database' | 'name' | 'topology'>,
  ids: ReadonlyMap<number, string>,
): Promise<void> {
  for (const [shard, id] of ids) {
    const ours = `database = ${chLiteral(table.database)} AND table = ${chLiteral(table.name)} AND mutation_id = ${chLiteral(id)}`;
    if (reach.direct)
      await first(reach.direct.get(shard) ?? [], (address) => address.command(`KILL MUTATION WHERE ${ours} SYNC`));
    else
      await reach.target.command(
        `KILL MUTATION ON CLUSTER ${identifier(table.topology.cluster)} WHERE ${ours} ASYNC`,
        QUEUED,
      );
  }
}

/** Ends queries of ours by id, wherever they are at work; whether they have ended is looked up. */
export async function killQueries(reach: Reach, topology: Topology, ids: readonly string[]): Promise<void> {
  const ours = `initial_query_id IN (${ids.map(chLiteral).join(', ')})`;
  if (!reach.direct) {
    await reach.target.command(`KILL QUERY ON CLUSTER ${identifier(topology.cluster)} WHERE ${ours} ASYNC`, QUEUED);
    return;
  }
  for (const addresses of reach.direct.values())
    for (const address of addresses)
      await address.command(`KILL QUERY WHERE ${ours} ASYNC`).catch((error: unknown) => {
        // A server that does not answer has no query of ours any more.
        if (asRefillError(error).code !== 'CH_UNREACHABLE') throw error;
      });
}

/** The first address that answers. */
async function first(addresses: readonly Target[], send: (address: Target) => Promise<void>): Promise<void> {
  let failure: unknown;
  for (const address of addresses) {
    try {
      await send(address);
      return;
    } catch (error) {
      if (asRefillError(error).code !== 'CH_UNREACHABLE') throw error;
      failure = error;
    }
  }
  throw failure;
}
