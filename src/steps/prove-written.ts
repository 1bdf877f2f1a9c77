import type { ProofWindow } from './accounts.ts';
import type { Key } from '../dataset/key.ts';
import { Tallies, unequalBuckets } from '../domain/balance.ts';
import type { Instant, Range } from '../domain/words.ts';
import { type RunVersions, targetSums } from '../target/count.ts';
import { awaitCopies } from './await-copies.ts';
import { compareKeys } from './compare-keys.ts';
import { keyBatches, lookup } from './lookup.ts';
import { type ProveOptions, wholeOf } from './prove.ts';
import { addCandidate, type Candidates, settle, shown } from './settle.ts';
import { refuseRepeatedInRange } from './unique-keys.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** A row that a delete would be the end of. */
export interface LostRow {
  readonly table: string;
  readonly key: string;
  readonly time: Instant | null;
}

/**
 * Shows, before a `replace` deletes old rows, that new ones are in their place. What was written is compared with what was
 * written: rows with the run's own versions against the sums of what Postgres sent. Only where these differ (a live writer
 * has written a row again since, or rows are gone) the keys decide: a row is lost if the source has it, the target has no
 * new row of it, and the delete would remove its old one. What a live writer adds meanwhile has no old row to lose.
 *
 * @throws RefillError `KEY_NOT_UNIQUE`
 */
export async function findLostRows(
  bench: Workbench,
  windows: readonly ProofWindow[],
  since: RunVersions,
  options: Omit<ProveOptions, 'known' | 'range'>,
): Promise<readonly LostRow[]> {
  const lost: LostRow[] = [];
  await awaitCopies(bench, options.signal, options.onWait);
  for (const table of bench.tables) {
    options.signal.throwIfAborted();
    const candidates = await candidatesOf(bench, table, windows, since);
    for (const row of await lostOf(bench, table, candidates, windows, since, options)) lost.push(row);
  }
  return lost;
}

/** Keys of windows whose rows are not just what was written. */
async function candidatesOf(
  bench: Workbench,
  table: BenchTable,
  windows: readonly ProofWindow[],
  since: RunVersions,
): Promise<Candidates> {
  const { name } = table.definition;
  const candidates: Candidates = new Map();
  const targets = await targetSums(bench.target, table, bench.tenant, windows, { written: since.current });
  for (const [index, window] of windows.entries()) {
    const source = Tallies.of(window.sums.find((sums) => sums.table === name)?.buckets ?? {});
    const buckets = unequalBuckets({ source, target: Tallies.of(targets[index] ?? {}) });
    if (buckets.length === 0) continue;
    await refuseRepeatedInRange(bench, table, window);
    await compareKeys(bench, table, { range: window, buckets, since }, (mismatch) =>
      addCandidate(candidates, mismatch),
    );
  }
  return candidates;
}

async function lostOf(
  bench: Workbench,
  table: BenchTable,
  candidates: Candidates,
  windows: readonly Range[],
  since: RunVersions,
  options: Omit<ProveOptions, 'known' | 'range'>,
): Promise<readonly LostRow[]> {
  const range = wholeOf(windows);
  const missing = new Map<Key, Instant | null>();
  const { vanished } = await settle(bench, table, candidates, {
    ...options,
    range,
    since,
    onFate: (key, fate, { source }, { verdict }) => {
      if (fate !== 'equal' && verdict === 'missing') missing.set(key, source[0]?.time ?? null);
    },
  });
  // What was read in order and cannot be looked up by its key (it holds NULL) is as good as missing.
  for (const key of vanished) if (candidates.get(key)?.target === 0) missing.set(key, null);
  const lost: LostRow[] = [];
  for (const keys of keyBatches(missing.keys()))
    for (const [key, { targets }] of await lookup(bench, table, keys, range))
      if (targets.length > 0)
        lost.push({ table: table.definition.name, key: shown(table, key), time: missing.get(key) ?? null });
  return lost;
}
