import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../../src/domain/limits.ts';
import { verify } from '../../src/steps/verify.ts';
import { workbenchOf } from '../cluster/support.ts';
import { fillCards, RANGE } from '../support/cards.ts';
import { createTenant } from '../support/tenant.ts';

test('when a window of a verification fails no other is begun', async () => {
  const t = await createTenant();
  await fillCards(t);
  let read = 0;
  const verifying = verify(await workbenchOf(t), {
    range: RANGE,
    limits: { ...DEFAULT_LIMITS, windowRows: 20, windows: 2 },
    ledger: await t.refill.ledger(),
    actor: { user: 'test', host: 'test', pid: 1 },
    signal: new AbortController().signal,
    onProgress: (_, total) => {
      expect(total).toBeGreaterThan(5);
      read += 1;
      throw new Error('a test says so');
    },
  });
  await expect(verifying).rejects.toThrow('a test says so');
  // What goes on unseen would be seen now.
  await sleep(1000);
  // The one that failed, and one that was at work beside it.
  expect(read).toBeLessThanOrEqual(2);
});
