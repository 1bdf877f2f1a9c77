import { afterEach, describe, expect, test } from 'vitest';
import type { Strategy } from '../../src/domain/words.ts';
import { onDebugPoint } from '../../src/steps/debug-points.ts';
import { ended, thrown } from '../support/cards.ts';
import type { TestTenant } from '../support/tenant.ts';
import { createThings, type Declared, fillTarget, RANGE, ROWS, rowsOf } from './things.ts';

// A purge deletes nothing that it cannot write again: whatever keeps rows out of the target is found before the delete.

afterEach(() => onDebugPoint(undefined));

/** What becomes of a run: the code of the refusal or of the failure, and the rows that stand afterwards. */
async function outcome(t: TestTenant, strategy: Strategy) {
  try {
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
    const { result } = await ended(t.refill.run(plan.id));
    return { state: result.state, code: result.error?.code, message: result.error?.message ?? '' };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    return { state: 'refused', code: error.code, message: error.message };
  }
}

interface Planted {
  readonly name: string;
  readonly target?: Declared;
  /** In Postgres, after the target was filled. */
  readonly source?: string;
  readonly code: unknown;
  /** In the message. */
  readonly says?: string;
}

/** A server that cannot compute something says so by many codes. */
const COMPUTED = expect.stringMatching(/^CH_(?:QUERY|VALUE|ROWS_REFUSED)$/u);

const PLANTED: readonly Planted[] = [
  {
    name: 'a date that the column cannot hold',
    target: { columns: { due: "DateTime('UTC')" } },
    source: `UPDATE shed.thing SET due = '9999-12-31' WHERE id = 7`,
    code: 'CH_VALUE',
  },
  {
    name: 'NaN for a decimal',
    source: `UPDATE shed.thing SET amount = 'NaN' WHERE id = 7`,
    code: 'CH_VALUE',
  },
  {
    name: 'a number that is too large',
    source: `UPDATE shed.thing SET amount = 1e30 WHERE id = 7`,
    code: 'CH_VALUE',
    says: 'in rows of thing',
  },
  {
    name: 'a constraint',
    target: { more: ["CONSTRAINT `no (seven), please` CHECK NOT startsWith(name, 'seven') AND name != 'a, b'"] },
    source: `UPDATE shed.thing SET name = 'seven secrets' WHERE id = 7`,
    code: 'CH_ROWS_REFUSED',
    says: 'no (seven), please',
  },
  {
    name: 'a constraint on a column that the server makes',
    target: { more: ['short String MATERIALIZED substring(name, 1, 5)', "CONSTRAINT short CHECK short != 'seven'"] },
    source: `UPDATE shed.thing SET name = 'seven secrets' WHERE id = 7`,
    code: 'CH_ROWS_REFUSED',
  },
  {
    name: 'a column of the server that cannot be made',
    target: { more: ['share Int64 MATERIALIZED intDiv(100, toInt64(amount))'] },
    source: `UPDATE shed.thing SET amount = 0.1`,
    code: COMPUTED,
  },
  {
    name: 'a default that cannot be made',
    target: { more: ['share Int64 DEFAULT intDiv(100, toInt64(amount))'] },
    source: `UPDATE shed.thing SET amount = 0.1`,
    code: COMPUTED,
  },
  {
    name: 'a sorting key that cannot be made',
    target: { order: 'intDiv(100, toInt64(amount)), id' },
    source: `UPDATE shed.thing SET amount = 0.1`,
    code: COMPUTED,
  },
  {
    name: 'an index that cannot be made',
    target: { more: ['INDEX share intDiv(100, toInt64(amount)) TYPE minmax GRANULARITY 1'] },
    source: `UPDATE shed.thing SET amount = 0.1`,
    code: COMPUTED,
  },
  {
    name: 'a TTL that is over for the range',
    target: { ttl: 'toDateTime(at) + INTERVAL 1 WEEK' },
    code: 'TTL_IN_RANGE',
  },
  {
    name: 'a TTL of another column, which is over for one row of the source',
    target: { ttl: 'toDateTime(due) + INTERVAL 1 WEEK' },
    source: `UPDATE shed.thing SET due = '2020-01-01' WHERE id = 7`,
    code: 'TTL_IN_RANGE',
  },
  {
    name: 'a TTL with a condition',
    target: { ttl: "toDateTime(at) + INTERVAL 1 WEEK DELETE WHERE startsWith(name, 'seven')" },
    source: `UPDATE shed.thing SET name = 'seven secrets' WHERE id = 7`,
    code: 'TTL_IN_RANGE',
  },
  {
    name: 'a TTL of a column',
    target: { columns: { name: 'String TTL toDateTime(at) + INTERVAL 1 WEEK' } },
    code: 'TTL_IN_RANGE',
  },
];

/** `replace` writes before it deletes, and so finds most of it by itself. */
const BY_REPLACE = PLANTED.filter(({ name }) => name.startsWith('a TTL'));

describe.each([
  ['purge', PLANTED],
  ['replace', BY_REPLACE],
] as const)('%s', (strategy, planted) => {
  test.each(planted)('$name: the rows that stood still stand', async ({ target = {}, source, code, says }) => {
    const t = await createThings(target);
    await t.command('SYSTEM STOP TTL MERGES thing');
    await fillTarget(t);
    if (source !== undefined) await t.pg.query(source);
    const found = await outcome(t, strategy);
    expect(found).toMatchObject({ code });
    expect(found.message).toContain(says ?? '');
    expect(found.message).not.toContain('secrets');
    expect(await rowsOf(t, `name = 'old'`)).toBe(ROWS);
  });
});

test('what moves or compresses rows is no TTL that matters, nor one that is not over', async () => {
  const t = await createThings({
    ttl: "toDateTime(at) + INTERVAL 1 DAY TO DISK 'default', toDateTime(due) + INTERVAL 1 DAY",
  });
  await fillTarget(t);
  expect(await outcome(t, 'purge')).toMatchObject({ state: 'succeeded' });
  expect(await rowsOf(t)).toBe(ROWS);
});

test('a window that was rehearsed is not rehearsed again after an interruption, and is after a retry', async () => {
  const t = await createThings({}, { limits: { windowRows: 12 } });
  await fillTarget(t);
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'purge' });
  expect(plan.windows.length).toBeGreaterThan(1);
  const rehearsed: string[] = [];
  const seen = new AbortController();
  onDebugPoint((point) => {
    if (point === 'window-rehearsed' && rehearsed.push(point) === 1) seen.abort();
  });
  // Ctrl-C after the first window: the others are not begun, and nothing is deleted.
  const first = await ended(t.refill.run(plan.id, { drain: seen.signal }));
  expect(first.result.state).toBe('paused');
  const before = rehearsed.length;
  expect(await rowsOf(t, `name = 'old'`)).toBe(ROWS);
  const second = await ended(t.refill.resume(first.result.run));
  expect(second.result).toMatchObject({ state: 'succeeded', differences: 0 });
  expect(rehearsed).toHaveLength(plan.windows.length);
  expect(before).toBeLessThan(plan.windows.length);
  expect(await rowsOf(t, `name != 'old'`)).toBe(ROWS);
});

test('a source that was corrected is rehearsed again by a retry', async () => {
  const t = await createThings({});
  await fillTarget(t);
  await t.pg.query(`UPDATE shed.thing SET amount = 1e30 WHERE id = 7`);
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'purge' });
  const first = await ended(t.refill.run(plan.id));
  expect(first.result).toMatchObject({ state: 'failed', error: { code: 'CH_VALUE' }, rowsDeleted: 0, rowsSent: 0 });
  await t.pg.query(`UPDATE shed.thing SET amount = 1 WHERE id = 7`);
  const second = await ended(t.refill.retry(first.result.run));
  expect(second.result).toMatchObject({ state: 'succeeded', differences: 0 });
});

test('an INSERT that the server refuses is refused by the plan, and by a run of a plan from before', async () => {
  const t = await createThings({ more: ['extra Int64 DEFAULT 1'] });
  await fillTarget(t);
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'purge' });
  // A column that the rows do not have, and no default for it.
  await t.command("ALTER TABLE thing ADD CONSTRAINT broken CHECK extra > toInt64(dictGet('no_such', 'a', id))");
  for (const work of [
    () => t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'purge' }),
    () => ended(t.refill.run(plan.id)),
  ])
    expect(await thrown(work)).toMatchObject({ exit: 3, message: expect.stringContaining('INSERT of no rows') });
  expect(await rowsOf(t, `name = 'old'`)).toBe(ROWS);
});
