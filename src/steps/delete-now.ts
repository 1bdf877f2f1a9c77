import type { DeleteKind } from '../domain/delete-kind.ts';
import { RefillError } from '../domain/errors.ts';
import type { Range } from '../domain/words.ts';
import { newId } from '../ledger/ids.ts';
import type { MutationRecord } from '../ledger/ledger.ts';
import { versionIn } from '../target/count.ts';
import { deleteStatement } from '../target/mutations.ts';
import { partitionOf } from '../target/partition.ts';
import { inRange } from '../target/tables.ts';
import { awaitMutation, type AwaitOptions } from './await-mutation.ts';
import { countMatching } from './count-matching.ts';
import { awaitNotOnItsWay, sendMutation, type SendOptions } from './send-mutation.ts';
import { refuseResetsBy } from './resets.ts';
import type { BenchTable, Workbench } from './workbench.ts';

const markOf = (run: string, window: number) => `refill ${run} window ${window} `;

/**
 * Waits until no clear of a window, whoever has sent it, can get to a shard any more. Whoever writes the window again
 * waits for it once more when that attempt is in the ledger, which from then on keeps every other clear from being sent.
 */
export const awaitCleared = (bench: Workbench, run: string, window: number, options: SendOptions): Promise<void> =>
  awaitNotOnItsWay(bench, markOf(run, window), options);

/**
 * Removes what an earlier attempt of a window may have left, before it is written again by a purge: the rows of that
 * attempt's versions, or the whole window where a table has no version column. (A `replace` leaves it to its delete.)
 *
 * @param options `stillOurs` says whether nobody else has begun with the window since: without a version their rows
 * cannot be told from those that are to go.
 */
export async function clearWindow(
  bench: Workbench,
  run: string,
  window: { readonly id: number } & Range,
  superseded: readonly string[] | 'whole',
  options: AwaitOptions & Required<Pick<AwaitOptions, 'stillOurs'>>,
): Promise<void> {
  const mark = markOf(run, window.id);
  // What an earlier program sent, and the cluster's queue has not passed on yet, would remove what is written next.
  await awaitCleared(bench, run, window.id, options);
  for (const table of bench.tables) {
    const whole = inRange(table.definition, bench.tenant, window);
    // An attempt's rows fill parts of their own, which a rewrite drops whole.
    const rows = { range: window, mark, kind: 'rewrite' } as const;
    if (table.versionPrecision !== null && superseded !== 'whole')
      await deleteUntilGone(
        bench,
        table,
        { ...rows, condition: `${whole} AND ${versionIn(table, superseded)}` },
        options,
      );
    // Once: what others write into the window meanwhile comes again.
    else if ((await countMatching(bench, table, whole)) > 0)
      await deleteNow(bench, table, { ...rows, condition: whole }, options);
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

/** Times that rows are deleted again before it is said that they keep coming. */
const DELETES = 3;

/**
 * Deletes rows of a table until none is left, which is looked for first and again after each delete: that a server calls a
 * mutation done is not that its rows are gone. Its condition must fit no row that is to stay, now or later.
 *
 * @throws RefillError `ROWS_KEEP_COMING`, and what deletes throw.
 */
export async function deleteUntilGone(
  bench: Workbench,
  table: BenchTable,
  what: DeleteNow,
  options: AwaitOptions,
): Promise<void> {
  for (let deletes = 0; ; deletes += 1) {
    const left = await countMatching(bench, table, what.condition);
    if (left === 0) return;
    await refuseResetsBy(bench, table, what.condition);
    if (deletes === DELETES)
      throw new RefillError(
        'ROWS_KEEP_COMING',
        `${left} rows of ${table.definition.name} that are to be deleted are there again after ${deletes} deletes`,
        { details: { rows: left } },
      );
    await deleteNow(bench, table, what, options);
  }
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
  await sendMutation(bench, mutation, options);
  await awaitMutation(bench, mutation, options);
}
