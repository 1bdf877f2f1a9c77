import type { DeleteRecord, WindowRecord } from '../../ledger/ledger.ts';
import type { Strategy } from '../../domain/words.ts';
import type { FlowOutcome } from '../../flow/run.ts';

/**
 * How a run stands by its ledger, whichever executions of its workflow did what.
 *
 * @param swept Whether the last look over the range was come to, of which the ledger does not know.
 */
export function outcomeInLedger(
  strategy: Strategy,
  windows: readonly WindowRecord[],
  deletes: readonly DeleteRecord[],
  swept: boolean,
): FlowOutcome {
  const failedWindows = new Set(windows.filter((w) => w.state === 'failed').map((w) => w.delete));
  // A purge writes nothing before each window of the delete was rehearsed: what is rehearsed waits for the one that failed.
  const waiting = new Set(strategy === 'purge' ? deletes.filter((d) => d.state === 'pending').map((d) => d.id) : []);
  const open = new Set(
    windows
      .filter((w) => (w.state === 'pending' || w.state === 'writing') && !(waiting.has(w.delete) && w.rehearsed))
      .map((w) => w.delete),
  );
  const outcome = { proven: 0, failed: 0, left: 0 };
  for (const { id, state } of deletes) {
    if (state === 'proven') outcome.proven += 1;
    // One with windows that failed gets no further when the others are written.
    else if (state === 'failed' || (failedWindows.has(id) && !open.has(id))) outcome.failed += 1;
    else outcome.left += 1;
  }
  if (!swept && outcome.failed === 0 && outcome.left === 0) outcome.left = 1;
  return outcome;
}
