import { describe, expect, test } from 'vitest';
import type { Strategy } from '../../src/domain/words.ts';
import { ended } from '../support/cards.ts';
import type { TestTenant } from '../support/tenant.ts';
import { createThings, type Declared, fillTarget, RANGE, ROWS, rowsOf } from './things.ts';

// A purge deletes nothing that it cannot write again: whatever keeps rows out of the target is found before the delete.

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
  readonly code: string;
  /** In the message. */
  readonly says?: string;
}

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
  },
  {
    name: 'a constraint',
    target: { more: ["CONSTRAINT `no (seven), please` CHECK NOT startsWith(name, 'seven') AND name != 'a, b'"] },
    source: `UPDATE shed.thing SET name = 'seven secrets' WHERE id = 7`,
    code: 'CONSTRAINT_VIOLATED',
    says: 'no (seven), please',
  },
  {
    name: 'a constraint on a column that the server makes',
    target: { more: ['short String MATERIALIZED substring(name, 1, 5)', "CONSTRAINT short CHECK short != 'seven'"] },
    source: `UPDATE shed.thing SET name = 'seven secrets' WHERE id = 7`,
    code: 'CONSTRAINT_VIOLATED',
  },
  {
    name: 'a column of the server that cannot be made',
    target: { more: ['share Int64 MATERIALIZED intDiv(100, toInt64(amount))'] },
    source: `UPDATE shed.thing SET amount = 0.1`,
    code: 'CH_QUERY',
  },
  {
    name: 'a default that cannot be made',
    target: { more: ['share Int64 DEFAULT intDiv(100, toInt64(amount))'] },
    source: `UPDATE shed.thing SET amount = 0.1`,
    code: 'CH_QUERY',
  },
  {
    name: 'a sorting key that cannot be made',
    target: { order: 'intDiv(100, toInt64(amount)), id' },
    source: `UPDATE shed.thing SET amount = 0.1`,
    code: 'CH_QUERY',
  },
  {
    name: 'an index that cannot be made',
    target: { more: ['INDEX share intDiv(100, toInt64(amount)) TYPE minmax GRANULARITY 1'] },
    source: `UPDATE shed.thing SET amount = 0.1`,
    code: 'CH_QUERY',
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
const BY_REPLACE = PLANTED.filter(({ name }) => name === 'a constraint' || name.startsWith('a TTL'));

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
