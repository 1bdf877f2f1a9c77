import { setTimeout as sleep } from 'node:timers/promises';
import type { Wanted } from '../domain/states.ts';

/** How often the ledger is asked whether somebody wants what is at work to pause or end. */
const CONTROL_MS = 1000;

/** Asks until `signal` what somebody wants. A ledger that is away is noticed by the lock, not here. */
export async function watchWanted(
  ask: () => Promise<Wanted>,
  signal: AbortSignal,
  onWanted: (wanted: Wanted) => void,
): Promise<void> {
  while (!signal.aborted) {
    await ask().then(onWanted, () => undefined);
    await sleep(CONTROL_MS, undefined, { signal }).catch(() => undefined);
  }
}
