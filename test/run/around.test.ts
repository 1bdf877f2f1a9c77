import { expect, test } from 'vitest';
import type { Range } from '../../src/domain/words.ts';
import { ended, expectClean, fillCards, outside, type Table } from '../support/cards.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';

// What a run must not touch, small and quick. test/run/untouched.test.ts shows more of it, with merges and both kinds of delete.

/** Neither end is on an hour. */
const RANGE: Range = { from: '2026-01-29T11:20:30.250Z', to: '2026-02-02T10:40:50.750Z' };
const TABLES: readonly Table[] = ['scorecard', 'score', 'scorecard_score'];
const SOURCES = ['director.scorecards', 'director.scores', 'app.chats', 'app.users', 'director.scorecard_templates'];
const STRATEGIES = ['purge', 'replace'] as const;

/** Sums of all columns of the target's rows, and of the source's rows. */
async function everything(t: TestTenant, where: string) {
  const target = await Promise.all(
    TABLES.map((table) =>
      t.select(
        `SELECT '${table}' AS table, toString(count()) AS rows, toString(sum(cityHash64(*))) AS sum FROM ${table} WHERE ${where}`,
      ),
    ),
  );
  const source: unknown[] = [];
  for (const table of SOURCES) {
    const { rows } = await t.pg.query(`SELECT count(*), sum(hashtextextended(r::text, 0)) FROM ${table} r`);
    source.push(...rows);
  }
  return { target: target.flat(), source };
}

/** Rows that are in no source, at an instant. */
async function orphan(t: TestTenant, id: string, time: string): Promise<void> {
  const at = `parseDateTime64BestEffort('${time}', 3, 'UTC')`;
  const of = `WHERE customer_id = '${t.name.customer}' AND profile_id = '${t.name.profile}' LIMIT 1`;
  await t.command(
    `INSERT INTO scorecard SELECT * REPLACE ('${id}' AS scorecard_id, ${at} AS scorecard_time) FROM scorecard ${of}`,
  );
  for (const table of ['score', 'scorecard_score'])
    await t.command(
      `INSERT INTO ${table} SELECT * REPLACE ('${id}' AS scorecard_id, '${id}' AS score_id, ${at} AS scorecard_time) FROM ${table} ${of}`,
    );
}

/** Nobody merges: what a merge removes would look like a row that was touched. */
async function filled(): Promise<TestTenant> {
  const t = await createTenant({ limits: { windowRows: 200 } });
  for (const table of TABLES) await t.command(`SYSTEM STOP MERGES ${table}`);
  const { customer, profile } = t.name;
  await fillCards(t, { cards: 80, denormalised: true });
  // Others in the same tables, with the same ids and times.
  await fillCards(t, { cards: 40, denormalised: true, owner: { customer: 'somebody', profile } });
  await fillCards(t, { cards: 40, denormalised: true, owner: { customer, profile: 'else' } });
  await orphan(t, 'first-ms', RANGE.from);
  await orphan(t, 'last-ms', '2026-02-02T10:40:50.749Z');
  await orphan(t, 'ms-before', '2026-01-29T11:20:30.249Z');
  await orphan(t, 'end', RANGE.to);
  // Mutations wait for the same threads.
  for (const table of TABLES) await t.command(`SYSTEM START MERGES ${table}`);
  for (const table of TABLES) await t.command(`OPTIMIZE TABLE ${table} FINAL`);
  return t;
}

const orphans = async (t: TestTenant) =>
  (
    await t.select<{ id: string }>(
      `SELECT DISTINCT scorecard_id AS id FROM scorecard WHERE scorecard_id IN ('first-ms', 'last-ms', 'ms-before', 'end') ORDER BY id`,
    )
  ).map(({ id }) => id);

test.each(STRATEGIES)(
  '%s: nothing changes outside of the range and of the tenant, to the millisecond and by checksums of everything else',
  async (strategy) => {
    const t = await filled();
    const before = await everything(t, outside(t, RANGE));
    expect(before.target).toHaveLength(3);
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
    const { result } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect(await orphans(t)).toEqual(['end', 'ms-before']);
    await expectClean(t, RANGE, TABLES);
    expect(await everything(t, outside(t, RANGE))).toEqual(before);
  },
);

test.each(STRATEGIES)('%s: a plan for one table leaves the others as they are', async (strategy) => {
  const t = await filled();
  const [scorecard, ...others] = (await everything(t, '1')).target;
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy, tables: ['scorecard'] });
  const { result } = await ended(t.refill.run(plan.id));
  expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  const [changed, ...left] = (await everything(t, '1')).target;
  expect(changed).not.toEqual(scorecard);
  expect(left).toEqual(others);
});

test('what only looks changes nothing: survey, plan, verify, explain and doctor', async () => {
  const t = await filled();
  const before = await everything(t, '1');
  await t.refill.survey({ tenant: t.name, range: RANGE });
  await t.refill.plan({ tenant: t.name, range: RANGE });
  expect((await t.refill.verify({ tenant: t.name, range: RANGE })).ok).toBe(false);
  await t.refill.explain({ tenant: t.name, id: 'card-20' });
  await t.refill.doctor();
  expect(await everything(t, '1')).toEqual(before);
  expect(await t.select(`SELECT mutation_id FROM system.mutations WHERE database = currentDatabase()`)).toEqual([]);
});
