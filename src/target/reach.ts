import { chLiteral, identifier } from '../dataset/sql.ts';
import { asRefillError, RefillError } from '../domain/errors.ts';
import { within } from '../domain/within.ts';
import type { Target } from './clickhouse.ts';
import { NOT_SENT, sendInTime, type SentStatements } from './deadline.ts';
import { localName, type TargetTable } from './tables.ts';
import { answering, replicasOf, SELF, type Topology } from './topology.ts';

/**
 * How a statement gets to every shard: straight, where the configured addresses lead to a server of each shard; else as
 * `ON CLUSTER`, through the cluster's queue of statements, which is what a single address for all of them leaves.
 */
export interface Reach {
  /** Servers of each shard that can be asked straight; null where that is not possible for all of them. */
  readonly direct: ReadonlyMap<number, readonly Target[]> | null;
  /** Any address. */
  readonly target: Target;
  /** All of them. */
  readonly addresses: readonly Target[];
}

/** How long an address may take to say who it is: one that is stuck leads nowhere, and holds up nobody. */
const PATIENCE_MS = 5000;

/** Finds out where the configured addresses lead. One that does not answer leads nowhere. */
export async function findReach(target: Target, addresses: readonly Target[], topology: Topology): Promise<Reach> {
  const [only, another] = topology.shards;
  if (only && !another) return { target, addresses, direct: new Map([[only.number, [target]]]) };
  const names = new Map([...(await answering(target, topology))].map(([name, self]) => [self, name]));
  const shards = new Map(replicasOf(topology).map((r) => [r.name, r.shard]));
  const direct = new Map<number, Target[]>();
  for (const address of addresses) {
    const self = await within(PATIENCE_MS, whoIs(address), null);
    const shard = shards.get(names.get(self ?? '') ?? '');
    if (shard !== undefined) direct.set(shard, [...(direct.get(shard) ?? []), address]);
  }
  return { target, addresses, direct: topology.shards.every((s) => direct.has(s.number)) ? direct : null };
}

async function whoIs(address: Target): Promise<string | null> {
  try {
    const [row] = await address.rows<{ self: string }>(`SELECT ${SELF} AS self`);
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

/** Servers take a statement from the cluster's queue when they can; one that takes longer is not waited for. */
const LARGEST_QUEUE_SECONDS = 90;

/**
 * Sends an `ALTER TABLE` of a target table to some shards (straight) or to all of them (`ON CLUSTER`), and does not wait
 * for what it does. A server that it reaches too late refuses it.
 *
 * @param mark A text of ours in its predicate.
 */
export async function alterEverywhere(
  reach: Reach,
  table: TargetTable,
  statement: string,
  shards: readonly number[],
  sent: SentStatements,
  mark: string,
): Promise<void> {
  if (reach.direct === null) {
    const plain = `ALTER TABLE ${localName(table)} `;
    if (!statement.startsWith(plain)) throw new RefillError('BUG', 'an ALTER of another table');
    const { cluster } = table.topology;
    await sendInTime(
      reach.target,
      `${plain}ON CLUSTER ${identifier(cluster)} ${statement.slice(plain.length)}`,
      QUEUED,
      { sent, mark, seconds: Math.max(sent.seconds, LARGEST_QUEUE_SECONDS) },
    );
    return;
  }
  for (const shard of shards)
    await firstThatAnswers(
      reach.direct.get(shard) ?? [],
      (address) => sendInTime(address, statement, DO_NOT_WAIT, { sent, mark, seconds: sent.seconds }),
      NOT_SENT,
    );
}

/**
 * Takes a mutation back on every shard that has it: parts that it has not done stay as they are.
 *
 * @param mark A text of ours in its predicate: ids are counted by shard and table, so that another shard may have
 * somebody else's mutation under the same one.
 */
export async function killMutation(
  reach: Reach,
  table: Pick<TargetTable, 'database' | 'name' | 'topology'>,
  ids: ReadonlyMap<number, string>,
  mark: string,
): Promise<void> {
  for (const [shard, id] of ids) {
    const ours = `database = ${chLiteral(table.database)} AND table = ${chLiteral(table.name)} AND mutation_id = ${chLiteral(id)} AND position(command, ${chLiteral(mark)}) > 0`;
    if (reach.direct)
      await firstThatAnswers(reach.direct.get(shard) ?? [], (address) =>
        address.command(`KILL MUTATION WHERE ${ours} SYNC`),
      );
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
  // What an address does not lead to can be told through the cluster's queue only.
  if (topology.cluster !== '' && replicasOf(topology).length > reach.addresses.length) {
    await reach.target.command(`KILL QUERY ON CLUSTER ${identifier(topology.cluster)} WHERE ${ours} ASYNC`, QUEUED);
    return;
  }
  for (const address of reach.addresses)
    await address.command(`KILL QUERY WHERE ${ours} ASYNC`).catch((error: unknown) => {
      // A server that does not answer has no query of ours any more.
      if (asRefillError(error).code !== 'CH_UNREACHABLE') throw error;
    });
}

const ANY_FAILURE = /(?:)/u;

/** Sends by the first address that answers; throws the last failure, or the first after which nothing may be sent again. */
async function firstThatAnswers(
  addresses: readonly Target[],
  send: (address: Target) => Promise<void>,
  again = ANY_FAILURE,
): Promise<void> {
  let failure: unknown;
  for (const address of addresses) {
    try {
      await send(address);
      return;
    } catch (error) {
      const { code, message } = asRefillError(error);
      if (code !== 'CH_UNREACHABLE' || !again.test(message)) throw error;
      failure = error;
    }
  }
  throw failure;
}
