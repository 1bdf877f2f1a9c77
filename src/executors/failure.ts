import { RefillError, type ErrorRecord } from '../domain/errors.ts';
import type { RunEvent } from '../domain/events.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { debugPoint } from '../steps/debug-points.ts';

/** What failed for good. */
export type FailedUnit = { readonly window: number } | { readonly delete: number };

/** Keeps in the ledger why a unit failed. Returns the event that tells it; null where there is no such unit. */
export async function keepFailure(
  ledger: Ledger,
  run: string,
  unit: FailedUnit,
  error: ErrorRecord,
): Promise<RunEvent | null> {
  if ('window' in unit) {
    const [window] = await ledger.windows(run, unit);
    await unlessEnded(ledger.failWindow(run, unit.window, error));
    await debugPoint('failure-kept');
    if (!window) return null;
    const { id, from, to } = window;
    return { type: 'window', run, window: id, from, to, state: 'failed', rows: 0, seconds: 0, error };
  }
  const [del] = await ledger.deletes(run, unit.delete);
  // Nothing of a delete was sent when its proof failed before it: its windows say why, and `retry` writes them again.
  if (error.code !== 'PROOF_FAILED') await unlessEnded(ledger.failDelete(run, unit.delete, error));
  await debugPoint('failure-kept');
  if (!del) return null;
  return { type: 'delete', run, delete: del.id, from: del.from, to: del.to, state: 'failed', rows: 0, error };
}

/** What failed after its end stays what it is. */
async function unlessEnded(keep: Promise<void>): Promise<void> {
  await keep.catch((error: unknown) => {
    if (!(error instanceof RefillError && error.code === 'RUN_STATE')) throw error;
  });
}
