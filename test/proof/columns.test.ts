import { describe, expect, test } from 'vitest';
import type { DatasetDefinition, TableDefinition } from '../../src/index.ts';
import { date, int, text, timestamp } from '../../src/index.ts';
import { asRefillError } from '../../src/domain/errors.ts';
import type { RunEvent, RunResult } from '../../src/domain/events.ts';
import { writeReport } from '../../src/report/report.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';
import { onDebugPoint } from '../../src/steps/debug-points.ts';

/** Columns of the target that a dataset does not derive, or derives under any name. */

const RANGE = { from: '2026-01-05T00:00:00.000Z', to: '2026-01-06T00:00:00.000Z' };
const ROWS = 50;

const SOURCE = `CREATE TABLE src (id bigint PRIMARY KEY, at timestamptz NOT NULL, name text);
INSERT INTO src SELECT n, timestamptz '2026-01-05 00:00Z' + n * interval '10 minutes', 'row ' || n FROM generate_series(1, ${ROWS}) n`;

function tableOf(more: Partial<TableDefinition> = {}): TableDefinition {
  const rows = (where: string) => `SELECT * FROM src WHERE ${where}`;
  return {
    name: 'out',
    key: 'id',
    time: 'at',
    version: 'synced_at',
    source: {
      from: ':rows AS s',
      rowsInRange: rows('at >= :from AND at < :to'),
      rowsByKey: rows('id = ANY (:keys::bigint[])'),
      whereKey: 'true',
    },
    exclusions: [],
    ...more,
    columns: { id: int('s.id'), at: timestamp('s.at'), ...more.columns },
  };
}

const datasetOf = (...tables: readonly TableDefinition[]): DatasetDefinition => ({
  name: 'things',
  tenants: `SELECT 'acme' AS customer, 'test' AS profile`,
  tables,
});

const outOf =
  (columns: string, version = `DateTime64(6, 'UTC')`) =>
  (database: string) => [
    `CREATE TABLE \`${database}\`.out (id UInt64, at DateTime64(3, 'UTC'), ${columns}, synced_at ${version})
   ENGINE = ReplacingMergeTree(synced_at) PARTITION BY toYYYYMM(at) ORDER BY id`,
  ];

/** What another pipeline wrote before. */
const FILL = (columns: string, values: string) =>
  `INSERT INTO out (id, at, synced_at, ${columns}) SELECT number + 1, toDateTime64('2026-01-05 00:00:00', 3, 'UTC') + (number + 1) * 600, '2026-01-06 00:00:00', ${values} FROM numbers(${ROWS})`;

const thrown = (task: () => Promise<unknown>) => task().then(() => undefined, asRefillError);

async function ended(events: AsyncIterable<RunEvent>): Promise<RunResult> {
  for await (const event of events) if (event.type === 'result') return event;
  throw new Error('no result');
}

const request = (t: TestTenant) => ({ tenant: t.name, range: RANGE });

test('a column that nobody accounts for is an error of doctor, plan and verify, of all tables at once', async () => {
  const schema = (database: string) => [
    ...outOf(`note String DEFAULT 'none', tag LowCardinality(String)`)(database),
    `CREATE TABLE \`${database}\`.second (id UInt64, at DateTime64(3, 'UTC'), extra UInt8 DEFAULT 1) ENGINE = MergeTree ORDER BY id`,
  ];
  const { version: _, ...plain } = tableOf({ name: 'second', columns: { gone: text('s.name') } });
  const t = await createTenant({ dataset: datasetOf(tableOf(), plain), sourceSchema: SOURCE, targetSchema: schema });
  await t.command(FILL('note, tag', `'wrong', 'x'`));
  for (const ask of [() => t.refill.plan(request(t)), () => t.refill.verify(request(t))]) {
    const error = await thrown(ask);
    expect(error).toMatchObject({ code: 'DATASET_INVALID', exit: 2 });
    for (const column of ['note', 'tag', 'extra', 'gone'])
      expect(error?.message).toMatch(new RegExp(`\\b${column}:`, 'u'));
    expect(error?.hint).toContain('unproven');
  }
  const findings = (await t.refill.doctor()).filter((f) => f.level === 'error' && f.check === 'dataset');
  expect(findings).toHaveLength(1);
  for (const column of ['note', 'tag', 'extra', 'gone']) expect(findings[0]?.message).toContain(`${column}:`);
});

describe('unproven columns', () => {
  const unproven = { note: 'people write it by hand' };

  test('are named in plan, verification, result and report; without a lost value a run may begin', async () => {
    const t = await createTenant({
      dataset: datasetOf(tableOf({ unproven })),
      sourceSchema: SOURCE,
      targetSchema: outOf(`note String DEFAULT 'none', made String MATERIALIZED upper(note)`),
    });
    await t.command(FILL('note', `'none'`));
    const named = [
      { table: 'out', column: 'note', reason: 'people write it by hand' },
      { table: 'out', column: 'made', reason: 'MATERIALIZED: the server computes it (upper(note))' },
    ];
    const plan = await t.refill.plan(request(t));
    expect(plan.unproven).toEqual(named);
    expect(await t.refill.verify(request(t))).toMatchObject({ ok: true, unproven: named });
    const result = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({ state: 'succeeded', unproven: named });
    const details = await t.refill.status(result.run);
    for (const format of ['markdown', 'html', 'json'] as const)
      expect(writeReport(details, format)).toContain('people write it by hand');
  });

  test('a plan that would lose values is refused with their number, whatever the default', async () => {
    const losses = {
      constant: [`String DEFAULT 'none'`, `if(number < 7, 'kept', 'none')`, '7 rows'],
      plain: ['String', `if(number < 3, 'kept', '')`, '3 rows'],
      nothing: ['Nullable(UInt8)', 'if(number < 2, 0, NULL)', '2 rows'],
      nan: ['Array(Float64) DEFAULT [nan]', 'if(number < 1, [0.5], [nan])', '1 row$'],
      'of row': ['String DEFAULT toString(id)', `if(number < 5, 'x', toString(number + 1))`, '5 rows'],
      own: ['DateTime DEFAULT now()', `toDateTime('2026-01-05 00:00:00')`, `${ROWS} rows \\(its default, now\\(\\)`],
      fine: ['Float64', '0', null],
    } as const;
    const names = Object.keys(losses).map((name) => `\`${name}\``);
    const columns = Object.entries(losses).map(([name, [type]]) => `\`${name}\` ${type}`);
    const reasons = Object.fromEntries(Object.keys(losses).map((name) => [name, 'test']));
    const t = await createTenant({
      dataset: datasetOf(tableOf({ unproven: reasons })),
      sourceSchema: SOURCE,
      targetSchema: outOf(columns.join(', ')),
    });
    const values = Object.values(losses).map(([, value]) => value);
    await t.command(FILL(names.join(', '), values.join(', ')));
    const error = await thrown(() => t.refill.plan(request(t)));
    expect(error).toMatchObject({ code: 'COLUMN_RESET', exit: 3 });
    const said = error?.message.split('hold something else: ')[1]?.split('; ') ?? [];
    const meant = Object.entries(losses).flatMap(([name, [, , rows]]) =>
      rows === null ? [] : [`^out\\.${name}: ${rows}`],
    );
    expect(said).toHaveLength(meant.length);
    for (const [n, one] of meant.entries()) expect(said[n]).toMatch(new RegExp(one, 'u'));
    expect(error?.message).not.toContain('kept');
  });

  test('a MATERIALIZED column that holds something else than its expression is one of them', async () => {
    const t = await createTenant({
      dataset: datasetOf(tableOf()),
      sourceSchema: SOURCE,
      targetSchema: outOf('made UInt8 MATERIALIZED 1'),
    });
    await t.command(
      FILL('id', 'number + 1').replace('synced_at, id', 'synced_at').replace(', number + 1 FROM', ' FROM'),
    );
    expect(await thrown(() => t.refill.plan(request(t)))).toBeUndefined();
    await t.command('ALTER TABLE out MODIFY COLUMN made UInt8 MATERIALIZED 2');
    expect((await thrown(() => t.refill.plan(request(t))))?.message).toContain(`out.made: ${ROWS} rows`);
  });

  test.each(['replace', 'purge'] as const)(
    '%s: a value that comes after the plan is not lost either',
    async (strategy) => {
      const t = await createTenant({
        dataset: datasetOf(tableOf({ unproven })),
        sourceSchema: SOURCE,
        targetSchema: outOf(`note String DEFAULT 'none'`),
        limits: { countDrift: 1 },
      });
      await t.command(FILL('note', `'none'`));
      const plan = await t.refill.plan({ ...request(t), strategy });
      const put = (note: string) => t.command(`ALTER TABLE out UPDATE note = '${note}' WHERE id <= 4`);
      const kept = () => t.select(`SELECT count() AS n FROM out WHERE note = 'kept'`);
      // Before the run: nothing begins.
      await put('kept');
      expect(await thrown(() => ended(t.refill.run(plan.id)))).toMatchObject({ code: 'COLUMN_RESET', exit: 3 });
      expect([await t.refill.runs(), await kept()]).toEqual([[], [{ n: 4 }]]);
      // And between that check and the first write.
      await put('none');
      let done = false;
      onDebugPoint(async (point) => {
        if (point !== 'epoch-kept' || done) return;
        done = true;
        await put('kept');
      });
      const result = await ended(t.refill.run(plan.id)).finally(() => onDebugPoint(undefined));
      expect(result).toMatchObject({ state: 'failed', rowsDeleted: 0, error: { code: 'COLUMN_RESET' } });
      expect(await kept()).toEqual([{ n: 4 }]);
    },
  );

  test('listed under `resets` they are written over, and the plan says how many', async () => {
    const t = await createTenant({
      dataset: datasetOf(tableOf({ unproven, resets: ['note'] })),
      sourceSchema: SOURCE,
      targetSchema: outOf(`note String DEFAULT 'none'`),
    });
    await t.command(FILL('note', `'kept'`));
    const plan = await t.refill.plan(request(t));
    const warned = plan.warnings.filter(({ code }) => code === 'COLUMN_RESETS').map(({ message }) => message);
    expect(warned).toHaveLength(1);
    expect(warned[0]).toContain(`out.note: ${ROWS} rows`);
    expect(await ended(t.refill.run(plan.id))).toMatchObject({ state: 'succeeded' });
    expect(await t.select('SELECT DISTINCT note FROM out FINAL')).toEqual([{ note: 'none' }]);
  });
});

describe('columns that no insert fills', () => {
  test.each([
    ['key', 'ALIAS', 'code String ALIAS toString(id)', { key: 'code', columns: { code: text('s.id') } }],
    ['time', 'MATERIALIZED', 'day Date MATERIALIZED toDate(at)', { time: 'day', columns: { day: date('s.at::date') } }],
    [
      'version',
      'ALIAS',
      `seen DateTime64(6, 'UTC') ALIAS synced_at`,
      { version: 'seen', unproven: { synced_at: 'test' } },
    ],
    ['column', 'EPHEMERAL', 'raw String EPHEMERAL', { columns: { raw: text('s.name') } }],
  ] as const)('a %s that is %s is named as that', async (role, kind, column, more) => {
    const t = await createTenant({
      dataset: datasetOf(tableOf(more)),
      sourceSchema: SOURCE,
      targetSchema: outOf(column),
    });
    const error = await thrown(() => t.refill.plan(request(t)));
    expect(error?.code).toBe('DATASET_INVALID');
    expect(error?.message).toMatch(
      new RegExp(`${role === 'column' ? 'it' : `the ${role}`} is an? ${kind} column of the target`, 'u'),
    );
  });
});

test.each(['UInt64', 'Float64'])('a version of %s is refused: a time is no counter', async (type) => {
  const t = await createTenant({
    dataset: datasetOf(tableOf()),
    sourceSchema: SOURCE,
    targetSchema: outOf(`note String ALIAS 'x'`, type),
  });
  const error = await thrown(() => t.refill.plan(request(t)));
  expect(error?.code).toBe('DATASET_INVALID');
  expect(error?.message).toContain(`synced_at: the version is ${type}`);
});

/** Every one of these is a column of its own. */
const NAMES = [
  'reason',
  'hour',
  'rows',
  'key',
  'a.b',
  'a"b',
  "it's",
  'back`tick',
  'back\\slash',
  'semi;colon',
  ':from',
  'x:customer',
  '$1',
  '{p:String}',
  'select',
  'FROM',
  'größe',
  '列',
  'with space',
  'a,b',
  'a)b',
  '?',
  '--',
  '/*',
  '%s',
  'refill_1',
  'constructor',
  'toString',
  'refill_xx',
  'refill_line',
  'refill_bucket',
  'refill_key',
  'refill_time',
  'x'.repeat(80),
];

test('a column that is named as Refill names its own is refused', async () => {
  const t = await createTenant({
    dataset: datasetOf(tableOf({ columns: { refill_own_line: text('s.name') } })),
    sourceSchema: SOURCE,
    targetSchema: outOf('refill_own_line String'),
  });
  const error = await thrown(() => t.refill.plan(request(t)));
  expect(error).toMatchObject({ code: 'DATASET_INVALID', message: expect.stringContaining('refill_own_line') });
});

const quoted = (name: string) => `\`${name.replaceAll('\\', '\\\\').replaceAll('`', '\\`')}\``;

test('a column may have any name', async () => {
  const columns = Object.fromEntries(NAMES.map((name) => [name, text('s.name', { ifNull: ':from' })]));
  const t = await createTenant({
    dataset: datasetOf(tableOf({ columns })),
    sourceSchema: SOURCE,
    targetSchema: outOf(NAMES.map((name) => `${quoted(name)} String`).join(', ')),
  });
  await t.pg.query('UPDATE src SET name = NULL WHERE id = 1');
  const result = await ended(t.refill.run((await t.refill.plan({ ...request(t), strategy: 'purge' })).id));
  expect(result).toMatchObject({ state: 'succeeded', rowsWritten: ROWS });
  const stored = await t.select<{ id: string; values: string[] }>(
    `SELECT id, arrayDistinct([${NAMES.map(quoted).join(', ')}]) AS values FROM out ORDER BY id`,
  );
  expect(stored.map(({ values }) => values)).toEqual(
    Array.from({ length: ROWS }, (_, n) => [n === 0 ? ':from' : `row ${n + 1}`]),
  );
  // What differs is looked up by key in the same columns.
  await t.command(`ALTER TABLE out UPDATE ${quoted('列')} = 'x' WHERE id = 9`);
  expect(await t.refill.verify(request(t))).toMatchObject({
    ok: false,
    tables: [{ stale: 1, keys: { stale: ['9'] } }],
  });
});

test.each(['reason', 'refill_key', "a.b it's 列 :to"])('key and time may be called anything: %s', async (name) => {
  const table = tableOf();
  const { id, at } = table.columns;
  if (!id || !at) throw new Error('no columns');
  const [key, time] = [name, `${name} time`];
  const t = await createTenant({
    dataset: datasetOf({ ...table, key, time, columns: { [key]: id, [time]: at } }),
    sourceSchema: SOURCE,
    targetSchema: (database) => [
      `CREATE TABLE \`${database}\`.out (${quoted(key)} UInt64, ${quoted(time)} DateTime64(3, 'UTC'), synced_at DateTime64(6, 'UTC'))
       ENGINE = ReplacingMergeTree(synced_at) ORDER BY ${quoted(key)}`,
    ],
  });
  await t.command(`INSERT INTO out SELECT 1000, '2026-01-05 10:00:00', '2026-01-05 10:00:00'`);
  expect(await t.refill.verify(request(t))).toMatchObject({
    tables: [{ missing: ROWS, extra: 1, keys: { extra: ['1000'] } }],
  });
  expect(await ended(t.refill.run((await t.refill.plan(request(t))).id))).toMatchObject({ state: 'succeeded' });
  expect(await t.refill.verify(request(t))).toMatchObject({ ok: true });
});
