import { afterEach, describe, expect, test } from 'vitest';
import type { DependentAnswers } from '../../src/domain/dependents.ts';
import type { Strategy } from '../../src/domain/words.ts';
import { type DebugPoint, onDebugPoint } from '../../src/steps/debug-points.ts';
import { killed, onlyRun } from '../faults/program.ts';
import { ended } from '../support/cards.ts';
import type { TestTenant } from '../support/tenant.ts';
import { configFile, numberOf, planRequest, RANGE, sensors } from './readings.ts';

afterEach(() => onDebugPoint(undefined));

/** Views of both tables, of every kind of target, and one behind another. */
const VIEWS = [
  `CREATE MATERIALIZED VIEW DB.hourly (hour DateTime('UTC'), n UInt64) ENGINE = SummingMergeTree ORDER BY hour
   AS SELECT toStartOfHour(taken_at) AS hour, count() AS n FROM DB.reading GROUP BY hour`,
  `CREATE TABLE DB.daily_total (day Date, sensor String, total AggregateFunction(sum, Float64)) ENGINE = AggregatingMergeTree ORDER BY (day, sensor)`,
  `CREATE MATERIALIZED VIEW DB.daily TO DB.daily_total AS SELECT toDate(taken_at) AS day, sensor, sumState(value) AS total FROM DB.reading GROUP BY day, sensor`,
  `CREATE MATERIALIZED VIEW DB.after_daily ENGINE = MergeTree ORDER BY day AS SELECT day, count() AS n FROM DB.daily_total GROUP BY day`,
  `CREATE MATERIALIZED VIEW DB.raw_log ENGINE = MergeTree ORDER BY reading_id AS SELECT reading_id, value FROM DB.raw_reading`,
];

const counts = async (t: TestTenant) =>
  Promise.all([
    numberOf(t, 'SELECT sum(n) AS n FROM hourly'),
    numberOf(t, 'SELECT sumMerge(total) AS n FROM daily_total'),
    numberOf(t, 'SELECT sum(n) AS n FROM after_daily'),
    numberOf(t, 'SELECT count() AS n FROM raw_log'),
  ]);

const rowsOf = async (t: TestTenant) =>
  Promise.all(['reading FINAL', 'raw_reading'].map((table) => numberOf(t, `SELECT count() AS n FROM ${table}`)));

const stagingTables = (t: TestTenant) =>
  t.select(`SELECT name FROM system.tables WHERE database = '${t.database}' AND name LIKE 'refill_staging%'`);

async function planned(strategy: Strategy) {
  const t = await sensors({
    around: VIEWS,
    limits: { windowRows: 120 },
  });
  // Of a table without versions only a purge can be made.
  const tables = strategy === 'purge' ? ['reading', 'raw_reading'] : ['reading'];
  const answers: DependentAnswers = {
    hourly: 'bypass',
    daily: 'bypass',
    ...(strategy === 'purge' ? { raw_log: 'bypass' as const } : {}),
  };
  const plan = await t.refill.plan({ ...planRequest(t, answers, strategy), tables });
  expect(plan.windows.length).toBeGreaterThan(1);
  expect(plan.sql['reading']?.write).toContain('ATTACH PARTITION');
  return { t, plan, before: { counts: await counts(t), rows: await rowsOf(t) } };
}

type Planned = Awaited<ReturnType<typeof planned>>;

async function expectUntouched({ t, before }: Planned): Promise<void> {
  expect(await counts(t)).toEqual(before.counts);
  expect(await rowsOf(t)).toEqual(before.rows);
  expect(await stagingTables(t)).toEqual([]);
  expect(await t.refill.verify({ tenant: t.name, range: RANGE })).toMatchObject({ ok: true });
}

describe.each(['purge', 'replace'] as const)('%s past its views', (strategy) => {
  test('triggers none of them, and keeps every row', async () => {
    const made = await planned(strategy);
    const { t, plan } = made;
    const { result } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect(new Set(result.dependents.map(({ state }) => state))).toEqual(new Set(['bypassed']));
    await expectUntouched(made);
  });

  test('still lets a live writer’s rows reach them', async () => {
    const { t, plan, before } = await planned(strategy);
    let written = 0;
    onDebugPoint(async (point) => {
      if (point !== 'bypass-staged' || written > 0) return;
      written += 1;
      const at = '2026-01-31 12:00:00.000';
      await t.pg.query(`INSERT INTO lab.readings VALUES (90001, $1, $2, '${at}Z', 'sensor-0', 1)`, [
        t.name.customer,
        t.name.profile,
      ]);
      await t.command(
        `INSERT INTO reading SELECT '${t.name.customer}', '${t.name.profile}', 90001, toDateTime64('${at}', 3, 'UTC'), 'sensor-0', 1, now64(6)`,
      );
    });
    const { result } = await ended(t.refill.run(plan.id));
    onDebugPoint(undefined);
    expect(result.state).toBe('succeeded');
    expect((await counts(t))[0]).toBe((before.counts[0] ?? 0) + 1);
  });

  test.each(['bypass-staged', 'bypass-attached'] satisfies DebugPoint[])(
    'ends as if it had not been killed at %s',
    async (point) => {
      const made = await planned(strategy);
      const { t, plan } = made;
      const config = await configFile(t.config);
      await killed(['run', plan.id, '--execute', '--config', config], `${point}:kill@2`);
      const run = await onlyRun(t);
      expect(run.state).toBe('running');
      expect(await stagingTables(t)).not.toEqual([]);
      const { result } = await ended(t.refill.resume());
      expect(result).toMatchObject({ run: run.id, state: 'succeeded', differences: 0 });
      await expectUntouched(made);
    },
  );
});
