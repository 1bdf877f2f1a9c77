import { expect, test } from 'vitest';
import { RefillError } from '../../src/domain/errors.ts';
import { withRetries } from '../../src/executors/retry.ts';

interface Tried {
  readonly tries: number;
  readonly retried: readonly string[];
  /** The code that it failed with; undefined if it succeeded. */
  readonly failed: string | undefined;
}

/** Tries something that fails as told, time after time, and then succeeds. `stopAfter` stops the run at that try. */
async function tried(failures: readonly RefillError[], stopAfter = Number.POSITIVE_INFINITY): Promise<Tried> {
  const stop = new AbortController();
  const retried: string[] = [];
  let tries = 0;
  const failed = await withRetries(
    {
      limits: { attempts: 3, outageMinutes: 10 },
      signal: stop.signal,
      onRetry: ({ code }, seconds) => retried.push(`${code} after ${seconds} s`),
    },
    async () => {
      const failure = failures[tries];
      tries += 1;
      if (tries >= stopAfter) stop.abort();
      if (failure) throw failure;
    },
  ).then(
    () => undefined,
    (error: unknown) => (error instanceof RefillError ? error.code : String(error)),
  );
  return { tries, retried, failed };
}

// The pauses are real ones: tests with several of them run side by side.
const busy = new RefillError('CH_BUSY', 'a test says so');
const unreachable = new RefillError('PG_UNREACHABLE', 'a test says so');

test.concurrent('a unit is tried limits.attempts times, with longer and longer pauses, and then fails', async () => {
  expect(await tried([busy, busy, busy, busy])).toEqual({
    tries: 3,
    retried: ['CH_BUSY after 1 s', 'CH_BUSY after 2 s'],
    failed: 'CH_BUSY',
  });
});

test.concurrent('a unit that succeeds at its last try has not failed', async () => {
  expect(await tried([busy, busy])).toMatchObject({ tries: 3, failed: undefined });
});

test.concurrent('a server that does not answer is waited for: it does not count as a try', async () => {
  expect(await tried([busy, unreachable, busy])).toMatchObject({ tries: 4, failed: undefined });
});

test.each(['PROOF_FAILED', 'CH_VALUE', 'RUN_STATE', 'LEDGER_UNREACHABLE', 'BUG'] as const)(
  'what another try cannot help is not tried again: %s',
  async (code) => {
    expect(await tried([new RefillError(code, 'a test says so')])).toEqual({ tries: 1, retried: [], failed: code });
  },
);

test('a run that is stopped tries nothing again', async () => {
  expect(await tried([busy, busy], 1)).toEqual({ tries: 1, retried: [], failed: 'CH_BUSY' });
});
