import { expect, test } from 'vitest';
import {
  checksum,
  ended,
  expectClean,
  fillCards,
  RANGE,
  sourceRows,
  targetRows,
  type Table,
  thrown,
} from '../support/cards.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';

const TABLES: readonly Table[] = ['scorecard', 'score'];

async function filled(): Promise<TestTenant> {
  const t = await createTenant({ limits: { windowRows: 150 } });
  await fillCards(t);
  return t;
}

/** Both sides of a range for some rows are equal, and there were such rows. */
async function expectEqual(
  t: TestTenant,
  which: (row: Record<string, unknown>) => boolean,
  range = RANGE,
): Promise<void> {
  for (const table of TABLES) {
    const wanted = (await sourceRows(t, table, range)).filter(which);
    expect((await targetRows(t, table, range)).filter(which)).toEqual(wanted);
    expect(wanted.length).toBeGreaterThan(0);
  }
}

test.each([
  ['process', 'purge', (row: Record<string, unknown>) => row['conversation_id'] === '', `conversation_id != ''`],
  ['conversation', 'replace', (row: Record<string, unknown>) => row['conversation_id'] !== '', `conversation_id = ''`],
] as const)(
  'only %s scorecards of a range, by %s: the others stay as they are',
  async (subset, strategy, which, rest) => {
    const t = await filled();
    const sums = () => Promise.all(TABLES.map((table) => checksum(t, table, rest)));
    const before = await sums();
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy, only: { subset } });
    const { result } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectEqual(t, which);
    expect(await sums()).toEqual(before);
  },
);

// Of every kind: submitted, not submitted, an appeal (7n+3), without a conversation (8n), under two keys (13n+6), moved
// (10n+1), missing (17n+4), an orphan of the target alone, and one that nobody has.
const IDS = [
  'card-8',
  'card-16',
  'card-31',
  'card-24',
  'card-45',
  'card-61',
  'card-89',
  'card-49-orphan',
  `o'b:from\\"`,
];

test.each(['purge', 'replace'] as const)('scorecards by their ids, by %s: exactly their rows', async (strategy) => {
  const t = await filled();
  const ids = `scorecard_id IN (${IDS.map((id) => `'${id.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`).join(', ')})`;
  const sums = () => Promise.all(TABLES.map((table) => checksum(t, table, `NOT (${ids})`)));
  const before = await sums();
  const plan = await t.refill.planIds({ tenant: t.name, ids: IDS, strategy });
  expect(plan.warnings).toContainEqual({
    code: 'IDS_UNKNOWN',
    table: 'scorecard',
    message: `1 of 9 ids are on neither side: o'b:from\\"`,
  });
  const { result } = await ended(t.refill.run(plan.id));
  expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  expect(result.tables.map(({ table, excluded }) => [table, excluded['appeal']])).toEqual([
    ['scorecard', 3],
    ['score', 6],
  ]);
  const all = { from: '2026-01-01T00:00:00.000Z', to: '2026-03-01T00:00:00.000Z' };
  await expectEqual(t, (row) => IDS.includes(String(row['scorecard_id'])), all);
  expect(await sums()).toEqual(before);
  // The whole range goes on as if nothing had been.
  const whole = await t.refill.plan({ tenant: t.name, range: RANGE });
  expect((await ended(t.refill.run(whole.id))).result.state).toBe('succeeded');
  await expectClean(t);
});

test('ids that nobody has, too many of them, and unknown subsets are refused', async () => {
  const t = await filled();
  expect(await thrown(() => t.refill.planIds({ tenant: t.name, ids: ['none'] }))).toMatchObject({
    code: 'KEY_UNKNOWN',
  });
  const many = Array.from({ length: 1001 }, (_, n) => `card-${n}`);
  expect(await thrown(() => t.refill.planIds({ tenant: t.name, ids: many }))).toMatchObject({ code: 'USAGE' });
  const only = { subset: 'none' };
  expect(await thrown(() => t.refill.plan({ tenant: t.name, range: RANGE, only }))).toMatchObject({
    code: 'SUBSET_UNKNOWN',
    message: 'table scorecard of dataset scorecards has no subset none; its subsets: conversation, process',
  });
});
