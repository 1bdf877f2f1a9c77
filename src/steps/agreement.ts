import { readStatement } from '../dataset/compile.ts';
import { type Key, keyLists, showKey } from '../dataset/key.ts';
import { belongs, type SourceRow } from '../domain/classify.ts';
import { RefillError } from '../domain/errors.ts';
import type { Range } from '../domain/words.ts';
import { withSnapshot, withSource } from '../source/postgres.ts';
import { sampleKeys } from '../target/count.ts';
import { ever, keyBatches, possibleKeys, readRows } from './lookup.ts';
import { refuseRepeatedKeys } from './unique-keys.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** Keys named in an error. */
const NAMED = 5;

/** The hashes of a key's rows that should be in the target with a time in the range; null if there is none. */
export function stateIn(rows: readonly SourceRow[] | undefined, range: Range): string | null {
  return stateOf((rows ?? []).filter((row) => belongs(row, range)));
}

/** The same of rows whatever their time. */
function stateOf(rows: readonly SourceRow[] = []): string | null {
  const hashes = rows.filter((row) => row.excluded === null).map(({ hash }) => hash);
  return hashes.length === 0 ? null : hashes.sort().join();
}

/**
 * Asks in one snapshot whether a dataset's `rowsInRange` and `rowsByKey` say the same of some keys. What is written and
 * counted is found by range, what looks wrong is looked up by key: where the two disagree nothing is proven, and a row
 * that is right would be deleted without being written again.
 *
 * @param windows In time order, without gaps; each is asked by itself, as it was when it was read.
 * @throws RefillError `DATASET_DISAGREES`
 */
export async function refuseDisagreement(
  bench: Workbench,
  table: BenchTable,
  windows: readonly Range[],
  keys: readonly Key[],
): Promise<void> {
  const { tenant } = bench;
  for (const some of keyBatches(keys)) {
    const batch = await withSource(bench.source, (source) => possibleKeys(bench, table, source, some));
    if (batch.length === 0) continue;
    const wrong = await withSnapshot(bench.source, async (snapshot) => {
      const read = (range: Range | undefined, own: readonly Key[]) => {
        const lists = keyLists(table.key, own);
        const scope = { tenant, keys: lists, ...(range === undefined ? {} : { range }) };
        return readRows(table, snapshot.copy(readStatement(table, scope)), own);
      };
      const byKey = await read(undefined, batch);
      const found: Key[] = [];
      for (const { range, own } of byWindow(windows, batch, byKey)) {
        const byRange = await read(range, own);
        // What the range returns is written, whatever its time says.
        for (const key of own) if (stateIn(byKey.get(key), range) !== stateOf(byRange.get(key))) found.push(key);
      }
      return found;
    });
    if (wrong.length > 0) {
      const shown = wrong.slice(0, 100).map((key) => showKey(table.key, key));
      throw new RefillError(
        'DATASET_DISAGREES',
        `rowsInRange and rowsByKey of ${table.definition.name} do not say the same of ${wrong.length} rows, of key ${shown.slice(0, NAMED).join(', ')}`,
        { details: { table: table.definition.name, keys: shown } },
      );
    }
  }
}

/** Target rows of a window that a plan asks about: enough to meet what is wrong with a query, at the cost of a moment. */
const SAMPLE = 1000;

/**
 * The same for a sample of the target's rows in a window: those that a run would delete. Rows of a part are not asked
 * about: there a key without a row by range may be in another part, and `refuseMoved` looks at all of them.
 */
export async function refuseSampledDisagreement(bench: Workbench, window: Range): Promise<void> {
  for (const table of bench.tables.filter(({ definition }) => definition.only === undefined)) {
    const keys = await sampleKeys(bench.target, table, bench.tenant, window, SAMPLE);
    // A key identifies a row for ever: another row of it outside of the range would be lost as well.
    await refuseRepeatedKeys(bench, table, ever(table), keys);
    await refuseDisagreement(bench, table, [window], keys);
  }
}

/** Keys by the window in which their time lies; those of no window, which a window may yet return, for each of them. */
function byWindow(
  windows: readonly Range[],
  keys: readonly Key[],
  byKey: ReadonlyMap<Key, readonly SourceRow[]>,
): { readonly range: Range; readonly own: readonly Key[] }[] {
  const nowhere = keys.filter((key) => windows.every((range) => stateIn(byKey.get(key), range) === null));
  return windows.flatMap((range) => {
    const own = [...keys.filter((key) => stateIn(byKey.get(key), range) !== null), ...nowhere];
    return own.length > 0 ? [{ range, own }] : [];
  });
}
