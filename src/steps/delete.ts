import type { DeleteKind } from '../domain/delete-kind.ts';
import { versionBefore } from '../domain/versions.ts';
import type { Range } from '../domain/words.ts';
import { newId } from '../ledger/ids.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { serverClock } from '../source/postgres.ts';
import { olderThan, oldRows, type RunVersions, versionIn } from '../target/count.ts';
import { deleteStatement } from '../target/mutations.ts';
import { partitionOf } from '../target/partition.ts';
import { inRange } from '../target/tables.ts';
import { awaitMutation, type AwaitOptions } from './await-mutation.ts';
import { countMatching } from './count-matching.ts';
import { debugPoint } from './debug-points.ts';
import { deleteUntilGone } from './delete-now.ts';
import { awaitRefused, sendMutation, type SendOptions } from './send-mutation.ts';
import { type BenchTable, benchTable, type Workbench } from './workbench.ts';

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

/**
 * ClickHouse: the rows of a condition that a purge removes, bounded by their versions: those from before now. No row that is
 * read from now on is in it, whenever the statement arrives. Where rows with a version in the future are to go as well, or
 * there is no version, the condition is left as it is, and the statement's deadline alone keeps it from new rows.
 */
async function boundedCondition(bench: Workbench, table: BenchTable, condition: string): Promise<string> {
  if (!isBounded(bench, table)) return condition;
  const before = olderThan(table, await serverClock(bench.source));
  const newer = await countMatching(bench, table, `${condition} AND NOT ifNull(${before}, 0)`);
  return newer === 0 ? `${condition} AND ${before}` : condition;
}

/** Whether a purge tells old rows of a table by their versions; those that a user's workflow gives are of its own clock. */
export const isBounded = (bench: Workbench, table: BenchTable): boolean =>
  table.versionPrecision !== null && bench.reindexer === null;

export interface SubmitOptions extends SendOptions {
  /** The kind that the plan has chosen for a table. */
  readonly kindOf: (table: string) => DeleteKind;
  /** Rows that the plan counted for a table. */
  readonly plannedRows: (table: string) => number;
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
        const whole = deleteCondition(bench, table, del, versions);
        const condition = versions === undefined ? await boundedCondition(bench, table, whole) : whole;
        const { name, time } = table.definition;
        const nonce = `refill ${run} delete ${del.id} ${name} ${newId('v')}`;
        const partition = partitionOf(table.target, time, del);
        const statement = deleteStatement(table.target, { condition, nonce, partition, kind: options.kindOf(name) });
        return { table: name, nonce, statement, partition, rows: await countMatching(bench, table, condition) };
      }),
    );
    // A mutation without a partition looks at every part of the table, which is much for no row at all.
    const needed = planned.filter(
      (one) => one.rows > 0 || one.partition !== undefined || options.plannedRows(one.table) > 0,
    );
    await ledger.planMutations(
      run,
      del.id,
      needed.map(({ table, nonce, statement, rows }) => ({ table, nonce, statement, rows })),
    );
    await debugPoint('mutations-kept');
    mutations = await ledger.mutations(run, del.id);
  }
  for (const mutation of mutations) {
    if (mutation.state !== 'planned') continue;
    // Who has lost the ledger may not be the only one at work any more.
    options.signal.throwIfAborted();
    const ids = await sendMutation(bench, mutation, options);
    await ledger.setMutation(
      run,
      mutation.nonce,
      'assigned',
      [...ids].map(([shard, id]) => ({ shard: String(shard), id })),
    );
  }
  // Of a purge that was begun before, too: it would remove what is written from now on.
  if (versions === undefined) await awaitRefused(`refill ${run} delete ${del.id} `, options);
  await debugPoint('mutations-assigned');
}

/**
 * Seconds by which a row must be older than the run to be deleted once its delete is done: a live writer whose clock is
 * behind by less keeps its rows. Clocks of servers that are further apart keep a run from beginning, and what the old code
 * wrote is older than that.
 */
export const OLD_BY_SECONDS = 60;

export interface AwaitDeleteOptions extends AwaitOptions, Pick<SubmitOptions, 'kindOf'> {
  /** The run's. */
  readonly epoch: string;
  /** Does something as the only program that sends deletes of the run. */
  readonly alone: (task: () => Promise<void>) => Promise<void>;
}

/**
 * Waits until every mutation of a delete is done, on the servers' word and by what is left.
 *
 * @throws RefillError `MUTATION_FAILED`, `MUTATION_VANISHED`, `ROWS_KEEP_COMING`.
 */
export async function awaitDelete(
  bench: Workbench,
  ledger: Ledger,
  run: string,
  del: { readonly id: number } & Range,
  versions: RunVersions | undefined,
  options: AwaitDeleteOptions,
): Promise<void> {
  for (const mutation of await ledger.mutations(run, del.id)) {
    if (mutation.state === 'finished') continue;
    // A purge's condition fits what was written since as well: then only rows from before the run tell that some are left.
    const before = versions === undefined ? { before: options.epoch } : {};
    await awaitMutation(bench, mutation, { ...options, ...before });
    await deleteLeft(bench, run, del, versions, benchTable(bench, mutation.table), options);
    await ledger.setMutation(run, mutation.nonce, 'finished', mutation.ids);
  }
  await debugPoint('mutations-finished');
}

/**
 * Deletes what a delete should have removed and is there all the same: its mutation passed over a part (see `inTurn`, where
 * somebody else's ALTER came at the same time), or an old writer wrote it since. Only rows that are surely not the run's own
 * nor newer count; where nothing tells them apart, the proof names them.
 */
async function deleteLeft(
  bench: Workbench,
  run: string,
  del: { readonly id: number } & Range,
  versions: RunVersions | undefined,
  table: BenchTable,
  options: AwaitDeleteOptions,
): Promise<void> {
  if (table.versionPrecision === null || bench.reindexer) return;
  const { name } = table.definition;
  const older = olderThan(table, versionBefore(options.epoch, OLD_BY_SECONDS));
  const surely = `(${older} OR ${versionIn(table, versions?.superseded ?? [])})`;
  const condition = `${deleteCondition(bench, table, del, versions)} AND ${surely}`;
  const rows = await countMatching(bench, table, condition);
  if (rows === 0) return;
  const what = { range: del, condition, mark: `refill ${run} delete ${del.id} `, kind: options.kindOf(name) };
  await options.alone(() => deleteUntilGone(bench, table, what, options));
  await options.onNotice?.(
    `delete ${del.id}: ${rows} rows of ${name} from before the run were there when its servers said it is done; they are deleted now`,
  );
}
