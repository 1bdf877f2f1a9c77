import { RefillError } from '../domain/errors.ts';
import type { AttemptRecord, Ledger, WindowRecord } from '../ledger/ledger.ts';

/**
 * Makes a look at the ledger whether a window is as it was when it was read: nobody has begun it again, ended an attempt
 * well, or cut it since. Over Temporal no lock keeps a worker that hung from going on with what it had decided.
 *
 * @param seen The window's attempts, as they were read before anything was decided.
 * @returns Throws `RUN_STATE` where it is not.
 */
export function stillAsSeen(
  ledger: Pick<Ledger, 'windows' | 'attempts'>,
  run: string,
  window: Pick<WindowRecord, 'id' | 'to'>,
  seen: readonly AttemptRecord[],
): () => Promise<void> {
  return async () => {
    const [[now], attempts] = await Promise.all([
      ledger.windows(run, { window: window.id }),
      ledger.attempts(run, { window: window.id }),
    ]);
    const begun = attempts.some(({ attempt, state }) => {
      const before = seen.find((one) => one.attempt === attempt);
      return before === undefined || (state === 'done' && before.state !== 'done');
    });
    if (!begun && now?.to === window.to) return;
    throw new RefillError(
      'RUN_STATE',
      `window ${window.id} of run ${run} was begun or cut elsewhere meanwhile: what it holds now is not to be deleted`,
    );
  };
}
