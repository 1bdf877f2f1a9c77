import { afterEach, expect, test } from 'vitest';
import { onDebugPoint } from '../../src/steps/debug-points.ts';
import { ended, fillCards, RANGE } from '../support/cards.ts';
import { createTenant } from '../support/tenant.ts';

afterEach(() => onDebugPoint(undefined));

// Over Temporal such a worker is mostly stopped by its heartbeat first: test/temporal/faults.test.ts.
test('a window that another program has begun again meanwhile is written no further', async () => {
  const t = await createTenant({ limits: { windows: 1 } });
  await fillCards(t);
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
  const ledger = await t.refill.ledger();
  const taken: string[] = [];
  onDebugPoint(async (point) => {
    if (point !== 'table-inserted' || taken.length > 0) return;
    const [run] = await t.refill.runs();
    const [attempt] = await ledger.attempts(run?.id ?? '');
    if (!run || !attempt) throw new Error('nothing is at work');
    taken.push(attempt.version);
    await ledger.startAttempt(run.id, attempt.window, '2026-06-01 00:00:00.000001', () => ({}));
  });
  const { result } = await ended(t.refill.run(plan.id));
  expect(result).toMatchObject({ state: 'failed', error: { code: 'RUN_STATE' } });
  const rows = async (table: string) =>
    (await t.select(`SELECT 1 FROM ${table} WHERE toString(update_time) = '${taken[0]}'`)).length;
  expect(await rows('scorecard')).toBeGreaterThan(0);
  expect(await rows('score')).toBe(0);
});
