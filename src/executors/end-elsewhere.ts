import { asRefillError, type RefillError } from '../domain/errors.ts';
import type { RunEvent } from '../domain/events.ts';
import type { Plan } from '../domain/plan.ts';
import type { Ledger, RunRecord } from '../ledger/ledger.ts';
import { endDelegated } from '../steps/end-delegated.ts';
import type { Workbench } from '../steps/workbench.ts';
import type { EventQueue } from './events.ts';
import type { ProgressTracker } from './progress.ts';
import { withRetries } from './retry.ts';

/** A run whose flow has ended, as it was cancelled. */
interface CancelledRun {
  readonly bench: Workbench;
  readonly ledger: Ledger;
  readonly run: RunRecord;
  readonly plan: Plan;
  /** Aborting waits no longer. */
  readonly force?: AbortSignal;
}

/**
 * Ends what a cancelled run has left at work in the users' workflows. False where that could not be done: then the run is
 * paused, as it is not over, and can be cancelled again.
 */
export async function endElsewhere(
  { bench, ledger, run, plan, force }: CancelledRun,
  events: EventQueue<RunEvent>,
  tracker: ProgressTracker,
): Promise<boolean> {
  const signal = force ?? new AbortController().signal;
  const onWait = (reason: string) => {
    tracker.wait('cancel', reason);
    events.push(tracker.snapshot());
  };
  const onRetry = (error: RefillError) => onWait(`${error.source} (${error.code})`);
  try {
    await withRetries({ limits: plan.limits, signal, onRetry }, () =>
      endDelegated(bench, ledger, run.id, { signal, onWait }),
    );
    return true;
  } catch (error) {
    const message = `what was started elsewhere may be at work yet: ${asRefillError(error).message}`;
    events.push({ type: 'notice', run: run.id, message });
    return false;
  }
}
