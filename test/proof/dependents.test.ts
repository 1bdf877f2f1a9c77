import { describe, expect, test } from 'vitest';
import { decide, type Dependent } from '../../src/domain/dependents.ts';
import { asRefillError } from '../../src/domain/errors.ts';
import { ended, thrown } from '../support/cards.ts';
import { openRefill } from '../support/executor.ts';
import type { TestTenant } from '../support/tenant.ts';
import { answering, numberOf, planRequest, sensors } from './readings.ts';

const HOURLY = `CREATE MATERIALIZED VIEW DB.hourly (hour DateTime('UTC'), n UInt64) ENGINE = SummingMergeTree ORDER BY hour
  AS SELECT toStartOfHour(taken_at) AS hour, count() AS n FROM DB.reading GROUP BY hour`;

/** Everything around a table, each of which is another kind. */
const AROUND = [
  HOURLY,
  `CREATE TABLE DB.daily_total (day Date, sensor String, total AggregateFunction(sum, Float64)) ENGINE = AggregatingMergeTree ORDER BY (day, sensor)`,
  `CREATE MATERIALIZED VIEW DB.daily TO DB.daily_total AS SELECT toDate(taken_at) AS day, sensor, sumState(value) AS total FROM DB.reading GROUP BY day, sensor`,
  `CREATE MATERIALIZED VIEW DB.chained ENGINE = MergeTree ORDER BY day AS SELECT day, count() AS n FROM DB.daily_total GROUP BY day`,
  `CREATE MATERIALIZED VIEW DB.nested ENGINE = MergeTree ORDER BY n AS WITH 1 AS one SELECT count() + one AS n FROM (SELECT * FROM DB.reading)`,
  `CREATE TABLE DB.nothing (n UInt64) ENGINE = Null`,
  `CREATE MATERIALIZED VIEW DB.into_nothing TO DB.nothing AS SELECT count() AS n FROM DB.reading`,
  `CREATE TABLE DB.nothing_but (n UInt64) ENGINE = Null`,
  `CREATE MATERIALIZED VIEW DB.into_nothing_but TO DB.nothing_but AS SELECT count() AS n FROM DB.reading`,
  `CREATE MATERIALIZED VIEW DB.behind_nothing ENGINE = MergeTree ORDER BY n AS SELECT sum(n) AS n FROM DB.nothing_but`,
  `CREATE TABLE DB.sensor (sensor String, room String) ENGINE = MergeTree ORDER BY sensor`,
  `CREATE MATERIALIZED VIEW DB.joined ENGINE = MergeTree ORDER BY room AS SELECT s.room AS room, r.value AS value FROM DB.sensor s LEFT JOIN DB.reading r ON r.sensor = s.sensor`,
  `CREATE MATERIALIZED VIEW DB.refreshed REFRESH EVERY 1 DAY ENGINE = MergeTree ORDER BY n AS SELECT count() AS n FROM DB.reading`,
  `CREATE MATERIALIZED VIEW DB.appended REFRESH EVERY 1 DAY APPEND ENGINE = MergeTree ORDER BY n AS SELECT count() AS n FROM DB.reading`,
  `CREATE VIEW DB.plain AS SELECT * FROM DB.reading`,
  `CREATE VIEW DB.parametrised AS SELECT * FROM DB.reading WHERE sensor = {sensor:String}`,
  `CREATE TABLE DB.buffered AS DB.reading ENGINE = Buffer(DB, 'reading', 1, 10, 100, 10, 100, 1000, 10000)`,
  `CREATE TABLE DB.merged AS DB.reading ENGINE = Merge(DB, '^reading$')`,
  `CREATE TABLE DB.spread AS DB.reading ENGINE = Distributed('conversations', DB, 'reading', rand())`,
  `CREATE MATERIALIZED VIEW DB.of_spread ENGINE = MergeTree ORDER BY n AS SELECT count() AS n FROM DB.spread`,
  `CREATE TABLE DB.incoming AS DB.reading ENGINE = Null`,
  `CREATE MATERIALIZED VIEW DB.writes TO DB.reading AS SELECT * FROM DB.incoming`,
  `CREATE DICTIONARY DB.looked_up (reading_id UInt64, value Float64) PRIMARY KEY reading_id SOURCE(CLICKHOUSE(DB 'NAME' TABLE 'reading')) LAYOUT(HASHED()) LIFETIME(300)`,
  `CREATE DICTIONARY DB.updated (reading_id UInt64, value Float64) PRIMARY KEY reading_id SOURCE(CLICKHOUSE(QUERY 'SELECT reading_id, value FROM NAME.reading' UPDATE_FIELD 'read_at')) LAYOUT(HASHED()) LIFETIME(300)`,
  `ALTER TABLE DB.reading MODIFY SETTING deduplicate_merge_projection_mode = 'drop'`,
  `ALTER TABLE DB.reading ADD PROJECTION by_sensor (SELECT sensor, count() GROUP BY sensor)`,
  `ALTER TABLE DB.reading ADD CONSTRAINT positive CHECK value >= 0`,
  `ALTER TABLE DB.reading MODIFY TTL toDateTime(taken_at) + INTERVAL 50 YEAR`,
];

/** Makes them after the tables: a test tenant is filled when it is made, and some of these cannot be made with a name in them. */
async function surrounded(): Promise<TestTenant> {
  const t = await sensors();
  for (const sql of AROUND)
    await t.command(
      sql
        .replaceAll("'NAME'", `'${t.database}'`)
        .replaceAll('NAME.', `${t.database}.`)
        .replace(/(Buffer|Merge)\(DB/u, `$1('${t.database}'`)
        .replace(", DB, 'reading'", `, '${t.database}', 'reading'`)
        .replaceAll('DB', `\`${t.database}\``),
    );
  return t;
}

const HARMED = ['appended', 'behind_nothing', 'chained', 'daily', 'hourly', 'into_nothing_but', 'nested', 'updated'];
const SAFE = [
  'buffered',
  'into_nothing',
  'joined',
  'looked_up',
  'merged',
  'of_spread',
  'parametrised',
  'plain',
  'reading.TTL',
  'reading.by_sensor',
  'reading.positive',
  'refreshed',
  'spread',
  'writes',
];

describe('what depends on a table', () => {
  test('every kind is found: what would be damaged is refused by name, the rest is safe and says why', async () => {
    const t = await surrounded();
    const error = await thrown(() => t.refill.plan(planRequest(t)));
    expect(error).toMatchObject({ code: 'DEPENDENTS', hint: expect.stringContaining('--dependent NAME=ACTION') });
    const problems = asRefillError(error).message;
    for (const name of HARMED) expect(problems).toContain(`${t.database}.${name} (`);
    for (const name of SAFE) expect(problems).not.toContain(`${t.database}.${name} (`);
    expect(
      await t.select(`SELECT 1 FROM system.mutations WHERE database = '${t.database}' AND command LIKE '%refill%'`),
    ).toEqual([]);

    const findings = (await t.refill.doctor()).filter(({ check }) => check === 'dependents');
    const named = (level: string) =>
      findings
        .filter((f) => f.level === level)
        .map(({ subject }) => subject.replace(`${t.database}.`, ''))
        .sort();
    expect(named('warning')).toEqual(HARMED);
    expect(named('ok')).toEqual([...SAFE].sort());
    expect(findings.find(({ subject }) => subject.endsWith('.writes'))?.message).toContain('a Null table');

    const leave = Object.fromEntries(HARMED.map((name) => [name, 'leave' as const]));
    const plan = await t.refill.plan(planRequest(t, leave));
    const short = (name: string) => name.replace(`${t.database}.`, '');
    expect(
      plan.dependents
        .filter(({ harmed }) => harmed)
        .map(({ name }) => short(name))
        .sort(),
    ).toEqual(HARMED);
    expect(
      plan.dependents
        .filter(({ harmed }) => !harmed)
        .map(({ name }) => short(name))
        .sort(),
    ).toEqual([...SAFE].sort());
    expect(plan.warnings.filter(({ code }) => code === 'DEPENDENT')).toHaveLength(HARMED.length);
    for (const one of plan.dependents) expect(one.why).not.toBe('');
  });

  test('a view in another database is found, and an answer means it by its full name only', async () => {
    const t = await sensors();
    const other = `${t.database}_reports`;
    await t.command(`CREATE DATABASE \`${other}\``);
    await t.command(HOURLY.replace('DB.hourly', `\`${other}\`.hourly`).replaceAll('DB', `\`${t.database}\``));
    try {
      expect(await thrown(() => t.refill.plan(planRequest(t, { hourly: 'leave' })))).toMatchObject({
        code: 'DEPENDENT_UNKNOWN',
        message: expect.stringContaining(`${other}.hourly`),
      });
      for (const name of [`${other}.hourly`, '*.hourly'])
        expect((await t.refill.plan(planRequest(t, { [name]: 'leave' }))).dependents).toMatchObject([
          { name: `${other}.hourly`, table: 'reading', action: 'leave' },
        ]);
    } finally {
      await t.command(`DROP DATABASE \`${other}\` SYNC`);
    }
  });

  test('the configuration answers for every tenant, and the plan goes before it; an unknown name is an error', async () => {
    const t = await sensors({ around: [HOURLY] });
    const configured = openRefill(answering(t.config, { hourly: 'leave', somebody_elses: 'leave' }));
    try {
      expect((await configured.plan(planRequest(t))).dependents).toMatchObject([{ action: 'leave' }]);
      expect((await configured.plan(planRequest(t, { hourly: 'bypass' }))).dependents).toMatchObject([
        { action: 'bypass' },
      ]);
      expect(await thrown(() => configured.plan(planRequest(t, { hourli: 'leave' })))).toMatchObject({
        code: 'DEPENDENT_UNKNOWN',
        message: expect.stringContaining('hourli'),
      });
    } finally {
      await configured.close();
    }
  });

  test('a fleet is planned where some tenant has the view that is named, and refused where none has', async () => {
    const t = await sensors({ around: [HOURLY] });
    const { range } = planRequest(t);
    const fleet = await t.refill.planFleet({ range, tenants: [t.name], dependents: { hourly: 'leave' } });
    expect(fleet.members).toMatchObject([{ problem: null }]);
    expect(
      await thrown(() =>
        t.refill.planFleet({ range, tenants: [t.name], dependents: { hourly: 'leave', hourli: 'leave' } }),
      ),
    ).toMatchObject({ code: 'DEPENDENT_UNKNOWN' });
    expect(await thrown(() => t.refill.planFleet({ range, tenants: [t.name] }))).toMatchObject({ code: 'DEPENDENTS' });
  });
});

describe('a run', () => {
  test.each(['purge', 'replace'] as const)(
    '%s: is refused where a view was made or changed since its plan',
    async (strategy) => {
      const t = await sensors();
      const request = { ...planRequest(t, undefined, strategy), tables: ['reading'] };
      const before = await t.refill.plan(request);
      await t.command(HOURLY.replaceAll('DB', `\`${t.database}\``));
      const refusal = await thrown(() => ended(t.refill.run(before.id)));
      expect(refusal).toMatchObject({ code: 'DEPENDENTS', message: expect.stringContaining(`${t.database}.hourly`) });
      const answered = await t.refill.plan({ ...request, dependents: { hourly: 'leave' } });
      await t.command('DROP VIEW hourly SYNC');
      await t.command(HOURLY.replace('count() AS n', 'countIf(value > 1) AS n').replaceAll('DB', `\`${t.database}\``));
      expect(await thrown(() => ended(t.refill.run(answered.id)))).toMatchObject({ code: 'DEPENDENTS' });
      expect(await t.select(`SELECT 1 FROM system.mutations WHERE database = '${t.database}'`)).toEqual([]);
    },
  );

  test('a view that was left counts again, as the plan and the result say', async () => {
    const t = await sensors({ around: [HOURLY] });
    const n = 'SELECT sum(n) AS n FROM hourly';
    const before = await numberOf(t, n);
    const plan = await t.refill.plan(planRequest(t, { hourly: 'leave' }));
    const { result } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({
      state: 'succeeded',
      differences: 0,
      dependents: [{ name: `${t.database}.hourly`, action: 'leave', state: 'left' }],
    });
    expect(await numberOf(t, n)).toBeGreaterThan(before);
  });
});

test('what comes after a bypassed view is bypassed with it; by itself it cannot be', () => {
  const one = (name: string, more: Partial<Dependent>): Dependent => ({
    name,
    aliases: [name],
    table: 'reading',
    kind: 'materialized view',
    through: [],
    harmed: true,
    why: 'counts again',
    impossible: {},
    definition: 'x',
    ...more,
  });
  const found = [one('a', {}), one('b', { through: ['a'], impossible: { bypass: 'it goes with a' } })];
  expect(decide(found, { a: 'bypass' })).toMatchObject({
    planned: [{ action: 'bypass' }, { action: 'bypass' }],
    problems: [],
  });
  expect(decide(found, { a: 'leave', b: 'bypass' }).problems).toEqual([expect.stringContaining('it goes with a')]);
  expect(decide(found, { a: 'leave' }).problems).toEqual([expect.stringContaining('b (materialized view')]);
});

describe.each(['purge', 'replace'] as const)('%s with a view that throws', (strategy) => {
  test('names the view, takes no old row from readers, and a retry ends it', async () => {
    const t = await sensors({
      around: [
        `CREATE TABLE DB.checked (n UInt64) ENGINE = MergeTree ORDER BY n`,
        // It fails on the rows of one sensor, in the middle of the window, once there is a row in "broken".
        `CREATE TABLE DB.broken (n UInt64) ENGINE = MergeTree ORDER BY n`,
        `CREATE MATERIALIZED VIEW DB.checks TO DB.checked AS SELECT throwIf(reading_id = 300 AND (SELECT count() FROM DB.broken) > 0) AS n FROM DB.reading`,
      ],
    });
    const request = { ...planRequest(t, { checks: 'leave' }, strategy), tables: ['reading'] };
    const plan = await t.refill.plan(request);
    await t.command('INSERT INTO broken VALUES (1)');
    const february = `SELECT uniqExact(reading_id) AS n FROM reading WHERE taken_at >= '2026-02-01'`;
    const before = await numberOf(t, february);
    const { result } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({
      state: 'failed',
      error: { code: 'CH_VIEW_FAILED', message: expect.stringContaining(`${t.database}.checks`) },
    });
    if (strategy === 'purge') {
      const newer = `SELECT count() AS n FROM reading WHERE taken_at >= '2026-02-01' AND read_at > '2026-02-10 00:00:01'`;
      expect(await numberOf(t, newer)).toBe(0);
    } else {
      // A merge may put new rows in place of old ones at any time: whoever removes the new ones removes both.
      const clears = `SELECT count() AS n FROM system.mutations WHERE database = '${t.database}' AND table = 'reading'
        AND command LIKE '%refill ${result.run} window %'`;
      expect(await numberOf(t, clears)).toBe(0);
      await t.command('OPTIMIZE TABLE reading FINAL');
      expect(await numberOf(t, february)).toBe(before);
    }
    await t.command('TRUNCATE TABLE broken');
    expect((await ended(t.refill.retry())).result).toMatchObject({ state: 'succeeded', differences: 0 });
  });
});
