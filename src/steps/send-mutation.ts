import { setTimeout as sleep } from 'node:timers/promises';
import { RefillError } from '../domain/errors.ts';
import { createPool, type Pool } from '../domain/pool.ts';
import type { MutationRecord } from '../ledger/ledger.ts';
import type { Target } from '../target/clickhouse.ts';
import { findMutation } from '../target/mutations.ts';
import { isBeingSent, isOnItsWay, isQueued } from '../target/on-its-way.ts';
import { alterEverywhere } from '../target/reach.ts';
import { isReplicated, type TargetTable } from '../target/tables.ts';
import { type AwaitOptions, idsOf } from './await-mutation.ts';
import { debugPoint } from './debug-points.ts';
import { benchTable, type Workbench } from './workbench.ts';

export type SendOptions = Pick<AwaitOptions, 'signal' | 'onWait' | 'stillOurs' | 'sent'>;

type Sent = Pick<MutationRecord, 'table' | 'nonce' | 'statement'>;

/**
 * Sends a mutation to the shards that do not have it, and returns when every shard has: rows inserted from then on are
 * safe from it.
 *
 * Those of one table go one at a time. A plain MergeTree takes the number of a mutation before it registers it: of two that
 * come at once the later may be registered first, and a part that passes it just then has passed the earlier one too, for
 * good and with none of its rows deleted (seen with ClickHouse 26.7, about once in 150 pairs). Replicated tables number
 * theirs in Keeper, in order.
 *
 * @returns What it is called on each shard.
 * @throws RefillError `CH_SHARD_UNREACHABLE`, `MUTATION_VANISHED`, `CH_BUSY`.
 */
export async function sendMutation(
  bench: Workbench,
  mutation: Sent,
  options: SendOptions,
): Promise<ReadonlyMap<number, string>> {
  const { target } = benchTable(bench, mutation.table);
  const send = async () => {
    await sendOnce(bench, mutation, options);
    await debugPoint('mutation-sent');
    return await waitAssigned(bench, mutation, options);
  };
  return isReplicated(target) ? await send() : await turnsOf(bench.target, target).run(send);
}

/** Where mutations of a plain table wait for their turn. */
const turns = new WeakMap<Target, Map<string, Pool>>();

function turnsOf(target: Target, { database, name }: TargetTable): Pool {
  const key = JSON.stringify([database, name]);
  const known = turns.get(target) ?? new Map<string, Pool>();
  turns.set(target, known);
  const pool = known.get(key) ?? createPool(1);
  known.set(key, pool);
  return pool;
}

async function sendOnce(bench: Workbench, mutation: Sent, { stillOurs, sent }: SendOptions): Promise<void> {
  const { target } = benchTable(bench, mutation.table);
  const look = await findMutation(bench.target, bench.topology, target, mutation.nonce);
  const ids = idsOf(look);
  const lacking = [...look.keys()].filter((shard) => !ids.has(shard));
  if (lacking.length === 0) return;
  // The cluster's queue gives a statement to each shard when it can: sent again it would be done twice, the second time
  // on rows that were written since.
  if (bench.reach.direct === null && (ids.size > 0 || (await isQueued(bench.target, bench.topology, mutation.nonce))))
    return;
  if (await isBeingSent(bench.target, bench.topology, mutation.nonce)) return;
  // Straight, each shard's is sent by itself, and any of them may be late.
  for (const shards of bench.reach.direct === null ? [lacking] : lacking.map((shard) => [shard])) {
    await stillOurs?.();
    await alterEverywhere(bench.reach, target, mutation.statement, shards, sent, mutation.nonce);
  }
}

/** Seconds for which a mutation that was sent may be on its way: straight it is there at once, or a moment later. */
const SENT_SECONDS = 5;
/** The cluster's queue may be busy with other statements. */
const QUEUED_SECONDS = 60;

/**
 * Waits until every shard has a mutation: rows inserted from then on are safe from it. Returns what it is called on each.
 *
 * @throws RefillError `CH_SHARD_UNREACHABLE`, `MUTATION_VANISHED`, `CH_BUSY`.
 */
async function waitAssigned(
  bench: Workbench,
  mutation: Sent,
  { signal, onWait, sent }: SendOptions,
): Promise<ReadonlyMap<number, string>> {
  const { target } = benchTable(bench, mutation.table);
  for (let looks = bench.reach.direct ? SENT_SECONDS : QUEUED_SECONDS; ; looks -= 1) {
    const look = await findMutation(bench.target, bench.topology, target, mutation.nonce);
    const ids = idsOf(look);
    const lacking = [...look].filter(([shard]) => !ids.has(shard));
    if (lacking.length === 0) {
      // Sent a second time, as an answer was lost, it would be done once more, on rows that were written since.
      await awaitNotOnItsWay(bench, mutation.nonce, { signal, onWait, sent });
      return ids;
    }
    const dead = lacking.find(([, replicas]) => !replicas.some((r) => r.alive));
    if (dead)
      throw new RefillError('CH_SHARD_UNREACHABLE', `no replica of shard ${dead[0]} answers`, {
        details: { shard: dead[0] },
      });
    if (looks <= 0) {
      const where = bench.topology.shards.length > 1 ? ` on shard ${lacking.map(([shard]) => shard).join(', ')}` : '';
      throw new RefillError(
        'MUTATION_VANISHED',
        `the delete on ${mutation.table} was sent and is not to be seen${where}`,
        {
          details: { nonce: mutation.nonce },
        },
      );
    }
    await sleep(1000, undefined, { signal });
  }
}

/**
 * Waits until no statement with this text can get to a shard any more: at work, in the cluster's queue, or held by a network
 * that has not said what became of it.
 *
 * @throws RefillError `CH_BUSY` where the cluster's queue does not get on.
 */
export async function awaitNotOnItsWay(bench: Workbench, text: string, options: SendOptions): Promise<void> {
  const { signal, onWait } = options;
  await awaitRefused(text, options);
  for (let looks = QUEUED_SECONDS; await isOnItsWay(bench.reach, bench.topology, text); looks -= 1) {
    const what = `a delete that was sent before, and is still on its way to some shard: ${text.trim()}`;
    if (looks <= 0) throw new RefillError('CH_BUSY', what);
    onWait(what);
    await sleep(1000, undefined, { signal });
  }
}

/** Waits until the servers refuse every statement that begins so and was never answered. */
export async function awaitRefused(mark: string, { signal, onWait, sent }: SendOptions): Promise<void> {
  for (;;) {
    const seconds = await sent.onTheWay(mark);
    if (seconds <= 0) return;
    onWait(`a delete that was sent and not answered: ClickHouse refuses it in ${Math.ceil(seconds)} s`);
    await sleep(Math.min(seconds * 1000 + 10, 1000), undefined, { signal });
  }
}
