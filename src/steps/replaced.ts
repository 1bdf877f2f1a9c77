import { Tallies } from '../domain/balance.ts';
import { RefillError } from '../domain/errors.ts';
import type { Plan } from '../domain/plan.ts';
import type { Range } from '../domain/words.ts';
import { targetSums } from '../target/count.ts';
import { hidesOtherTimes, partitionAt } from '../target/tables.ts';
import type { ProofWindow } from './accounts.ts';
import { compareKeys } from './compare-keys.ts';
import { type Candidates, settle, type SettleOptions, shown } from './settle.ts';
import { refuseRepeatedKeys } from './unique-keys.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** Keys named in an error. */
const NAMED = 5;

/** Windows whose sums are held at once. */
const WINDOWS_A_PASS = 64;

/**
 * Refuses keys of which the source has rows in different deletes of a run. Each delete was proven before the next one was written,
 * and a row of the next one takes the place of its row where merges put both together. Asks for the keys only where the
 * target has fewer rows by now than were written.
 *
 * @param sumsOf Finds the source's sums of some windows, as they were written.
 * @throws RefillError `KEY_NOT_UNIQUE`, and `PROOF_FAILED` where the source has no other row of such a key by now.
 */
export async function refuseReplacedRows<W extends Range>(
  bench: Workbench,
  { range, deletes, limits }: Pick<Plan, 'range' | 'deletes' | 'limits'>,
  windows: readonly W[],
  sumsOf: (some: readonly W[]) => Promise<readonly ProofWindow[]>,
  options: { readonly signal: AbortSignal; readonly onWait: (reason: string) => void },
): Promise<void> {
  for (const table of bench.tables) {
    const { target, definition } = table;
    const partitions = new Set(deletes.map(({ from }) => partitionAt(target, definition.time, from)));
    if (!hidesOtherTimes(target, definition.time) || partitions.size === deletes.length) continue;
    for (let at = 0; at < windows.length; at += WINDOWS_A_PASS) {
      options.signal.throwIfAborted();
      const some = await sumsOf(windows.slice(at, at + WINDOWS_A_PASS));
      const sums = await targetSums(bench.target, table, bench.tenant, some);
      for (const [index, window] of some.entries()) {
        const written = Tallies.of(window.sums.find((one) => one.table === definition.name)?.buckets ?? {});
        const found = Tallies.of(sums[index] ?? {});
        const buckets = written.buckets().filter((bucket) => found.get(bucket).rows < written.get(bucket).rows);
        if (buckets.length === 0) continue;
        const gone: Candidates = new Map();
        await compareKeys(bench, table, { range: window, buckets }, ({ key, source: now, target: left }) => {
          if (now.length > left.length)
            gone.set(key, { state: [...now].sort().join(), source: now.length, target: left.length });
        });
        await refuseRepeatedKeys(bench, table, range, [...gone.keys()]);
        await refuseMissing(bench, table, gone, { ...options, range, limits });
      }
    }
  }
}

async function refuseMissing(
  bench: Workbench,
  table: BenchTable,
  gone: Candidates,
  options: Omit<SettleOptions, 'onFate'>,
): Promise<void> {
  const keys: string[] = [];
  await settle(bench, table, gone, {
    ...options,
    onFate: (key, fate) => {
      if (fate === 'drift') keys.push(shown(table, key));
    },
  });
  if (keys.length === 0) return;
  throw new RefillError(
    'PROOF_FAILED',
    `${keys.length} rows of ${table.definition.name} were proven and are not in the target as they were, of key ${keys.slice(0, NAMED).join(', ')}`,
    {
      hint: 'Plan the range again: its proofs are no longer true.',
      details: { table: table.definition.name, keys: keys.slice(0, 100) },
    },
  );
}
