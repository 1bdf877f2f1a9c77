import { expect, test } from 'vitest';
import { ended, expectClean, fillCards, sourceRows } from '../support/cards.ts';
import { slowSource } from '../support/slow-source.ts';
import { createTenant } from '../support/tenant.ts';
import { configFile, killed, onlyRun } from './program.ts';

/** One partition, and with it one delete of one window. */
const JANUARY = { from: '2026-01-29T00:00:00.000Z', to: '2026-02-01T00:00:00.000Z' };
const LAST_DAY = { ...JANUARY, from: '2026-01-31T00:00:00.000Z' };
/** About 90 cards take longer than that at 10 ms each, and half of them do not. */
const [CARD_MS, TIMEOUT_MS] = [10, 600];

test.each([
  ['purge', 'window-cutting', 1],
  ['purge', 'window-cut', 2],
  ['replace', 'window-cutting', 1],
  ['replace', 'window-cut', 2],
] as const)('%s, killed at %s: the window is cut once, and what its attempts left is gone', async (...args) => {
  const [strategy, point, windows] = args;
  const t = await createTenant({ limits: { windows: 1, windowRows: 10_000 } });
  await fillCards(t);
  const plan = await t.refill.plan({ tenant: t.name, range: JANUARY, strategy });
  expect(plan.windows).toHaveLength(1);
  const config = await configFile(t.config);
  // Its first attempt leaves the rows of one table; a card of the second half is not in the source any more after it.
  await killed(['run', plan.id, '--execute', '--config', config], 'table-inserted:kill');
  const { id } = await onlyRun(t);
  const [last] = await sourceRows(t, 'scorecard', LAST_DAY);
  await t.pg.query('DELETE FROM director.scorecards WHERE resource_id = $1', [last?.['scorecard_id']]);
  const restore = await slowSource(t, CARD_MS, TIMEOUT_MS);
  await killed(['resume', id, '--config', config], `${point}:kill`);
  await onlyRun(t);
  const ledger = await t.refill.ledger();
  expect(await ledger.windows(id)).toHaveLength(windows);
  expect((await ledger.windows(id)).filter((w) => w.state !== 'pending' && w.state !== 'writing')).toEqual([]);

  const { result } = await ended(t.refill.resume());
  await restore();
  expect(result.error).toBeUndefined();
  expect(result).toMatchObject({ run: id, state: 'succeeded', differences: 0 });
  const found = await ledger.windows(id);
  expect(found.map((w) => [w.from, w.state])).toEqual([
    [JANUARY.from, 'done'],
    [found[0]?.to, 'done'],
  ]);
  expect(found.at(-1)?.to).toBe(JANUARY.to);
  await expectClean(t, JANUARY);
});
