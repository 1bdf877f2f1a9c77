import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { RefillError } from '../../src/domain/errors.ts';
import { withRetries } from '../../src/executors/retry.ts';

/** Tries that end as told, one after the other; the last one is all right. */
async function tried(minutes: number, ...tries: (() => Promise<void>)[]): Promise<number> {
  let begun = 0;
  await withRetries(
    { limits: { attempts: 3, outageMinutes: minutes }, signal: new AbortController().signal, onRetry: () => undefined },
    async () => {
      const own = tries[begun];
      begun += 1;
      await own?.();
    },
  );
  return begun;
}

const unreachable = (): Promise<void> => Promise.reject(new RefillError('CH_UNREACHABLE', 'a test says so'));

// A minute is what tells a try that lasted from others.
test('an outage after a try that lasted is a new one, and is waited for anew', { timeout: 180_000 }, async () => {
  const lasted = async () => {
    await sleep(61_000);
    await unreachable();
  };
  expect(await tried(0.5, unreachable, lasted, unreachable)).toBe(4);
});

test('an outage without one is given up when its time is over', async () => {
  await expect(tried(0.02, unreachable, unreachable, unreachable)).rejects.toMatchObject({ code: 'CH_UNREACHABLE' });
});
