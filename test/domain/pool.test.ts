import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createPool, inBoth } from '../../src/domain/pool.ts';

test('who waits for a place is told, gives it up when its signal is aborted, and the next one gets it', async () => {
  const pool = createPool(1);
  let leave = (): void => undefined;
  const busy = pool.run(() => new Promise<void>((resolve) => (leave = resolve)), { onWait: () => told.push('busy') });
  const told: string[] = [];
  const gone = new AbortController();
  const waiting = (name: string, signal?: AbortSignal) =>
    pool.run(() => Promise.resolve(told.push(`${name} ran`)), {
      onWait: () => told.push(`${name} waits`),
      ...(signal ? { signal } : {}),
    });
  const second = waiting('second', gone.signal);
  const third = waiting('third');
  expect(told).toEqual(['second waits', 'third waits']);
  gone.abort(new Error('cancelled'));
  await expect(second).rejects.toThrow('cancelled');
  leave();
  await Promise.all([busy, third]);
  expect(told).toEqual(['second waits', 'third waits', 'third ran']);
  await expect(waiting('late', gone.signal)).rejects.toThrow('cancelled');
  expect(told).toHaveLength(3);
});

test('a place of both is given up in both', async () => {
  const [first, second] = [createPool(2), createPool(1)];
  let leave = (): void => undefined;
  const busy = second.run(() => new Promise<void>((resolve) => (leave = resolve)));
  const gone = new AbortController();
  const waits = inBoth(first, second).run(() => Promise.resolve(), { signal: gone.signal });
  await sleep(5);
  gone.abort(new Error('cancelled'));
  await expect(waits).rejects.toThrow('cancelled');
  leave();
  await busy;
  await inBoth(first, second).run(() => Promise.resolve());
});
