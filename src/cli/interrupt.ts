import { EXIT } from '../domain/exit.ts';

/** How long statements may take to be cancelled by the second Ctrl-C before the process ends anyway. */
const FORCE_PATIENCE_MS = 5000;
/** SIGHUP: the terminal was closed. What is at work should end as tidily as by Ctrl-C. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export interface Interrupts {
  /** Aborted by the first signal: no new work is taken. */
  readonly drain: AbortSignal;
  /** Aborted by the second: what is at work is cancelled. */
  readonly force: AbortSignal;
  /** Does what the first signal does. */
  stop(why: string): void;
  /** Gives the signals back. */
  end(): void;
}

/**
 * The first Ctrl-C drains and says what it waits for, the second forces, a third ends the process at once, which the
 * ledger bears as it bears `kill -9`.
 */
export function onInterrupt(options: {
  readonly say: (message: string) => void;
  readonly waitsFor: () => string;
  /** Whether what is followed goes on without this program: then a signal ends nothing but the following. */
  readonly goesOn?: () => boolean;
}): Interrupts {
  const drain = new AbortController();
  const force = new AbortController();
  let patience: NodeJS.Timeout | undefined;
  const goesOn = () => options.goesOn?.() ?? false;
  const first = (why: string) => {
    const stops = () => `no new window is taken. It waits for: ${options.waitsFor()}. Ctrl-C again stops at once.`;
    options.say(`${why}: ${goesOn() ? 'it is not followed any more, and goes on.' : stops()}`);
    drain.abort();
  };
  const handle = (signal: NodeJS.Signals) => {
    if (!drain.signal.aborted) {
      first(signal === 'SIGINT' ? 'Stopping' : `Stopping (${signal})`);
      return;
    }
    if (force.signal.aborted) process.exit(EXIT.interrupted);
    if (!goesOn()) options.say('Stopping at once: what is half written will be written again by `refill resume`.');
    force.abort();
    patience = setTimeout(() => process.exit(EXIT.interrupted), FORCE_PATIENCE_MS);
    patience.unref();
  };
  for (const signal of SIGNALS) process.on(signal, handle);
  return {
    drain: drain.signal,
    force: force.signal,
    stop: (why) => {
      if (!drain.signal.aborted) first(why);
    },
    end: () => {
      clearTimeout(patience);
      for (const signal of SIGNALS) process.off(signal, handle);
    },
  };
}
