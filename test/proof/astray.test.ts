import { describe, expect, test } from 'vitest';
import { int } from '../../src/index.ts';
import { thrown } from '../support/cards.ts';
import { createReadings, fillSource, insertTarget, RANGE, refill, verified } from './support.ts';
import { createThings, RANGE as THINGS_RANGE } from './things.ts';

/** The times of `fillSource` lie 70 minutes apart: 60 rows fill the range. */
const IDS = Array.from({ length: 60 }, (_, n) => [`'k${n === 59 ? 0 : n}'`]);

describe.each(['purge', 'replace'] as const)('%s', (strategy) => {
  test('a key that the source has twice, in the windows of two deletes: the second takes the place of the first', async () => {
    const t = await createReadings({ tenant: { limits: { deleteRows: 5, windowRows: 5 } }, partition: 'toYYYYMM' });
    await fillSource(t, IDS);
    await insertTarget(
      t,
      `SELECT concat('k', toString(number)) AS id, toDateTime64('2026-03-01 00:30:00', 3, 'UTC') + INTERVAL number * 70 MINUTE, 'old', toInt32(number) FROM numbers(59)`,
      '2026-02-01 00:00:00',
    );
    // The plan asks for rows of all time.
    expect(await thrown(() => refill(t, strategy))).toMatchObject({ code: 'KEY_NOT_UNIQUE' });
    // A run meets it too, where the key is repeated only after the plan was made.
    await t.pg.query(`UPDATE plant.reading SET id = 'k59' WHERE id = 'k0' AND taken_at > '2026-03-02'`);
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
    await t.pg.query(`UPDATE plant.reading SET id = 'k0' WHERE id = 'k59'`);
    for await (const event of t.refill.run(plan.id))
      if (event.type === 'result') expect([event.state, event.error?.code]).toEqual(['failed', 'KEY_NOT_UNIQUE']);
    expect((await verified(t)).table).toMatchObject({ source: 60, target: 59, keys: { duplicated: ['k0'] } });

    // The key is unique by now, and its row is missing all the same: a retry does not end well either.
    await t.pg.query(`DELETE FROM plant.reading WHERE id = 'k0' AND taken_at > '2026-03-02'`);
    const [run] = await t.refill.runs();
    for await (const event of t.refill.retry(run?.id ?? ''))
      if (event.type === 'result') expect([event.state, event.error?.code]).toEqual(['failed', 'PROOF_FAILED']);
    expect((await verified(t)).result.ok).toBe(false);
  });

  test('a range that yields a row with a time outside of it is refused before anything is changed', async () => {
    const rounded = `SELECT account, site, id, draft, label, amount, date_trunc('minute', taken_at + interval '30 seconds') AS taken_at
      FROM plant.reading WHERE account = :customer AND site = :profile AND`;
    const t = await createReadings({
      source: {
        rowsInRange: `${rounded} taken_at >= :from AND taken_at < :to`,
        rowsByKey: `${rounded} id = ANY (:keys::text[])`,
      },
    });
    await fillSource(t, [["'a'"], ["'b'"]]);
    expect(await refill(t, strategy)).toBe('succeeded');
    const { customer, profile } = t.name;
    await t.pg.query(
      `INSERT INTO plant.reading VALUES ('${customer}', '${profile}', 'edge', '2026-03-03 23:59:45Z', 'edge', 1)`,
    );
    expect(await thrown(() => verified(t))).toMatchObject({ code: 'DATASET_DISAGREES' });
    expect(await thrown(() => refill(t, strategy))).toMatchObject({ code: 'DATASET_DISAGREES' });
    expect(await t.select(`SELECT id FROM reading WHERE id = 'edge'`)).toEqual([]);
  });
});

test('a row with a NULL in its key that also stands outside of the range is named', async () => {
  const t = await createReadings({
    key: {
      order_id: ['bigint', 'Int64', int('r.order_id')],
      line_no: ['integer', 'Nullable(Int32)', int('r.line_no', { ifNull: null })],
    },
  });
  await fillSource(t, [
    ['1', '1'],
    ['2', 'NULL'],
  ]);
  expect(await refill(t, 'replace')).toBe('succeeded');
  await insertTarget(
    t,
    `SELECT toInt64(arrayJoin([1, 2])) AS o, if(o = 1, 1, NULL) AS l, toDateTime64('2026-02-02 00:00:00', 3, 'UTC'), 'x', toInt32(9)`,
  );
  const { table, result } = await verified(t);
  expect(table.keys.duplicated.toSorted()).toEqual(['order_id=1,line_no=1', 'order_id=2,line_no=\\N']);
  expect(result.reasons).toMatchObject([{ kind: 'duplicated', reason: 'moved_from', rows: 2 }]);
});

test('a row of a part that also stands outside of the range in another part is named', async () => {
  const t = await createReadings({
    subsets: {
      labelled: {
        rowsInRange: `SELECT * FROM plant.reading WHERE account = :customer AND site = :profile AND taken_at >= :from AND taken_at < :to AND label != ''`,
        target: "label != ''",
      },
    },
  });
  await fillSource(t, [["'a'"], ["'b'"]]);
  await insertTarget(t, `SELECT 'a', toDateTime64('2026-02-02 00:00:00', 3, 'UTC'), '', toInt32(9)`);
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'replace', only: { subset: 'labelled' } });
  const ends: string[] = [];
  for await (const event of t.refill.run(plan.id)) if (event.type === 'result') ends.push(event.state);
  expect(ends).toEqual(['differences']);
});

test('a time in nanoseconds, which ends in 2262: what also stands outside of the range is named and explained', async () => {
  const t = await createThings({ columns: { at: "DateTime64(9, 'UTC')" } });
  for await (const event of t.refill.run(
    (await t.refill.plan({ tenant: t.name, range: THINGS_RANGE, strategy: 'replace' })).id,
  ))
    if (event.type === 'result') expect(event.state).toBe('succeeded');
  await t.command(`INSERT INTO thing SELECT * REPLACE (at - INTERVAL 40 DAY AS at) FROM thing WHERE id = 3`);
  const [table] = (await t.refill.verify({ tenant: t.name, range: THINGS_RANGE })).tables;
  expect(table?.keys.duplicated).toEqual(['3']);
  expect(await t.refill.explain({ tenant: t.name, id: '3' })).toMatchObject([{ verdict: 'duplicated' }]);
});
