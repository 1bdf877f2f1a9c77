import { describe, expect, test } from 'vitest';
import { ended, expectClean, fillCards, RANGE } from '../support/cards.ts';
import { filled } from './as-local.ts';
import { eventsOf, noTemporal, ownTemporal, temporalTenant } from './given.ts';

/** In one partition, and so one delete. */
const JANUARY = { from: RANGE.from, to: '2026-02-01T00:00:00.000Z' };

describe.skipIf(noTemporal())('a purge over Temporal', () => {
  test('rehearses every window before its delete is sent', async () => {
    const t = await temporalTenant({ limits: { windowRows: 60 } });
    await fillCards(t);
    await t.worker();
    const plan = await t.refill.plan({ tenant: t.name, range: JANUARY, strategy: 'purge' });
    expect(plan.deletes).toHaveLength(1);
    const { result } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    const { run } = await t.refill.status();
    const scheduled = (await eventsOf(t, run.workflow ?? '')).flatMap((event) => {
      const [, name] = /"activityType":\{"name":"(\w+)"\}/u.exec(event) ?? [];
      return name === undefined ? [] : [name];
    });
    const before = scheduled.slice(0, scheduled.indexOf('refillSubmitDelete'));
    expect(before.filter((name) => name === 'refillRehearseWindow')).toHaveLength(plan.windows.length);
    expect(before).not.toContain('refillWriteWindow');
    await expectClean(t, JANUARY);
  });

  test('goes on with its rehearsals in another execution, and repeats none', async () => {
    const server = await ownTemporal({ 'limit.historyCount.suggestContinueAsNew': 40 });
    const t = await filled({ temporal: { address: server.address }, limits: { windowRows: 20 } });
    await t.worker();
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'purge' });
    expect(plan.windows.length).toBeGreaterThan(15);
    expect((await ended(t.refill.run(plan.id))).result).toMatchObject({ state: 'succeeded', differences: 0 });
    const { windows } = await t.refill.status();
    expect(windows.every(({ attempts, rehearsed }) => attempts === 1 && rehearsed)).toBe(true);
    await expectClean(t, RANGE);
  });
});
