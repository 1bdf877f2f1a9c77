import { setMaxListeners } from 'node:events';
import { RefillError } from '../domain/errors.ts';
import type { RunLock } from '../ledger/ledger.ts';
import { createEventQueue, type EventQueue } from './events.ts';

/** Work that only one program may be at, and that tells what happens. */
export interface LockedWork<T> {
  /** What is locked, as errors call it. */
  readonly name: 'run' | 'fleet' | 'backfill';
  /** Aborting stops at once. */
  readonly force: AbortSignal | undefined;
  /** Does the work and says what happens. It ends soon after `stop` is aborted, for whatever reason. */
  readonly work: (events: EventQueue<T>, stop: AbortController) => Promise<void>;
}

/**
 * Does work under a lock and yields what it tells. Ends the work where the lock is lost (which is thrown as
 * `LEDGER_UNREACHABLE`), where it is forced to, and where nobody listens any more: it is not left to go on unseen.
 */
export async function* underLock<T>(lock: RunLock, { name, force, work }: LockedWork<T>): AsyncGenerator<T> {
  const stop = new AbortController();
  // Whatever is at work listens to it, and there is no telling how much that is.
  setMaxListeners(0, stop.signal);
  const events = createEventQueue<T>();
  void lock.lost.then((error) =>
    stop.abort(
      new RefillError('LEDGER_UNREACHABLE', `the ledger was lost, and with it the lock on the ${name}`, {
        cause: error,
      }),
    ),
  );
  const forced = () => stop.abort(new RefillError('INTERRUPTED', 'stopped at once'));
  if (force?.aborted === true) forced();
  force?.addEventListener('abort', forced, { once: true });
  const working = work(events, stop).then(
    () => events.end(),
    (error: unknown) => events.fail(ledgerLost(stop.signal) ?? error),
  );
  try {
    yield* events;
  } finally {
    stop.abort(new RefillError('INTERRUPTED', `nobody listens to the ${name} any more`));
    await working;
    force?.removeEventListener('abort', forced);
    await lock.release().catch(() => undefined);
  }
}

/** The loss of the ledger, where that is what stopped the work. */
export function ledgerLost({ reason }: AbortSignal): RefillError | undefined {
  return reason instanceof RefillError && reason.code === 'LEDGER_UNREACHABLE' ? reason : undefined;
}
