import { setTimeout as sleep } from 'node:timers/promises';
import { readStatement } from '../dataset/compile.ts';
import { type Key, keyLists, showKey } from '../dataset/key.ts';
import { RefillError } from '../domain/errors.ts';
import type { Limits } from '../domain/limits.ts';
import type { Range } from '../domain/words.ts';
import { withSource } from '../source/postgres.ts';
import { stateIn } from './agreement.ts';
import { findExtra, refuseTooMany } from './compare-keys.ts';
import { keyBatches, lookup, LOOKUP_BATCH, lookupSource, readRows } from './lookup.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** Keys named in an error. */
const NAMED = 5;

export interface MovedOptions {
  /** The plan's: a row that is in the part anywhere in it is written again. */
  readonly range: Range;
  readonly limits: Pick<Limits, 'graceSeconds'>;
  readonly signal?: AbortSignal;
  readonly onWait?: (reason: string) => void;
}

/**
 * Looks at all rows that a plan for a part of a dataset would delete in some windows, by their keys on both sides. The
 * target's own columns say which rows these are, the source's which ones are written: a row that has changed its part
 * since it was written would be deleted under the old one and not written under the new one. It may go where it has no
 * row in the source, is left out, or stands in the target a second time, as the source has it. What the plan does not
 * confine to a part is not looked at, and costs nothing.
 *
 * @param windows Of the range, in which the rows are read: memory holds what differs in one of them.
 * @throws RefillError `ROWS_CHANGED_PART`
 */
export async function refuseMoved(bench: Workbench, windows: readonly Range[], options: MovedOptions): Promise<void> {
  for (const table of bench.tables) {
    if (table.definition.only === undefined) continue;
    const { name } = table.definition;
    options.onWait?.(`rows of ${name} are looked at, whether they have changed their part`);
    const candidates = await livingExtra(bench, table, windows, options);
    if (candidates.length === 0) continue;
    // Who has moved them may be about to write them.
    await sleep(options.limits.graceSeconds * 1000, undefined, { signal: options.signal });
    const moved: Key[] = [];
    for (const keys of keyBatches(candidates))
      for (const key of await lostWithout(bench, table, keys, options.range)) moved.push(key);
    if (moved.length === 0) continue;
    const shown = moved.slice(0, 100).map((key) => showKey(table.key, key));
    throw new RefillError(
      'ROWS_CHANGED_PART',
      `${moved.length} rows of ${name} are in this part by the target, and not by the source: they would be deleted and not written again, of key ${shown.slice(0, NAMED).join(', ')}${moved.length > NAMED ? ', …' : ''}`,
      { details: { table: name, keys: shown } },
    );
  }
}

/** Keys that the target has in the part and the source has not, of rows that the source has somewhere in the range. */
async function livingExtra(
  bench: Workbench,
  table: BenchTable,
  windows: readonly Range[],
  { range, signal }: MovedOptions,
): Promise<readonly Key[]> {
  const living: Key[] = [];
  let batch: Key[] = [];
  const look = async () => {
    const rows = await lookupSource(bench, table, batch);
    for (const key of batch) if (stateIn(rows.get(key), range) !== null) living.push(key);
    refuseTooMany(living.length);
    batch = [];
  };
  for (const window of windows) {
    signal?.throwIfAborted();
    await findExtra(bench, table, window, (key) => {
      batch.push(key);
      return batch.length < LOOKUP_BATCH ? undefined : look();
    });
  }
  if (batch.length > 0) await look();
  return living;
}

/** Those of some keys whose rows of the part are all that the target has of them, and which the run would not write. */
async function lostWithout(
  bench: Workbench,
  table: BenchTable,
  keys: readonly Key[],
  range: Range,
): Promise<readonly Key[]> {
  const lost = [...(await lookup(bench, table, keys, range))].flatMap(([key, { source, targets }]) => {
    const state = stateIn(source, range);
    const stays = targets.some(({ inPart, hash }) => !inPart && hash === state);
    return state !== null && !stays && targets.some(({ inPart }) => inPart) ? [key] : [];
  });
  if (lost.length === 0) return [];
  // One whose time has changed inside of the range is in another window of the part.
  const written = await withSource(bench.source, (source) =>
    readRows(
      table,
      source.copy(readStatement(table, { tenant: bench.tenant, range, keys: keyLists(table.key, lost) })),
      lost,
    ),
  );
  return lost.filter((key) => stateIn(written.get(key), range) === null);
}
