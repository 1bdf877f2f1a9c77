import { describe, expect, test } from 'vitest';
import { attemptsAtOnce, expectOneAtATime } from '../support/attempts.ts';
import { ended, expectClean, fillCards, RANGE } from '../support/cards.ts';
import { noTemporal, temporalTenant } from './given.ts';

/** Every window takes so long that those of another worker would meet it. */
const SLOW = { REFILL_DEBUG_POINT: 'attempt-kept:sleep=1000@all' };

describe.skipIf(noTemporal())('slots of workers', () => {
  test.each(['serverWindows', 'clusterWindows', 'fleetWindows'] as const)(
    '%s counts over two workers: never two windows at once, and both have some',
    async (limit) => {
      const t = await temporalTenant({ limits: { windowRows: 60, windows: 4, [limit]: 1 } });
      await fillCards(t);
      const workers = [await t.worker(SLOW), await t.worker(SLOW)];
      const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
      const holders = new Set<number>();
      const sample = async () => {
        for (const { holder } of await t.refill.slots()) holders.add(holder.pid);
      };
      const sampling = setInterval(() => void sample(), 200);
      const { result } = await ended(t.refill.run(plan.id)).finally(() => clearInterval(sampling));
      expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
      await expectOneAtATime(t.config, { attempts: 8, runs: 1 });
      expect(holders).toEqual(new Set(workers.map(({ child }) => child.pid)));
      await expectClean(t, RANGE);
    },
  );

  test('kill -9 of the worker that has the slot: the other one goes on with its window and its slot', async () => {
    const t = await temporalTenant({ limits: { windowRows: 60, windows: 1, serverWindows: 1 } });
    await fillCards(t);
    const first = await t.worker({ REFILL_DEBUG_POINT: 'attempt-kept:sleep=120000' });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const running = ended(t.refill.run(plan.id));
    await expect.poll(async () => (await t.refill.slots()).length, { timeout: 60_000 }).toBe(1);
    await t.worker();
    first.child.kill('SIGKILL');
    expect((await running).result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect(await t.refill.slots()).toEqual([]);
    expect((await attemptsAtOnce(t.config)).attempts).toBeGreaterThan(plan.windows.length);
  });
});
