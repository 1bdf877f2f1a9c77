import { expect, test } from 'vitest';
import { ended, expectClean, fillCards, RANGE, thrown } from '../support/cards.ts';
import { createTenant } from '../support/tenant.ts';

test('an empty tenant is surveyed, run and verified', async () => {
  const t = await createTenant();
  const range = { from: '2026-01-01T00:00:00.000Z', to: '2026-01-03T00:00:00.000Z' };
  const plan = await t.refill.plan({ tenant: t.name, range });
  const events = [];
  for await (const event of t.refill.run(plan.id)) events.push(event);
  expect(events.at(-1)).toMatchObject({ type: 'result', state: 'succeeded', differences: 0 });
});

test('a plan whose run has succeeded is not executed a second time', async () => {
  const t = await createTenant();
  await fillCards(t);
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
  const { result } = await ended(t.refill.run(plan.id));
  expect(result.state).toBe('succeeded');
  expect(await thrown(() => ended(t.refill.run(plan.id)))).toMatchObject({
    code: 'PLAN_EXECUTED',
    exit: 3,
    hint: expect.stringContaining(`refill report ${result.run}`),
  });
  expect(await t.refill.runs()).toHaveLength(1);
  await expectClean(t);
});

test.each(['purge', 'replace'] as const)(
  '%s: what the old code wrote becomes what the source says',
  async (strategy) => {
    const t = await createTenant({ limits: { windowRows: 150 } });
    await fillCards(t, { denormalised: true });
    const before = await t.refill.verify({ tenant: t.name, range: RANGE });
    for (const table of before.tables) {
      // The fixture has every kind of wrong, so that a run has something to do.
      for (const kind of ['missing', 'extra', 'stale', 'duplicated'] as const) expect(table[kind]).toBeGreaterThan(0);
    }
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
    expect(plan.deletes).toHaveLength(2);
    expect(plan.windows.length).toBeGreaterThan(4);
    const { result } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t, RANGE, ['scorecard', 'score', 'scorecard_score']);
  },
);
