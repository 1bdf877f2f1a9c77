import { setTimeout as sleep } from 'node:timers/promises';
import { RefillError } from '../domain/errors.ts';
import { behind, copyStates } from '../target/copies.ts';
import { isReplicated } from '../target/tables.ts';
import { isSpread } from '../target/topology.ts';
import type { Workbench } from './workbench.ts';

/** How long replicas may take to copy what was written; a fetch of a window's parts takes seconds. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 200;

/**
 * Waits until every replica that answers has copied what was written before: rows are read from any of them, and one that
 * is behind would show rows as missing, or deleted ones as there.
 *
 * @throws RefillError `CH_REPLICA_BEHIND`
 */
export async function awaitCopies(
  bench: Workbench,
  signal: AbortSignal,
  onWait?: (reason: string) => void,
): Promise<void> {
  const tables = bench.tables.map((t) => t.target).filter(isReplicated);
  if (tables.length === 0 || !isSpread(bench.topology)) return;
  const then = await copyStates(bench.target, bench.topology, tables);
  const began = Date.now();
  for (;;) {
    const [late] = behind(then, await copyStates(bench.target, bench.topology, tables));
    if (!late) return;
    const what = `${late.self} has not copied ${late.table} yet${late.readOnly ? ': it has lost its Keeper' : ''}`;
    if (Date.now() - began > PATIENCE_MS) throw new RefillError('CH_REPLICA_BEHIND', what);
    onWait?.(what);
    await sleep(PAUSE_MS, undefined, { signal });
  }
}
