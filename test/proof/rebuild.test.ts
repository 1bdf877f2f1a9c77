import { afterEach, describe, expect, test } from 'vitest';
import type { DependentAnswers } from '../../src/domain/dependents.ts';
import type { Strategy } from '../../src/domain/words.ts';
import { type DebugPoint, onDebugPoint } from '../../src/steps/debug-points.ts';
import { deterministicFunctions } from '../../src/target/functions.ts';
import { killed, onlyRun } from '../faults/program.ts';
import { openBench } from '../support/bench.ts';
import { ended, thrown } from '../support/cards.ts';
import type { TestTenant } from '../support/tenant.ts';
import { configFile, numberOf, planRequest, sensors } from './readings.ts';

afterEach(() => onDebugPoint(undefined));

/** Views with every kind of target and grain that can be rebuilt, each with what reads it as its readers do. */
const VIEWS: Readonly<Record<string, readonly [make: readonly string[], read: string]>> = {
  hourly: [
    [
      `CREATE MATERIALIZED VIEW DB.hourly (hour DateTime('UTC'), n UInt64, total Float64) ENGINE = SummingMergeTree ORDER BY hour
       AS SELECT toStartOfHour(taken_at) AS hour, count() AS n, sum(value / 3) AS total FROM DB.reading GROUP BY hour`,
    ],
    'SELECT hour AS b, sum(n) AS n, round(sum(total), 6) AS x FROM hourly GROUP BY b',
  ],
  daily: [
    [
      `CREATE TABLE DB.daily_total (customer String, profile String, day Date, sensor String, total AggregateFunction(sum, Float64), mean AggregateFunction(avg, Float64), known AggregateFunction(uniq, UInt64))
       ENGINE = AggregatingMergeTree PARTITION BY toYYYYMM(day) ORDER BY (customer, profile, day, sensor)`,
      `CREATE MATERIALIZED VIEW DB.daily TO DB.daily_total AS SELECT customer, profile, toDate(taken_at) AS day, sensor, sumState(value) AS total, avgState(value) AS mean, uniqState(reading_id) AS known
       FROM DB.reading WHERE sensor != 'sensor-2' GROUP BY customer, profile, day, sensor`,
    ],
    'SELECT day AS b, uniqMerge(known) AS n, round(sumMerge(total) + avgMerge(mean), 6) AS x FROM daily_total GROUP BY b',
  ],
  monthly: [
    [
      `CREATE MATERIALIZED VIEW DB.monthly (taken_at Date, n SimpleAggregateFunction(sum, UInt64), most SimpleAggregateFunction(max, Float64)) ENGINE = AggregatingMergeTree ORDER BY taken_at
       AS SELECT toStartOfMonth(taken_at) AS taken_at, count() AS n, max(value) AS most FROM DB.reading GROUP BY taken_at`,
    ],
    'SELECT taken_at AS b, sum(n) AS n, max(most) AS x FROM monthly GROUP BY b',
  ],
  newest: [
    [
      `CREATE MATERIALIZED VIEW DB.newest (at DateTime64(3, 'UTC'), reading_id UInt64, value Float64) ENGINE = ReplacingMergeTree ORDER BY (reading_id, at)
       AS SELECT taken_at AS at, reading_id, value FROM DB.reading`,
    ],
    'SELECT at AS b, count() AS n, sum(value) AS x FROM newest FINAL GROUP BY b',
  ],
  weekly: [
    [
      `CREATE MATERIALIZED VIEW DB.weekly (week Date, n UInt64) ENGINE = MergeTree ORDER BY week
       AS SELECT toStartOfInterval(r.taken_at, INTERVAL 1 WEEK) AS week, count() AS n FROM DB.reading AS r GROUP BY week`,
    ],
    'SELECT week AS b, sum(n) AS n, 0 AS x FROM weekly GROUP BY b',
  ],
};

/** Of the table without versions. */
const RAW = [
  `CREATE MATERIALIZED VIEW DB.raw_hourly (hour DateTime('UTC'), n UInt64) ENGINE = SummingMergeTree ORDER BY hour
   AS SELECT toStartOfHour(taken_at) AS hour, count() AS n FROM DB.raw_reading GROUP BY hour`,
];

/** What readers of each view see now. */
async function seen(t: TestTenant): Promise<Record<string, unknown>> {
  const found = await Promise.all(
    Object.entries(VIEWS).map(async ([name, [, read]]) => [name, await t.select(`${read} ORDER BY b`)] as const),
  );
  return Object.fromEntries(found);
}

async function planned(strategy: Strategy) {
  const t = await sensors({
    around: [...Object.values(VIEWS).flatMap(([make]) => make), ...RAW],
    limits: { windowRows: 300 },
  });
  // What the old code got wrong: a row too much, a row too few, a row twice, within the range.
  const right = await seen(t);
  const row = (id: number, value: number) =>
    t.command(
      `INSERT INTO reading SELECT '${t.name.customer}', '${t.name.profile}', ${id}, toDateTime64('2026-01-31 12:00:00', 3, 'UTC'), 'sensor-0', ${value}, '2026-02-10 00:00:01'`,
    );
  await row(77_777, 1000);
  await row(210, -5);
  const answers: DependentAnswers = Object.fromEntries(Object.keys(VIEWS).map((name) => [name, 'rebuild']));
  const raw: DependentAnswers = strategy === 'purge' ? { raw_hourly: 'rebuild' } : {};
  const tables = strategy === 'purge' ? ['reading', 'raw_reading'] : ['reading'];
  const plan = await t.refill.plan({ ...planRequest(t, { ...answers, ...raw }, strategy), tables });
  expect(await seen(t)).not.toEqual(right);
  return { t, plan, right };
}

async function expectRebuilt({ t, right }: Pick<Awaited<ReturnType<typeof planned>>, 't' | 'right'>): Promise<void> {
  expect(await seen(t)).toEqual(right);
  expect(
    await t.select(`SELECT name FROM system.tables WHERE database = '${t.database}' AND name LIKE 'refill%'`),
  ).toEqual([]);
}

describe.each(['purge', 'replace'] as const)('%s with views to rebuild', (strategy) => {
  test('every kind of target holds what its SELECT makes of the proven rows, in whole buckets', async () => {
    const made = await planned(strategy);
    const { t, plan } = made;
    for (const one of plan.dependents.filter(({ action }) => action === 'rebuild'))
      expect(one.sql).toContain('INSERT INTO');
    const { result } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect(new Set(result.dependents.map(({ state }) => state))).toEqual(new Set(['rebuilt']));
    await expectRebuilt(made);
    if (strategy === 'purge')
      expect(await numberOf(t, 'SELECT sum(n) AS n FROM raw_hourly')).toBe(
        await numberOf(t, 'SELECT count() AS n FROM raw_reading'),
      );
    const { audit } = await t.refill.status(result.run);
    expect(audit.filter(({ action }) => action === 'run.rebuild')).toHaveLength(result.dependents.length);
  });
});

// Rows are proven by then, whichever strategy has written them.
test.each(['rebuild-staged', 'rebuild-cleared', 'rebuild-written'] satisfies DebugPoint[])(
  'ends as if it had not been killed at %s',
  async (point) => {
    const made = await planned('replace');
    const { t, plan } = made;
    const config = await configFile(t.config);
    await killed(['run', plan.id, '--execute', '--config', config], `${point}:kill@2`);
    const { id } = await onlyRun(t);
    const { result } = await ended(t.refill.resume());
    expect(result).toMatchObject({ run: id, state: 'succeeded', differences: 0 });
    await expectRebuilt(made);
  },
);

const inserted = (t: TestTenant, id: number) =>
  `INSERT INTO reading SELECT '${t.name.customer}', '${t.name.profile}', ${id}, toDateTime64('2026-01-31 12:00:00', 3, 'UTC'), 'sensor-0', 1, now64(6)`;

test.each(['rebuild-staged', 'rebuild-cleared'] satisfies DebugPoint[])(
  'a live writer’s row that comes at %s is in the view once',
  async (point) => {
    const t = await sensors({ around: VIEWS['hourly']?.[0] ?? [] });
    const plan = await t.refill.plan({ ...planRequest(t, { hourly: 'rebuild' }, 'replace'), tables: ['reading'] });
    let written = false;
    onDebugPoint(async (at) => {
      if (at !== point || written) return;
      written = true;
      await t.command(inserted(t, 88_888));
    });
    const { result } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({ state: 'succeeded', dependents: [{ state: 'rebuilt' }] });
    expect(await numberOf(t, 'SELECT sum(n) AS n FROM hourly')).toBe(
      await numberOf(t, 'SELECT count() AS n FROM reading FINAL'),
    );
  },
);

test('a view into which something else writes is not called proven', async () => {
  const t = await sensors({
    around: [
      `CREATE TABLE DB.totals (hour DateTime('UTC'), n UInt64) ENGINE = SummingMergeTree ORDER BY hour`,
      `CREATE MATERIALIZED VIEW DB.hourly TO DB.totals AS SELECT toStartOfHour(taken_at) AS hour, count() AS n FROM DB.reading GROUP BY hour`,
    ],
  });
  const plan = await t.refill.plan({ ...planRequest(t, { hourly: 'rebuild' }, 'replace'), tables: ['reading'] });
  onDebugPoint(async (at) => {
    if (at === 'rebuild-written') await t.command(`INSERT INTO totals VALUES ('2026-01-31 12:00:00', 1000)`);
  });
  const { result } = await ended(t.refill.run(plan.id));
  expect(result).toMatchObject({
    state: 'failed',
    error: { code: 'DEPENDENT_UNPROVEN', message: expect.stringContaining('2026-01-31 12:00:00') },
    dependents: [{ state: 'pending' }],
  });
  onDebugPoint(undefined);
  expect((await ended(t.refill.retry())).result).toMatchObject({
    state: 'succeeded',
    dependents: [{ state: 'rebuilt' }],
  });
});

const VIEW = (select: string, engine = 'MergeTree ORDER BY tuple()') =>
  `CREATE MATERIALIZED VIEW DB.view ENGINE = ${engine} AS ${select}`;

describe('what cannot be rebuilt is refused by name', () => {
  test.each<readonly [what: string, around: readonly string[], why: string]>([
    [
      'no time',
      [VIEW('SELECT sensor, count() AS n FROM DB.reading GROUP BY sensor')],
      'none of its columns follows from taken_at',
    ],
    [
      'another time',
      [VIEW('SELECT toHour(taken_at) AS hour, count() AS n FROM DB.reading GROUP BY hour')],
      'none of its columns follows from taken_at',
    ],
    [
      'a time that merges lose',
      [
        VIEW(
          'SELECT toDate(taken_at) AS day, sensor, count() AS n FROM DB.reading GROUP BY day, sensor',
          'SummingMergeTree(n) ORDER BY sensor',
        ),
      ],
      'in the sorting key',
    ],
    [
      'a join',
      [
        VIEW(
          'SELECT toDate(r.taken_at) AS day, count() AS n FROM DB.reading r JOIN DB.raw_reading w ON w.reading_id = r.reading_id GROUP BY day',
        ),
      ],
      'has JOIN',
    ],
    [
      'a subquery',
      [VIEW('SELECT toDate(taken_at) AS day, count() AS n FROM (SELECT * FROM DB.reading) GROUP BY day')],
      'another one in it',
    ],
    [
      'having',
      [VIEW('SELECT toDate(taken_at) AS day, count() AS n FROM DB.reading GROUP BY day HAVING n > 1')],
      'has HAVING',
    ],
    [
      'the clock',
      [VIEW('SELECT toDate(taken_at) AS day, count() AS n, now() AS made FROM DB.reading GROUP BY day')],
      'now does not give the same',
    ],
    [
      'any row',
      [VIEW('SELECT toDate(taken_at) AS day, any(value) AS v FROM DB.reading GROUP BY day')],
      'any does not give the same',
    ],
    [
      'another engine',
      [
        VIEW(
          'SELECT toDate(taken_at) AS day, toInt8(1) AS sign FROM DB.reading',
          'CollapsingMergeTree(sign) ORDER BY day',
        ),
      ],
      'writes to a CollapsingMergeTree',
    ],
    [
      'two writers',
      [
        'CREATE TABLE DB.both (day Date, n UInt64) ENGINE = SummingMergeTree ORDER BY day',
        'CREATE MATERIALIZED VIEW DB.view TO DB.both AS SELECT toDate(taken_at) AS day, count() AS n FROM DB.reading GROUP BY day',
        'CREATE MATERIALIZED VIEW DB.second TO DB.both AS SELECT toDate(taken_at) AS day, count() AS n FROM DB.raw_reading GROUP BY day',
      ],
      'second writes to the same table',
    ],
    [
      'a view behind it',
      [
        'CREATE TABLE DB.days (day Date, n UInt64) ENGINE = SummingMergeTree ORDER BY day',
        'CREATE MATERIALIZED VIEW DB.view TO DB.days AS SELECT toDate(taken_at) AS day, count() AS n FROM DB.reading GROUP BY day',
        'CREATE MATERIALIZED VIEW DB.behind ENGINE = MergeTree ORDER BY day AS SELECT day, n FROM DB.days',
      ],
      'other views are triggered',
    ],
    [
      'a TTL',
      [
        VIEW('SELECT toDate(taken_at) AS day, count() AS n FROM DB.reading GROUP BY day'),
        'ALTER TABLE DB.reading MODIFY TTL toDateTime(taken_at) + INTERVAL 50 YEAR',
      ],
      'the table has a TTL',
    ],
  ])('%s', async (_, around, why) => {
    const t = await sensors({ around });
    const leave: DependentAnswers = { '*.second': 'leave', '*.behind': 'leave' };
    const known = Object.fromEntries(
      Object.entries(leave).filter(([name]) => around.some((sql) => sql.includes(`DB.${name.slice(2)} `))),
    );
    expect(await thrown(() => t.refill.plan(planRequest(t, { ...known, view: 'rebuild' })))).toMatchObject({
      code: 'DEPENDENTS',
      message: expect.stringContaining(why),
    });
  });

  // Whether `neighbor` or a program of its users repeats itself, the server does not say.
  test('a function that the server does not call deterministic', async () => {
    const bench = await openBench(await sensors());
    const asked = ['toStartOfHour', 'toDate', 'now', 'neighbor', 'runningDifference', 'sum', 'no_such_function'];
    expect(await deterministicFunctions(bench.target, asked)).toEqual(new Set(['tostartofhour', 'todate']));
  });

  test('tenants that share a view which does not keep them apart', async () => {
    const t = await sensors({ around: VIEWS['hourly']?.[0] ?? [] });
    await t.command(
      `INSERT INTO reading SELECT 'somebody', 'else', 5, toDateTime64('2026-01-31 12:00:00', 3, 'UTC'), 'sensor-0', 1, '2026-02-10 00:00:00'`,
    );
    expect(await thrown(() => t.refill.plan(planRequest(t, { hourly: 'rebuild' })))).toMatchObject({
      code: 'DEPENDENTS',
      message: expect.stringContaining('does not keep tenants apart'),
    });
  });
});
