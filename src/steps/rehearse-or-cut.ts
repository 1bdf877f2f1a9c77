import type { ErrorCode } from '../domain/catalogue.ts';
import { asRefillError, RefillError } from '../domain/errors.ts';
import type { Ledger, WindowRecord } from '../ledger/ledger.ts';
import { type Cut, cutOfFailures } from './cut-window.ts';
import { debugPoint } from './debug-points.ts';
import { rehearseWindow } from './rehearse.ts';
import type { Workbench } from './workbench.ts';

export interface WindowRehearsal {
  readonly bench: Workbench;
  readonly ledger: Ledger;
  readonly run: string;
  readonly window: WindowRecord;
  readonly signal: AbortSignal;
  /** Called with the rows of a table that were read so far. */
  readonly onRows: (table: string, rows: number) => void;
}

/**
 * Rehearses a window of a run and keeps that in the ledger, so that a resumed run does not repeat it.
 *
 * @returns Where the window is to be cut, if it failed too often of too much work at once.
 */
export async function rehearseOrCut({
  bench,
  ledger,
  run,
  window,
  signal,
  onRows,
}: WindowRehearsal): Promise<Cut | null> {
  const cut = cutOfFailures(window, window.rehearsalFailures);
  if (cut) return cut;
  try {
    await rehearseWindow(bench, window, { signal, queries: `refill-${run}-w${window.id}-rehearsal`, onRows });
  } catch (thrown) {
    if (signal.aborted) throw thrown;
    const error = asRefillError(thrown);
    return (await cutAfter(ledger, run, window, error.code)) ?? refuse(window, error);
  }
  await ledger.keepRehearsal(run, window.id, null);
  await debugPoint('window-rehearsed');
  return null;
}

async function cutAfter(ledger: Ledger, run: string, window: WindowRecord, code: ErrorCode): Promise<Cut | null> {
  // The rehearsal's own failure counts more than that it could not be kept.
  await ledger.keepRehearsal(run, window.id, code).catch(() => undefined);
  return cutOfFailures(window, [...window.rehearsalFailures, code]);
}

function refuse(window: WindowRecord, error: RefillError): never {
  throw new RefillError(
    error.code,
    `window ${window.id} cannot be written, so nothing of delete ${window.delete} was deleted: ${error.message}`,
    { cause: error, hint: error.hint, details: error.details },
  );
}
