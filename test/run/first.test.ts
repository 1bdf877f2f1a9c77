import { expect, test } from 'vitest';
import { createTenant } from '../support/tenant.ts';

test('an empty tenant is surveyed, run and verified', async () => {
  const t = await createTenant();
  const range = { from: '2026-01-01T00:00:00.000Z', to: '2026-01-03T00:00:00.000Z' };
  const plan = await t.refill.plan({ tenant: t.name, range });
  const events = [];
  for await (const event of t.refill.run(plan.id)) events.push(event);
  expect(events.at(-1)).toMatchObject({ type: 'result', state: 'succeeded', differences: 0 });
});
