import { expect, test } from 'vitest';
import {
  checksum,
  ended,
  expectClean,
  fillCards,
  liveWrite,
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

/** A card's conversation is changed in the source: with it the card, and each of its scores, is in another part. */
async function move(t: TestTenant, card: string, conversation: string): Promise<void> {
  await t.pg.query('UPDATE director.scorecards SET conversation_id = $1 WHERE resource_id = $2', [conversation, card]);
}

const ofCard = (card: string) => (row: Record<string, unknown>) => row['scorecard_id'] === card;

test.each(['purge', 'replace'] as const)(
  'a card that has left the part in the source, by %s: what would not be written again is not deleted',
  async (strategy) => {
    const t = await filled();
    const only = { subset: 'process' };
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy, only });
    await move(t, 'card-56', 'chat-56');
    const whole = () => Promise.all(TABLES.map((table) => checksum(t, table, `scorecard_id = 'card-56'`)));
    const before = await whole();
    const refused = {
      code: 'ROWS_CHANGED_PART',
      message: expect.stringContaining('1 rows of scorecard are in this part by the target, and not by the source'),
      details: { table: 'scorecard', keys: ['card-56'] },
    };
    // A plan that is made now, and one that was made before.
    expect(await thrown(() => t.refill.plan({ tenant: t.name, range: RANGE, strategy, only }))).toMatchObject(refused);
    const { result } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({ state: 'failed', error: refused });
    expect(await whole()).toEqual(before);
    expect(before[0]).toMatch(/^1 /u);
    // As the error says: by its id it is derived again, whatever part it was in; then the run goes on.
    const byId = await t.refill.planIds({ tenant: t.name, ids: ['card-56'] });
    expect((await ended(t.refill.run(byId.id))).result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect((await ended(t.refill.retry(result.run))).result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectEqual(t, ofCard('card-56'));
    await expectEqual(t, (row) => row['conversation_id'] === '');
  },
);

test('a card that a live writer has moved to another part already leaves nothing of it in this one', async () => {
  const t = await filled();
  await move(t, 'card-56', 'chat-56');
  await liveWrite(t, 'card-56');
  // Both stand there: its sorting key is another one.
  expect((await targetRows(t, 'scorecard')).filter(ofCard('card-56'))).toHaveLength(2);
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'purge', only: { subset: 'process' } });
  expect((await ended(t.refill.run(plan.id))).result).toMatchObject({ state: 'succeeded', differences: 0 });
  await expectEqual(t, ofCard('card-56'));
});

test.each(['purge', 'replace'] as const)(
  'a card that has come into the part, by %s: its row in the part that it has left is named',
  async (strategy) => {
    const t = await filled();
    await move(t, 'card-60', '');
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy, only: { subset: 'process' } });
    const { result } = await ended(t.refill.run(plan.id));
    expect(result.state).toBe('differences');
    expect(result.tables.map(({ table, duplicated, keys }) => [table, duplicated, keys.duplicated])).toEqual([
      ['scorecard', 1, ['card-60']],
      ['score', 2, ['score-60-c1.q1', 'score-60-q9']],
    ]);
    expect(result.differences).toBe(3);
    const byId = await t.refill.planIds({ tenant: t.name, ids: ['card-60'] });
    expect((await ended(t.refill.run(byId.id))).result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect((await ended(t.refill.retry(result.run))).result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectEqual(t, ofCard('card-60'));
  },
);

test.each(['purge', 'replace'] as const)(
  'a score that belongs to another card now, by the ids of both and of one, by %s',
  async (strategy) => {
    const t = await filled();
    await t.pg.query(`UPDATE director.scores SET scorecard_id = 'card-62' WHERE resource_id = 'score-61-q9'`);
    const planned = (...ids: string[]) => t.refill.planIds({ tenant: t.name, ids, strategy });
    expect(await thrown(() => planned('card-61'))).toMatchObject({
      code: 'ROWS_CHANGED_PART',
      details: { table: 'score', keys: ['score-61-q9'] },
    });
    const { result } = await ended(t.refill.run((await planned('card-61', 'card-62')).id));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectEqual(t, (row) => ['card-61', 'card-62'].includes(String(row['scorecard_id'])));
  },
);
