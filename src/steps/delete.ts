import { setTimeout as sleep } from 'node:timers/promises';
import { versionLiteral } from '../dataset/compile.ts';
import { identifier } from '../dataset/sql.ts';
import { RefillError } from '../domain/errors.ts';
import type { Limits } from '../domain/limits.ts';
import type { Range } from '../domain/words.ts';
import { newId } from '../ledger/ids.ts';
import type { Ledger, MutationRecord } from '../ledger/ledger.ts';
import { oldRows, type RunVersions, versionIn } from '../target/count.ts';
import {
  concerns,
  conditionOf,
  deleteStatement,
  findMutation,
  killMutation,
  type MutationStatus,
  sendMutation,
} from '../target/mutations.ts';
import { partitionOf } from '../target/partition.ts';
import { from, inRange } from '../target/tables.ts';
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

async function countMatching(bench: Workbench, table: BenchTable, condition: string): Promise<number> {
  const [row] = await bench.target.rows<{ rows: string }>(
    `SELECT toString(count()) AS rows ${from(table.target, false)} WHERE ${condition}`,
  );
  if (!row) throw new RefillError('BUG', 'a count returned no row');
  return Number(row.rows);
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
  signal: AbortSignal,
): Promise<void> {
  let mutations = await ledger.mutations(run, del.id);
  if (mutations.length === 0) {
    const planned = await Promise.all(
      bench.tables.map(async (table) => {
        const condition = deleteCondition(bench, table, del, versions);
        const nonce = `refill ${run} delete ${del.id} ${table.definition.name} ${newId('v')}`;
        const partition = partitionOf(table.target, table.definition.time, del);
        const statement = deleteStatement(table.target, condition, nonce, partition);
        return { table: table.definition.name, nonce, statement, rows: await countMatching(bench, table, condition) };
      }),
    );
    await ledger.planMutations(run, del.id, planned);
    await debugPoint('mutations-kept');
    mutations = await ledger.mutations(run, del.id);
  }
  for (const mutation of mutations) {
    if (mutation.state !== 'planned') continue;
    const { database, name } = benchTable(bench, mutation.table).target;
    // Who has lost the ledger may not be the only one at work any more.
    signal.throwIfAborted();
    if (!(await findMutation(bench.target, database, name, mutation.nonce)))
      await sendMutation(bench.target, mutation.statement);
    await debugPoint('mutation-sent');
    const seen = await waitVisible(bench, mutation, signal);
    await ledger.setMutation(run, mutation.nonce, 'assigned', [{ shard: '1', id: seen.id }]);
  }
  await debugPoint('mutations-assigned');
}

/** A mutation that was sent shows up at once, or a moment later: 5 looks, a second apart. */
async function waitVisible(bench: Workbench, mutation: MutationRecord, signal: AbortSignal): Promise<MutationStatus> {
  const { database, name } = benchTable(bench, mutation.table).target;
  for (let look = 0; look < 5; look += 1) {
    const status = await findMutation(bench.target, database, name, mutation.nonce);
    if (status) return status;
    await sleep(1000, undefined, { signal });
  }
  throw new RefillError('MUTATION_VANISHED', `the delete on ${mutation.table} was sent and is not to be seen`, {
    details: { nonce: mutation.nonce },
  });
}

export interface AwaitOptions {
  readonly limits: Pick<Limits, 'mutationPollSeconds' | 'stalledMinutes'>;
  readonly signal: AbortSignal;
  /** Called when what it waits for changes. */
  readonly onWait: (reason: string) => void;
  /** Where rows that fit a mutation's condition were written after it: only older ones are left over from it. */
  readonly before?: string;
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

/** The first looks come quickly, as small deletes are done at once. */
const FIRST_POLL_MS = 50;
/** Looks at a mutation that is not to be found before it counts as vanished, and the pause between them. */
const VANISHED_LOOKS = 3;
const VANISHED_PAUSE_MS = 2000;

/** Looks at a mutation that fails before it counts as failed, and the pause between them: the server tries again. */
const FAILING_LOOKS = 3;
const FAILING_PAUSE_MS = 1000;

/** Rows that still match a mutation's own condition. */
async function leftToDelete(bench: Workbench, mutation: MutationRecord, before: string | undefined): Promise<number> {
  const table = benchTable(bench, mutation.table);
  const older =
    before === undefined || table.versionPrecision === null
      ? ''
      : ` AND ${identifier(table.definition.version ?? '')} < ${versionLiteral(table, before)}`;
  return countMatching(bench, table, `${conditionOf(mutation.statement)}${older}`);
}

async function awaitMutation(bench: Workbench, mutation: MutationRecord, options: AwaitOptions): Promise<void> {
  const table = benchTable(bench, mutation.table);
  let pause = FIRST_POLL_MS;
  let missed = 0;
  let failing = 0;
  let last = { partsLeft: Number.POSITIVE_INFINITY, at: Date.now() };
  for (;;) {
    options.signal.throwIfAborted();
    const status = await findMutation(bench.target, table.target.database, table.target.name, mutation.nonce);
    const partsLeft = status?.partsLeft.filter((part) => concerns(mutation.statement, part)).length ?? 0;
    // A plain MergeTree sends every mutation through every part, behind those of others, whatever its partition. (Of a
    // replicated one no parts may be left while an INSERT from before it is still on its way: there «done» is the word.)
    if (status?.done || (status && partsLeft === 0 && !/^(Replicated|Shared)/u.test(table.target.engine))) return;
    if (!status || status.killed) {
      missed += 1;
      if (missed >= VANISHED_LOOKS || status?.killed) {
        // The server forgets finished mutations after a hundred others: then nothing is left of what it should delete.
        if (!status && (await leftToDelete(bench, mutation, options.before)) === 0) return;
        throw new RefillError('MUTATION_VANISHED', `the delete on ${mutation.table} is not to be found any more`, {
          details: { nonce: mutation.nonce },
        });
      }
      await sleep(VANISHED_PAUSE_MS, undefined, { signal: options.signal });
      continue;
    }
    if (status.failReason !== '' && concerns(mutation.statement, status.failedPart)) {
      const reason = status.failReason.replace(/\(version.*$/su, '').slice(0, 300);
      failing += 1;
      if (failing >= FAILING_LOOKS) {
        // Left alone it would be tried for ever, and hold up every later mutation of the table, those of others too.
        await killMutation(bench.target, table.target.database, table.target.name, status.id).catch(() => undefined);
        throw new RefillError('MUTATION_FAILED', `the delete on ${mutation.table} fails: ${reason}`);
      }
      options.onWait(`the delete on ${mutation.table}, which fails: ${reason}`);
      await sleep(FAILING_PAUSE_MS, undefined, { signal: options.signal });
      continue;
    }
    failing = 0;
    if (partsLeft < last.partsLeft) last = { partsLeft, at: Date.now() };
    const stalled = Date.now() - last.at > options.limits.stalledMinutes * 60_000;
    options.onWait(
      `the delete on ${mutation.table}: ${partsLeft} parts left${stalled ? `, none done in ${options.limits.stalledMinutes} min` : ''}`,
    );
    await sleep(pause, undefined, { signal: options.signal });
    pause = Math.min(pause * 1.5, options.limits.mutationPollSeconds * 1000);
  }
}

/**
 * Removes what an earlier attempt of a window may have left, before it is written again by a purge: the rows of that
 * attempt's versions, or the whole window where a table has no version column. (A `replace` leaves it to its delete.)
 */
export async function clearWindow(
  bench: Workbench,
  run: string,
  window: { readonly id: number } & Range,
  superseded: readonly string[],
  options: AwaitOptions,
): Promise<void> {
  for (const table of bench.tables) {
    const { definition, target } = table;
    const whole = inRange(definition, bench.tenant, window);
    const condition = table.versionPrecision === null ? whole : `${whole} AND ${versionIn(table, superseded)}`;
    if ((await countMatching(bench, table, condition)) === 0) continue;
    const nonce = `refill ${run} window ${window.id} ${definition.name} ${newId('v')}`;
    const statement = deleteStatement(target, condition, nonce, partitionOf(target, definition.time, window));
    await sendMutation(bench.target, statement);
    const mutation: MutationRecord = {
      delete: 0,
      table: definition.name,
      nonce,
      statement,
      ids: [],
      rows: null,
      state: 'planned',
    };
    await waitVisible(bench, mutation, options.signal);
    await awaitMutation(bench, mutation, options);
  }
}
