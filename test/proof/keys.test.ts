import { describe, expect, test } from 'vitest';
import { date, decimal, float, int, text, timestamp, uuid } from '../../src/index.ts';
import { thrown } from '../support/cards.ts';
import { createReadings, fillSource, insertTarget, RANGE, refill, verified } from './support.ts';

/** Kinds of keys: their Postgres and ClickHouse types, values of the source, one that only the target has, and how it is shown. */
const KINDS = [
  [
    'text',
    'text',
    'String',
    text('r.id'),
    ["'a'", "''", "'A'", "'a '", "'é'", `E'tab\\t'`, `'o''b\\'`],
    "'not there'",
    'not there',
  ],
  [
    'int',
    'bigint',
    'Int64',
    int('r.id'),
    ['1', '-1', '9223372036854775807'],
    '-9223372036854775808',
    '-9223372036854775808',
  ],
  [
    'uuid',
    'uuid',
    'UUID',
    uuid('r.id'),
    ["'00000000-0000-0000-0000-00000000000a'", "'ffffffff-ffff-ffff-ffff-ffffffffffff'"],
    "toUUID('123e4567-e89b-12d3-a456-426614174000')",
    '123e4567-e89b-12d3-a456-426614174000',
  ],
  ['date', 'date', 'Date', date('r.id'), ["'2026-01-01'", "'1999-12-31'"], "toDate('2026-02-03')", '2026-02-03'],
  ['date32', 'date', 'Date32', date('r.id'), ["'1950-01-01'", "'2200-12-31'"], "toDate32('1949-02-03')", '1949-02-03'],
  [
    'milliseconds',
    'timestamptz',
    "DateTime64(3, 'UTC')",
    timestamp('r.id'),
    ["'2026-01-01 00:00:00.123Z'", "'1960-01-01 00:00:00Z'"],
    "toDateTime64('2026-02-03 04:05:06.789', 3, 'UTC')",
    '2026-02-03T04:05:06.789Z',
  ],
  [
    'microseconds',
    'timestamptz',
    "DateTime64(6, 'UTC')",
    timestamp('r.id'),
    ["'2026-01-01 00:00:00.123456Z'"],
    "toDateTime64('1959-02-03 04:05:06.000007', 6, 'UTC')",
    '1959-02-03T04:05:06.000007Z',
  ],
  [
    'seconds',
    'timestamptz',
    'DateTime',
    timestamp('r.id'),
    ["'2026-01-01 00:00:01Z'"],
    "toDateTime('2026-02-03 04:05:06', 'UTC')",
    '2026-02-03T04:05:06Z',
  ],
  ['float', 'double precision', 'Float64', float('r.id'), ['0.1', '1e300', "'NaN'", "'-Infinity'", '0'], '1.5', '1.5'],
  ['real', 'real', 'Float32', float('r.id'), ['0.1', '1e30'], 'toFloat32(0.25)', '0.25'],
  [
    'decimal',
    'numeric',
    'Decimal(18, 4)',
    decimal('r.id'),
    ['1.5', '-0.0001', '100'],
    "toDecimal64('7.25', 4)",
    '7.25',
  ],
] as const;

describe('a key of each kind', () => {
  test.each(KINDS)('%s', async (_name, pg, ch, definition, values, extra, shown) => {
    const t = await createReadings({ key: { id: [pg, ch, definition] } });
    await fillSource(
      t,
      values.map((value) => [value]),
    );
    expect(await refill(t, 'replace')).toBe('succeeded');
    expect((await verified(t)).table).toMatchObject({ source: values.length, target: values.length });

    // One is missing, one has another label, one is extra: each is found, and named once.
    await t.command(`ALTER TABLE reading DELETE WHERE amount = 0`);
    if (values.length > 1) await t.command(`ALTER TABLE reading UPDATE label = 'wrong' WHERE amount = 1`);
    await insertTarget(t, `SELECT ${extra} AS id, toDateTime64('2026-03-02 00:00:00', 3, 'UTC'), 'x', toInt32(9)`);
    const { table } = await verified(t);
    expect(table).toMatchObject({
      missing: 1,
      extra: 1,
      stale: values.length > 1 ? 1 : 0,
      duplicated: 0,
      unexplained: 0,
    });
    expect(table.keys.extra).toEqual([shown]);
    expect(await t.refill.explain({ tenant: t.name, id: shown })).toMatchObject([
      { verdict: 'extra', reason: 'not_in_source' },
    ]);
    const [missing = ''] = table.keys.missing;
    expect(await t.refill.explain({ tenant: t.name, id: missing })).toMatchObject([{ verdict: 'missing' }]);

    expect(await refill(t, 'purge')).toBe('succeeded');
    expect((await verified(t)).result.ok).toBe(true);
  });
});

/** Keys that the source cannot hold, or that look like others: SQL of the target, and how they are shown. */
const STRANGE = [
  ['NULL', 'NULL', '\\N'],
  ['the letters of NULL', "'\\\\N'", '\\\\N'],
  ['bytes that are not UTF-8', "unhex('ff00fe')", '\\xff\\x00\\xfe'],
  ['a NUL', "'a\\0b'", 'a\\x00b'],
  ['a trailing blank', "'a '", 'a '],
  ['a newline', "'a\\nb'", 'a\\x0ab'],
  ['a vertical tab and a quote', "concat(char(11), '\\'')", "\\x0b'"],
  ['empty', "''", ''],
] as const;

test.each(STRANGE)('an extra row whose key is %s is found and named', async (_name, sql, shown) => {
  const t = await createReadings({ key: { id: ['text', 'Nullable(String)', text('r.id')] } });
  await fillSource(t, [["'a'"], ["'b'"]]);
  expect(await refill(t, 'replace')).toBe('succeeded');
  await insertTarget(t, `SELECT ${sql} AS id, toDateTime64('2026-03-02 00:00:00', 3, 'UTC'), 'x', toInt32(9)`);
  const { table, result } = await verified(t);
  expect(table).toMatchObject({ missing: 0, extra: 1, stale: 0, unexplained: 0, keys: { extra: [shown] } });
  expect(result.ok).toBe(false);
  expect(await refill(t, 'replace')).toBe('succeeded');
  expect((await verified(t)).result.ok).toBe(true);
});

test('a key of a megabyte is found, and shown cut', async () => {
  const t = await createReadings();
  await fillSource(t, [["'a'"], ["repeat('k', 1000000)"]]);
  expect(await refill(t, 'replace')).toBe('succeeded');
  await t.command(`ALTER TABLE reading UPDATE label = 'wrong' WHERE length(id) > 10`);
  const { table } = await verified(t);
  expect(table).toMatchObject({ stale: 1 });
  expect(table.keys.stale[0]).toContain('(1000000 bytes, ');
});

test('a row of the source whose key is NULL: what cannot be looked up is never called equal', async () => {
  const t = await createReadings({ key: { id: ['text', 'Nullable(String)', text('r.id', { ifNull: null })] } });
  await fillSource(t, [["'a'"], ['NULL']]);
  await insertTarget(t, `SELECT 'a' AS id, toDateTime64('2026-03-01 00:30:00', 3, 'UTC'), 'label 0', toInt32(0)`);
  expect(await thrown(() => verified(t))).toMatchObject({ code: 'DATASET_DISAGREES' });
  expect(await refill(t, 'replace')).toBe('succeeded');
  expect((await verified(t)).table).toMatchObject({ source: 2, target: 2 });
});

const LINES = {
  order_id: ['bigint', 'Int64', int('r.order_id')],
  line_no: ['integer', 'Int32', int('r.line_no')],
} as const;
const lineIds = Array.from({ length: 12 }, (_, n) => [String(1 + Math.floor(n / 3)), String(n % 3)]);

describe('a composite key', () => {
  test.each(['replace', 'purge'] as const)(
    '%s derives it, and every kind of drift is named by all of its columns',
    async (strategy) => {
      const t = await createReadings({ key: LINES });
      await fillSource(t, lineIds);
      expect(await refill(t, strategy)).toBe('succeeded');
      expect((await verified(t)).table).toMatchObject({ source: 12, target: 12 });

      await t.command(`ALTER TABLE reading DELETE WHERE order_id = 1 AND line_no = 1`);
      await t.command(`ALTER TABLE reading UPDATE label = 'wrong' WHERE order_id = 2 AND line_no = 2`);
      await insertTarget(
        t,
        `SELECT toInt64(2), toInt32(9), toDateTime64('2026-03-02 00:00:00', 3, 'UTC'), 'x', toInt32(9)`,
      );
      const { table, result } = await verified(t);
      expect(table.keys).toMatchObject({
        missing: ['order_id=1,line_no=1'],
        stale: ['order_id=2,line_no=2'],
        extra: ['order_id=2,line_no=9'],
      });
      expect(result.reasons).toContainEqual(expect.objectContaining({ kind: 'stale', columns: { label: 1 } }));
      const explain = (id: string) => t.refill.explain({ tenant: t.name, id });
      expect(await explain('order_id=2,line_no=2')).toMatchObject([
        { verdict: 'stale', target: [{ columns: ['label'] }] },
      ]);
      expect(await explain('line_no=1,order_id=1')).toMatchObject([{ verdict: 'missing' }]);
      expect(await thrown(() => explain('1'))).toMatchObject({
        code: 'KEY_UNKNOWN',
        hint: expect.stringContaining('order_id=…,line_no=… (reading)'),
      });
    },
  );
});

test.each(['ReplacingMergeTree(synced_at)', 'MergeTree'] as const)(
  'one of two identifying columns declared as the key, on %s: named, and refused before anything is deleted',
  async (engine) => {
    const t = await createReadings({ key: LINES, declared: ['order_id'], engine, orderBy: 'order_id, line_no' });
    await fillSource(t, lineIds);
    await insertTarget(
      t,
      `SELECT toInt64(1 + intDiv(number, 3)), toInt32(number % 3), toDateTime64('2026-03-01 00:30:00', 3, 'UTC') + INTERVAL number * 70 MINUTE, concat('label ', toString(number)), toInt32(number) FROM numbers(11)`,
    );
    const { table, result } = await verified(t);
    expect(result.ok).toBe(false);
    expect(table).toMatchObject({ source: 12, target: 11, duplicated: 1, surplus: -1 });
    expect(result.reasons).toEqual([{ table: 'reading', kind: 'duplicated', reason: 'several_in_source', rows: 1 }]);
    const findings = await t.refill.doctor();
    expect(findings).toContainEqual(
      expect.objectContaining({ level: 'error', message: expect.stringContaining('KEY_NOT_UNIQUE') }),
    );
    for (const strategy of ['purge', 'replace'] as const) {
      if (strategy === 'replace' && engine === 'MergeTree') continue;
      const error = await thrown(() => t.refill.plan({ tenant: t.name, range: RANGE, strategy }));
      expect(error).toMatchObject({ code: 'KEY_NOT_UNIQUE' });
    }
    expect(await t.select('SELECT toString(count()) AS n FROM reading')).toEqual([{ n: '11' }]);
  },
);

test.each(['replace', 'purge'] as const)(
  '%s: a key that begins to be repeated after the plan was made is met by the run, before it deletes',
  async (strategy) => {
    const t = await createReadings();
    await fillSource(
      t,
      Array.from({ length: 30 }, (_, n) => [`'r${n}'`]),
    );
    expect(await refill(t, 'replace')).toBe('succeeded');
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
    await t.pg.query(
      `INSERT INTO plant.reading SELECT account, site, id, taken_at, 'again', 99 FROM plant.reading WHERE id = 'r5'`,
    );
    const states: string[] = [];
    for await (const event of t.refill.run(plan.id))
      if (event.type === 'result') states.push(`${event.state} ${event.error?.code ?? ''}`);
    expect(states).toEqual(['failed KEY_NOT_UNIQUE']);
    // The day with that key was deleted by the first run, and not again.
    const day = `position(command, 'IN PARTITION 20260301') > 0`;
    expect(
      await t.select(
        `SELECT toString(count()) AS n FROM system.mutations WHERE database = currentDatabase() AND ${day}`,
      ),
    ).toEqual([{ n: '1' }]);
  },
);

test('a join that yields two rows a key: 125 rows of which the target keeps 100 are no success', async () => {
  const t = await createReadings({
    join: 'LEFT JOIN plant.alias a ON a.id = r.id',
    sourceSchema: 'CREATE TABLE plant.alias (id text, name text)',
  });
  await fillSource(
    t,
    Array.from({ length: 100 }, (_, n) => [`'r${n}'`]),
  );
  await t.pg.query(`INSERT INTO plant.alias SELECT 'r' || n, 'a' FROM generate_series(0, 24) n, generate_series(1, 2)`);
  // A plan meets it in an hour of the source's rows, whatever the target has.
  for (const strategy of ['replace', 'purge'] as const)
    expect(await thrown(() => refill(t, strategy))).toMatchObject({ code: 'KEY_NOT_UNIQUE' });
  await insertTarget(
    t,
    `SELECT concat('r', toString(number)) AS id, toDateTime64('2026-03-01 00:30:00', 3, 'UTC') + INTERVAL (number % 60) * 70 MINUTE, concat('label ', toString(number)), toInt32(number) FROM numbers(100)`,
  );
  const { table } = await verified(t);
  expect(table).toMatchObject({ source: 125, target: 100, duplicated: 25 });
});
