import { setTimeout as sleep } from 'node:timers/promises';
import { RefillError } from '../domain/errors.ts';
import { atWork } from '../target/mutations.ts';
import { killQueries } from '../target/reach.ts';
import type { Workbench } from './workbench.ts';

const PATIENCE_MS = 60_000;
const PAUSE_MS = 200;

/** Ends queries of ours by id, on every server that works on them, and waits until none is left. */
export async function endQueries(bench: Workbench, ids: readonly string[], signal: AbortSignal): Promise<void> {
  const began = Date.now();
  for (;;) {
    const left = await atWork(bench.target, bench.topology, ids);
    if (left.length === 0) return;
    if (Date.now() - began > PATIENCE_MS)
      throw new RefillError('CH_BUSY', `inserts of an earlier attempt do not end: ${left.join(', ')}`);
    await killQueries(bench.reach, bench.topology, left);
    await sleep(PAUSE_MS, undefined, { signal });
  }
}
