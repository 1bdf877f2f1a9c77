import { afterEach, describe, expect, test, vi } from 'vitest';
import { RefillError } from '../../src/domain/errors.ts';
import type { RunEvent } from '../../src/domain/events.ts';
import type { Range, Strategy } from '../../src/domain/words.ts';
import { onDebugPoint } from '../../src/steps/debug-points.ts';
import { ended, expectClean, fillCards, RANGE, sourceRows } from '../support/cards.ts';
import { slowSource } from '../support/slow-source.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';

// Three tries with pauses between them, for each cut.
vi.setConfig({ testTimeout: 120_000 });
afterEach(() => onDebugPoint(undefined));

const STRATEGIES = ['purge', 'replace'] as const satisfies readonly Strategy[];

async function filled(limits: NonNullable<Parameters<typeof createTenant>[0]>['limits'], cards = 240) {
  const t = await createTenant({ limits: { windows: 1, ...limits } });
  await fillCards(t, { cards });
  return t;
}

const notices = (events: readonly { readonly type: string }[]) =>
  events.flatMap((e) => ('message' in e && typeof e.message === 'string' ? [e.message] : []));

/** What was shown last counts the windows that there are, all of them done. */
function expectCounted(events: readonly RunEvent[], windows: number): void {
  const last = events.findLast((event) => event.type === 'progress');
  expect(last?.windows).toMatchObject({ total: windows, done: windows, active: 0 });
}

/** Windows of the run, in time order without gaps over its range; more of them than the plan has. */
async function expectCut(t: TestTenant, run: string, range: Range = RANGE): Promise<void> {
  const { plan, windows } = await t.refill.status(run);
  expect(windows.length).toBeGreaterThan(plan.windows.length);
  expect(windows.map((w) => w.to).slice(0, -1)).toEqual(windows.map((w) => w.from).slice(1));
  expect([windows[0]?.from, windows.at(-1)?.to]).toEqual([range.from, range.to]);
  expect(new Set(windows.map((w) => w.state))).toEqual(new Set(['done']));
  expect(windows.reduce((n, w) => n + w.sourceRows, 0)).toBe(plan.windows.reduce((n, w) => n + w.sourceRows, 0));
  // The plan is what was approved, and stays so.
  expect(await (await t.refill.ledger()).plan(plan.id)).toEqual(plan);
}

describe('a window that fails three times of too much work', () => {
  test.each(STRATEGIES)('%s: timeouts of Postgres halve it until it is done in time', async (strategy) => {
    const t = await filled({ windowRows: 10_000 });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
    // A delete has about 90 cards in three days: too many to be read in time, and half of them are not.
    const restore = await slowSource(t, 10, 600);
    const { events, result } = await ended(t.refill.run(plan.id, { recount: false }));
    await restore();
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect(notices(events)).toContainEqual(
      expect.stringMatching(/^the window .* is cut at 2026-\d\d-\d\dT\d\d:00:00.000Z: it failed 3 times \(PG_BUSY\)$/u),
    );
    expectCounted(events, (await t.refill.status(result.run)).windows.length);
    await expectCut(t, result.run);
    await expectClean(t);
  });

  test.each(STRATEGIES)('%s: what its attempts left in either half is gone', async (strategy) => {
    const january = { ...RANGE, to: '2026-02-01T00:00:00.000Z' };
    const t = await filled({ windowRows: 10_000 });
    const plan = await t.refill.plan({ tenant: t.name, range: january, strategy });
    // Of the second half of the only window, and not in the source any more when that is written.
    const [last] = await sourceRows(t, 'scorecard', {
      from: '2026-01-31T00:00:00.000Z',
      to: '2026-02-01T00:00:00.000Z',
    });
    let failed = 0;
    onDebugPoint(async (point) => {
      // The first table is written by then, and the second one is not.
      if (point !== 'table-inserted' || failed === 3) return;
      failed += 1;
      if (failed === 3)
        await t.pg.query('DELETE FROM director.scorecards WHERE resource_id = $1', [last?.['scorecard_id']]);
      throw new RefillError('CH_BUSY', 'a test says so');
    });
    const { result } = await ended(t.refill.run(plan.id));
    expect(failed).toBe(3);
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectCut(t, result.run, january);
    await expectClean(t, january);
  });

  test.each(STRATEGIES)('%s: a cut whose answer was lost is told when it is asked once more', async (strategy) => {
    const t = await filled({ windowRows: 10_000 });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
    let failed = 0;
    let lost = 0;
    onDebugPoint((point) => {
      if (point === 'table-inserted' && failed < 3) {
        failed += 1;
        throw new RefillError('CH_BUSY', 'a test says so');
      }
      if (point !== 'window-cut' || lost > 0) return;
      lost += 1;
      throw new RefillError('CH_UNREACHABLE', 'a test says so');
    });
    const { result } = await ended(t.refill.run(plan.id));
    expect([failed, lost]).toEqual([3, 1]);
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectCut(t, result.run);
    await expectClean(t);
  });

  test('is not cut where less work does not help, nor for less than three', async () => {
    const t = await filled({ windowRows: 10_000 });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    let failed = 0;
    onDebugPoint((point) => {
      if (point !== 'table-inserted' || failed === 3) return;
      failed += 1;
      throw new RefillError(failed === 1 ? 'CH_TOO_MANY_PARTS' : 'CH_BUSY', 'a test says so');
    });
    const { result } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({ state: 'failed', error: { code: 'CH_BUSY' } });
    expect((await t.refill.status(result.run)).windows).toHaveLength(plan.windows.length);
    // Failures from before a retry do not count.
    const again = await ended(t.refill.retry(result.run));
    expect(again.result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect((await t.refill.status(result.run)).windows).toHaveLength(plan.windows.length);
  });
});

test('windows that would take more than twice their aim are cut, when three have told how long they take', async () => {
  const t = await filled({ windowRows: 2050, windowSeconds: 0.1 }, 5600);
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
  expect(plan.windows.length).toBeGreaterThan(3);
  const restore = await slowSource(t, 0.1);
  const { events, result } = await ended(t.refill.run(plan.id, { recount: false }));
  await restore();
  expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  const cut = notices(events).filter((m) => m.includes('it would take more than twice the 0.1 s'));
  expect(cut.length).toBeGreaterThan(0);
  expectCounted(events, (await t.refill.status(result.run)).windows.length);
  await expectCut(t, result.run);
  const { windows } = await t.refill.status(result.run);
  // Those that told it are as planned.
  expect(windows.slice(0, 3).map((w) => w.to)).toEqual(plan.windows.slice(0, 3).map((w) => w.to));
  await expectClean(t);
});
