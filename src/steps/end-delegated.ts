import { setTimeout as sleep } from 'node:timers/promises';
import { RefillError } from '../domain/errors.ts';
import type { Reindexer } from '../domain/reindexer.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { keptUnits } from './units.ts';
import type { Workbench } from './workbench.ts';

/** What waiting for somebody else's workflow needs. */
export interface Ending {
  /** Aborting ends the waiting. */
  readonly signal: AbortSignal;
  readonly onWait: (reason: string) => void;
}

/**
 * Ends what a run has left at work in the users' workflows, and waits until all of it has ended: a run that is cancelled
 * writes nothing more. The windows are pending then, and `retry` begins them anew.
 *
 * @throws RefillError `TEMPORAL_UNREACHABLE`, `TEMPORAL_FAILED`.
 */
export async function endDelegated(bench: Workbench, ledger: Ledger, run: string, ending: Ending): Promise<void> {
  const reindexer = bench.reindexer?.reindexer;
  if (!reindexer) return;
  const open = (await ledger.attempts(run)).filter(({ state }) => state === 'started');
  const workflows = open.flatMap(({ queries }) => keptUnits(queries).map(({ workflow }) => workflow));
  // All of them are asked before the first one is waited for.
  for (const workflow of workflows) await eachAtWork(reindexer, workflow, (one) => reindexer.cancel(one));
  for (const workflow of workflows) await endWorkflow(reindexer, workflow, ending);
  const cancelled = new RefillError('INTERRUPTED', 'the run was cancelled').toJSON();
  for (const { window, attempt } of open) await ledger.failAttempt(run, window, attempt, cancelled, false);
}

/** Cancels a unit's workflow, with those that its range was cut into, and waits for their end. */
export async function endWorkflow(reindexer: Reindexer, workflow: string, ending: Ending): Promise<void> {
  await eachAtWork(reindexer, workflow, async (one) => {
    await reindexer.cancel(one);
    while ((await reindexer.look(one)).state === 'running') {
      ending.onWait(`the end of workflow ${one}`);
      await sleep(reindexer.pollSeconds * 1000, undefined, { signal: ending.signal });
    }
  });
}

/** A unit is cut only after its workflow has failed, and the halves' ids follow from its own: no record has them. */
async function eachAtWork(
  reindexer: Reindexer,
  workflow: string,
  act: (workflow: string) => Promise<void>,
): Promise<void> {
  const { state } = await reindexer.look(workflow);
  if (state === 'running') await act(workflow);
  if (state === 'failed' || state === 'ended')
    for (const half of halvesOf(workflow)) await eachAtWork(reindexer, half, act);
}

/** Ids of the workflows of a unit's halves. */
export const halvesOf = (workflow: string): readonly [string, string] => [`${workflow}-1`, `${workflow}-2`];
