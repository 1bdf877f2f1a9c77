import { setTimeout as sleep } from 'node:timers/promises';
import { asRefillError, type RefillError } from '../domain/errors.ts';
import type { Limits } from '../domain/limits.ts';

export interface RetryOptions {
  readonly limits: Pick<Limits, 'attempts' | 'outageMinutes'>;
  readonly signal: AbortSignal;
  /** Called before each pause. */
  readonly onRetry: (error: RefillError, seconds: number) => void;
}

/** Pauses between tries: quick at first, as a failed-over server is back in seconds. */
const FIRST_PAUSE_SECONDS = 1;
const LARGEST_PAUSE_SECONDS = 15;
/** A delete is waited for in one try of hours, in which servers may come and go. */
const LASTED_MS = 60_000;

/** Whether a server does not answer: that is waited for, and no sign of too much work. */
export function isOutage(error: RefillError): boolean {
  return error.code.endsWith('_UNREACHABLE');
}

/**
 * Tries something again where the catalogue says that it helps. A server that does not answer is waited for; only other
 * failures count as tries.
 */
export async function withRetries<T>(options: RetryOptions, task: () => Promise<T>): Promise<T> {
  let tries = 0;
  let outageSince: number | undefined;
  let pause = FIRST_PAUSE_SECONDS;
  for (;;) {
    const began = Date.now();
    try {
      return await task();
    } catch (thrown) {
      const error = asRefillError(thrown);
      if (options.signal.aborted || error.action !== 'retry' || error.code.startsWith('LEDGER')) throw error;
      // A try that lasted had a server that answered: this outage is a new one.
      if (Date.now() - began > LASTED_MS) {
        outageSince = undefined;
        pause = FIRST_PAUSE_SECONDS;
      }
      if (isOutage(error)) {
        outageSince ??= Date.now();
        if (Date.now() - outageSince > options.limits.outageMinutes * 60_000) throw error;
      } else {
        outageSince = undefined;
        tries += 1;
        if (tries >= options.limits.attempts) throw error;
      }
      options.onRetry(error, pause);
      await sleep(pause * 1000, undefined, { signal: options.signal });
      pause = Math.min(pause * 2, LARGEST_PAUSE_SECONDS);
    }
  }
}
