import { setTimeout as sleep } from 'node:timers/promises';
import type { DeleteKind } from '../domain/delete-kind.ts';
import { RefillError } from '../domain/errors.ts';
import type { Range } from '../domain/words.ts';
import { newId } from '../ledger/ids.ts';
import type { Ledger, MutationRecord } from '../ledger/ledger.ts';
import { oldRows, type RunVersions, versionIn } from '../target/count.ts';
import { deleteStatement, findMutation } from '../target/mutations.ts';
import { isBeingSent, isOnItsWay, isQueued } from '../target/on-its-way.ts';
import { partitionOf } from '../target/partition.ts';
import { alterEverywhere } from '../target/reach.ts';
import { inRange } from '../target/tables.ts';
import { awaitMutation, type AwaitOptions, idsOf } from './await-mutation.ts';
import { countMatching } from './count-matching.ts';
import { debugPoint } from './debug-points.ts';
import type { BenchTable, Workbench } from './workbench.ts';
import { benchTable } from './workbench.ts';

/** ClickHouse: the rows that a delete removes: all of the range, or with `versions` (`replace`) the old ones. */
export function deleteCondition(
  bench: Workbench,
  table: BenchTable,
  range: Range,
  versions: RunVersions | undefined,
): string {
  const whole = inRange(table.definition, bench.tenant, range);
  return versions === undefined ? whole : `${whole} AND ${oldRows(table, versions)}`;
}

type SendOptions = Pick<AwaitOptions, 'signal' | 'onWait'>;

export interface SubmitOptions extends SendOptions {
  /** The kind that the plan has chosen for a table. */
  readonly kindOf: (table: string) => DeleteKind;
}

/**
 * Keeps the statements of a delete in the ledger and sends them, each table's once. After a crash it sends only what
 * never reached the server.
 *
 * A purge is never sent again once it was assigned: rows may have been written since.
 */
export async function submitDelete(
  bench: Workbench,
  ledger: Ledger,
  run: string,
  del: { readonly id: number } & Range,
  versions: RunVersions | undefined,
  options: SubmitOptions,
): Promise<void> {
  let mutations = await ledger.mutations(run, del.id);
  if (mutations.length === 0) {
    const planned = await Promise.all(
      bench.tables.map(async (table) => {
        const condition = deleteCondition(bench, table, del, versions);
        const { name, time } = table.definition;
        const nonce = `refill ${run} delete ${del.id} ${name} ${newId('v')}`;
        const partition = partitionOf(table.target, time, del);
        const statement = deleteStatement(table.target, { condition, nonce, partition, kind: options.kindOf(name) });
        return { table: name, nonce, statement, rows: await countMatching(bench, table, condition) };
      }),
    );
    await ledger.planMutations(run, del.id, planned);
    await debugPoint('mutations-kept');
    mutations = await ledger.mutations(run, del.id);
  }
  for (const mutation of mutations) {
    if (mutation.state !== 'planned') continue;
    // Who has lost the ledger may not be the only one at work any more.
    options.signal.throwIfAborted();
    await sendOnce(bench, mutation);
    await debugPoint('mutation-sent');
    const ids = await waitAssigned(bench, mutation, options);
    await ledger.setMutation(
      run,
      mutation.nonce,
      'assigned',
      [...ids].map(([shard, id]) => ({ shard: String(shard), id })),
    );
  }
  await debugPoint('mutations-assigned');
}

/** Sends a mutation to the shards that do not have it. */
async function sendOnce(
  bench: Workbench,
  mutation: Pick<MutationRecord, 'table' | 'nonce' | 'statement'>,
): Promise<void> {
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
  await alterEverywhere(bench.reach, target, mutation.statement, lacking);
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
  mutation: Pick<MutationRecord, 'table' | 'nonce'>,
  { signal, onWait }: SendOptions,
): Promise<ReadonlyMap<number, string>> {
  const { target } = benchTable(bench, mutation.table);
  for (let looks = bench.reach.direct ? SENT_SECONDS : QUEUED_SECONDS; ; looks -= 1) {
    const look = await findMutation(bench.target, bench.topology, target, mutation.nonce);
    const ids = idsOf(look);
    const lacking = [...look].filter(([shard]) => !ids.has(shard));
    if (lacking.length === 0) {
      // Sent a second time, as an answer was lost, it would be done once more, on rows that were written since.
      await awaitNotOnItsWay(bench, mutation.nonce, { signal, onWait });
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
 * Waits until no statement with this text can get to a shard any more.
 *
 * @throws RefillError `CH_BUSY` where the cluster's queue does not get on.
 */
async function awaitNotOnItsWay(bench: Workbench, text: string, { signal, onWait }: SendOptions): Promise<void> {
  for (let looks = QUEUED_SECONDS; await isOnItsWay(bench.reach, bench.topology, text); looks -= 1) {
    const what = `a delete that was sent before, and is still on its way to some shard: ${text.trim()}`;
    if (looks <= 0) throw new RefillError('CH_BUSY', what);
    onWait(what);
    await sleep(1000, undefined, { signal });
  }
}

/** Waits until every mutation of a delete is done. Errors: `MUTATION_FAILED`, `MUTATION_VANISHED`. */
export async function awaitDelete(
  bench: Workbench,
  ledger: Ledger,
  run: string,
  del: number,
  options: AwaitOptions,
): Promise<void> {
  for (const mutation of await ledger.mutations(run, del)) {
    if (mutation.state === 'finished') continue;
    await awaitMutation(bench, mutation, options);
    await ledger.setMutation(run, mutation.nonce, 'finished', mutation.ids);
  }
  await debugPoint('mutations-finished');
}

/**
 * Removes what an earlier attempt of a window may have left, before it is written again by a purge: the rows of that
 * attempt's versions, or the whole window where a table has no version column. (A `replace` leaves it to its delete.)
 */
export async function clearWindow(
  bench: Workbench,
  run: string,
  window: { readonly id: number } & Range,
  superseded: readonly string[] | 'whole',
  options: AwaitOptions,
): Promise<void> {
  const mark = `refill ${run} window ${window.id} `;
  // What an earlier program sent, and the cluster's queue has not passed on yet, would remove what is written next.
  await awaitNotOnItsWay(bench, mark, options);
  for (const table of bench.tables) {
    const whole = inRange(table.definition, bench.tenant, window);
    const condition =
      table.versionPrecision === null || superseded === 'whole'
        ? whole
        : `${whole} AND ${versionIn(table, superseded)}`;
    if ((await countMatching(bench, table, condition)) === 0) continue;
    // An attempt's rows fill parts of their own, which a rewrite drops whole.
    await deleteNow(bench, table, { range: window, condition, mark, kind: 'rewrite' }, options);
  }
}

export interface DeleteNow {
  /** Where its rows are. */
  readonly range: Range;
  readonly condition: string;
  /** Begins its nonce, with a space at its end. */
  readonly mark: string;
  readonly kind: DeleteKind;
}

/** Deletes rows of a table and waits for it. The ledger does not know it: after a crash it may be sent once more. */
export async function deleteNow(
  bench: Workbench,
  { definition, target }: BenchTable,
  { range, condition, mark, kind }: DeleteNow,
  options: AwaitOptions,
): Promise<void> {
  const nonce = `${mark}${definition.name} ${newId('v')}`;
  const partition = partitionOf(target, definition.time, range);
  const mutation: MutationRecord = {
    delete: 0,
    table: definition.name,
    nonce,
    statement: deleteStatement(target, { condition, nonce, partition, kind }),
    ids: [],
    rows: null,
    state: 'planned',
  };
  await sendOnce(bench, mutation);
  await waitAssigned(bench, mutation, options);
  await awaitMutation(bench, mutation, options);
}
