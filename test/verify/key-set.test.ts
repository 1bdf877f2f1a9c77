import { expect, test } from 'vitest';
import { KeySet } from '../../src/steps/key-set.ts';

/** Two hashes of a number, both of which are 0 for some. */
const hashes = (n: number) => [Math.imul(n, 0x9e3779b1) >>> 0, Math.imul(n % 1000, 0x85ebca6b) >>> 0] as const;

test('a key that comes twice is met, however many came before, and none that comes once', () => {
  const keys = new KeySet();
  for (let n = 0; n < 100_000; n += 1) keys.add(...hashes(n));
  expect(keys.repeated).toBe(false);
  keys.add(...hashes(77_777));
  expect(keys.repeated).toBe(true);
});

test('keys whose hashes share a half are two keys', () => {
  const keys = new KeySet();
  keys.add(0, 0);
  keys.add(1024, 0);
  keys.add(0, 7);
  keys.add(7, 0);
  expect(keys.repeated).toBe(false);
  keys.add(0, 0);
  expect(keys.repeated).toBe(true);
});
