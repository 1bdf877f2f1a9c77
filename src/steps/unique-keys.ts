import { type Key, keyFrom, showKey } from '../dataset/key.ts';
import { belongs } from '../domain/classify.ts';
import { RefillError } from '../domain/errors.ts';
import { HOUR_MS, instant } from '../domain/windows.ts';
import type { Range } from '../domain/words.ts';
import { repeatedKeysStatement } from '../dataset/compile.ts';
import { type Source, withSource } from '../source/postgres.ts';
import { someKeys } from '../target/count.ts';
import { ever, keyBatches, lookupSource } from './lookup.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** Keys named in an error. */
const NAMED = 5;

/** The refusal of a key that does not identify a row: the target would keep one row of each, and lose the others. */
function notUnique(table: BenchTable, shown: readonly string[]): RefillError {
  const key = table.key.map(({ name }) => name).join(', ');
  return new RefillError(
    'KEY_NOT_UNIQUE',
    `the source yields several rows of ${table.definition.name} with one key (${key}): ${shown.slice(0, NAMED).join(', ')}`,
    { details: { table: table.definition.name, keys: shown, reason: 'several_in_source' } },
  );
}

/**
 * Refuses a table of which the source has several rows for one of some keys.
 *
 * @throws RefillError `KEY_NOT_UNIQUE`
 */
export async function refuseRepeatedKeys(
  bench: Workbench,
  table: BenchTable,
  range: Range,
  keys: readonly Key[],
): Promise<void> {
  for (const some of keyBatches(keys)) {
    const rows = await lookupSource(bench, table, some);
    const repeated = [...rows].filter(([, found]) => found.filter((row) => belongs(row, range)).length > 1);
    if (repeated.length > 0)
      throw notUnique(
        table,
        repeated.slice(0, 100).map(([key]) => showKey(table.key, key)),
      );
  }
}

/** Keys of a table that `doctor` asks about. */
const SOME = 500;

/** The same for some rows of the target, whatever their time: `doctor` has no range. */
export async function refuseRepeatedSample(bench: Workbench): Promise<void> {
  for (const table of bench.tables)
    await refuseRepeatedKeys(bench, table, ever(table), await someKeys(bench.target, table, bench.tenant, SOME));
}

/** Rows of the hour that a plan asks about at most: some seconds of one connection. */
const MOST_ROWS = 100_000;

/**
 * The same for the hour that has most rows, of those that are cheap to read: a join that repeats rows is seen in any of them.
 *
 * @param hours Source rows of all tables together by start of the hour in ms.
 */
export async function refuseRepeatedInHour(bench: Workbench, hours: ReadonlyMap<number, number>): Promise<void> {
  const bearable = [...hours].filter(([, rows]) => rows <= MOST_ROWS);
  const [hour] = bearable.reduce((most, one) => (one[1] > most[1] ? one : most), bearable[0] ?? [null, 0]);
  if (hour === null) return;
  const range = { from: instant(hour), to: instant(hour + HOUR_MS) };
  for (const table of bench.tables) await refuseRepeatedInRange(bench, table, range);
}

/**
 * Refuses a table of which the source yields a key twice in a range. It reads all rows of the range: an hour for a plan, a
 * window where something is wrong already.
 *
 * @throws RefillError `KEY_NOT_UNIQUE`
 */
export async function refuseRepeatedInRange(
  bench: Workbench,
  table: BenchTable,
  range: Range,
  within?: Source,
): Promise<void> {
  const ask = (source: Source) =>
    source.query<Record<string, string | null>>(repeatedKeysStatement(table, { tenant: bench.tenant, range }, NAMED));
  const rows = within ? await ask(within) : await withSource(bench.source, ask);
  if (rows.length > 0)
    throw notUnique(
      table,
      rows.map((row) => showKey(table.key, keyFrom(table.key.map((_, index) => row[`k${index}`] ?? null)))),
    );
}
