import { afterEach, expect, test } from 'vitest';
import { RefillError } from '../../src/domain/errors.ts';
import type { Plan } from '../../src/domain/plan.ts';
import { versionBefore, versionInstant } from '../../src/domain/versions.ts';
import type { Range, Strategy } from '../../src/domain/words.ts';
import type { AttemptRecord } from '../../src/ledger/ledger.ts';
import { type DebugPoint, onDebugPoint } from '../../src/steps/debug-points.ts';
import { clock, ended, expectClean, fillCards, liveRows, liveWrite, type Table } from '../support/cards.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';

// Which rows a run takes for old, and which version it gives to its own. One partition: one delete with one window.

const RANGE: Range = { from: '2026-01-29T00:00:00.000Z', to: '2026-02-01T00:00:00.000Z' };
const TABLES: readonly Table[] = ['scorecard', 'score'];
/** Far more than the retry of a window takes, so that a slow machine changes nothing. */
const MARGIN_SECONDS = 60;

afterEach(() => onDebugPoint(undefined));

async function filled(clockMarginSeconds: number): Promise<TestTenant> {
  const t = await createTenant({ limits: { clockMarginSeconds } });
  await fillCards(t, { cards: 80 });
  return t;
}

/** Does something the first time that the run passes a point. */
function firstTime(at: DebugPoint, task: () => Promise<void>): () => number {
  let passed = 0;
  onDebugPoint(async (point) => {
    if (point !== at) return;
    passed += 1;
    if (passed === 1) await task();
  });
  return () => passed;
}

async function planned(t: TestTenant, strategy: Strategy): Promise<Plan> {
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
  expect([plan.deletes.length, plan.windows.length]).toEqual([1, 1]);
  return plan;
}

/** A run whose epoch is an hour old: nothing waits for the margin, and only the margin decides what is old. */
async function startedBefore(t: TestTenant): Promise<string> {
  const plan = await planned(t, 'replace');
  const ledger = await t.refill.ledger();
  const { id } = await ledger.createRun(plan, { user: 'tester', host: 'test', pid: 1 });
  await ledger.setEpoch(id, versionBefore(await clock(t), 3600));
  return id;
}

async function attempts(t: TestTenant): Promise<readonly AttemptRecord[]> {
  const [run] = await t.refill.runs();
  return (await t.refill.ledger()).attempts(run?.id ?? '');
}

const secondsBetween = (a: string, b: string) => (Date.parse(versionInstant(b)) - Date.parse(versionInstant(a))) / 1000;

/** A card with its scores, copied in the source under another id. */
async function addCard(t: TestTenant, of: string, id: string): Promise<void> {
  await t.pg.query(
    `INSERT INTO director.scorecards SELECT (jsonb_populate_record(c, jsonb_build_object('resource_id', $2::text))).*
     FROM director.scorecards c WHERE resource_id = $1`,
    [of, id],
  );
  await t.pg.query(
    `INSERT INTO director.scores SELECT (jsonb_populate_record(s,
       jsonb_build_object('resource_id', $2 || resource_id, 'scorecard_id', $2::text))).*
     FROM director.scores s WHERE scorecard_id = $1`,
    [of, id],
  );
}

async function removeCard(t: TestTenant, id: string): Promise<void> {
  await t.pg.query('DELETE FROM director.scores WHERE scorecard_id = $1', [id]);
  await t.pg.query('DELETE FROM director.scorecards WHERE resource_id = $1', [id]);
}

const count = async (t: TestTenant, where: string) => {
  const counted = await Promise.all(
    TABLES.map((table) => t.select<{ n: number }>(`SELECT toUInt32(count()) AS n FROM ${table} WHERE ${where}`)),
  );
  return counted.map(([row]) => row?.n);
};

test('replace keeps what a live writer wrote after the snapshot, although its clock is behind by less than the margin', async () => {
  const t = await filled(MARGIN_SECONDS);
  const run = await startedBefore(t);
  const passed = firstTime('window-inserted', async () => {
    await addCard(t, 'card-20', 'card-new');
    const [attempt] = await attempts(t);
    const slow = versionBefore(attempt?.version ?? '', MARGIN_SECONDS / 2);
    await (await liveRows(t, ['card-new'])).write(slow);
  });
  const { result } = await ended(t.refill.resume(run));
  expect(passed()).toBe(1);
  expect(await count(t, `scorecard_id = 'card-new'`)).toEqual([1, 2]);
  expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  await expectClean(t, RANGE);
});

test('replace deletes what an earlier attempt at a window wrote, although it is younger than the margin', async () => {
  const t = await filled(MARGIN_SECONDS);
  const run = await startedBefore(t);
  const passed = firstTime('window-inserted', async () => {
    // The next attempt does not write it any more: no newer row takes its place.
    await removeCard(t, 'card-20');
    throw new RefillError('CH_BUSY', 'a test says so');
  });
  const { result } = await ended(t.refill.resume(run));
  expect(passed()).toBe(2);
  const [first, second] = await attempts(t);
  expect([first?.state, second?.state]).toEqual(['abandoned', 'done']);
  expect(secondsBetween(first?.version ?? '', second?.version ?? '')).toBeLessThan(MARGIN_SECONDS);
  expect(await count(t, `update_time = '${first?.version}'`)).toEqual([0, 0]);
  expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  await expectClean(t, RANGE);
});

test('the first snapshot is later than the epoch by the margin', async () => {
  const t = await filled(1.5);
  const { result } = await ended(t.refill.run((await planned(t, 'replace')).id));
  expect(result.state).toBe('succeeded');
  const { run } = await t.refill.status(result.run);
  const [attempt] = await attempts(t);
  // Timers may fire a millisecond early.
  expect(secondsBetween(run.epoch ?? '', attempt?.version ?? '')).toBeGreaterThan(1.49);
});

test.each(['purge', 'replace'] as const)(
  '%s: the version of a row is the time of its snapshot, so that whoever writes after the snapshot wins',
  async (strategy) => {
    const t = await filled(0.05);
    const plan = await planned(t, strategy);
    // The snapshot is taken, and nothing of the window is written yet.
    const passed = firstTime('attempt-kept', async () => {
      await t.pg.query(`UPDATE director.scorecards SET comment = 'changed' WHERE resource_id = 'card-20'`);
      await liveWrite(t, 'card-20');
    });
    const { result } = await ended(t.refill.run(plan.id));
    expect(passed()).toBe(1);
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t, RANGE);
    const [attempt] = await attempts(t);
    const inRange = `scorecard_time >= '2026-01-29' AND scorecard_time < '2026-02-01'`;
    expect(await count(t, `${inRange} AND scorecard_id != 'card-20' AND update_time != '${attempt?.version}'`)).toEqual(
      [0, 0],
    );
  },
);

test('purge: the snapshot is taken when the server has the mutations of every table, and what follows is safe from them', async () => {
  const t = await filled(0.05);
  const plan = await planned(t, 'purge');
  let assigned = '';
  let mutations: unknown;
  onDebugPoint(async (point) => {
    if (point === 'mutations-assigned') assigned = await clock(t);
    if (point !== 'attempt-kept') return;
    mutations = await t.select(
      `SELECT table, toUInt32(count()) AS n FROM system.mutations
       WHERE database = currentDatabase() AND position(command, ' delete 1 ') > 0 GROUP BY table ORDER BY table`,
    );
    // A mutation that is not assigned yet would remove this row with the others.
    await liveWrite(t, 'card-20');
  });
  const { result } = await ended(t.refill.run(plan.id));
  expect(mutations).toEqual([
    { table: 'score', n: 1 },
    { table: 'scorecard', n: 1 },
  ]);
  const [attempt] = await attempts(t);
  expect(secondsBetween(assigned, attempt?.version ?? '')).toBeGreaterThanOrEqual(0);
  expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  await expectClean(t, RANGE);
});

test('all tables of a window are read in one snapshot', async () => {
  const t = await filled(0.05);
  const plan = await planned(t, 'purge');
  const textOf = async () =>
    (await t.select<{ text: string }>(`SELECT text_value AS text FROM score FINAL WHERE scorecard_id = 'card-20'`)).map(
      ({ text }) => text,
    );
  // Its first table is written, and the second one is read next.
  const passed = firstTime('table-inserted', async () => {
    await t.pg.query(`UPDATE director.scores SET text_value = 'changed' WHERE scorecard_id = 'card-20'`);
  });
  const { result } = await ended(t.refill.run(plan.id));
  expect(passed()).toBe(2);
  expect(await textOf()).toHaveLength(2);
  expect(await textOf()).not.toContain('changed');
  // The run has proven what it wrote; the row is stale until its live writer comes.
  expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  const { tables } = await t.refill.verify({ tenant: t.name, range: RANGE });
  expect(tables.find(({ table }) => table === 'score')).toMatchObject({ stale: 2 });
  await liveWrite(t, 'card-20');
  await expectClean(t, RANGE);
});

test.each(['purge', 'replace'] as const)(
  '%s: a run deletes what an old writer adds to its range while it works, and nothing that may be younger than the run',
  async (strategy) => {
    const t = await filled(0.05);
    const plan = await planned(t, strategy);
    const OLD = '2026-02-10 00:00:00.000000';
    await t.command(`CREATE TABLE before ENGINE = Memory AS SELECT * FROM scorecard WHERE scorecard_id = 'card-20'`);
    const orphan = (id: string, version: string) =>
      t.command(
        `INSERT INTO scorecard SELECT * REPLACE ('${id}' AS scorecard_id, toDateTime64('${version}', 6, 'UTC') AS update_time)
         FROM before LIMIT 1`,
      );
    const passed: DebugPoint[] = [];
    onDebugPoint(async (point) => {
      // The mutation is sent and never sees this row: the run has to look for it.
      if (point === 'mutations-assigned') await orphan('passed-over', OLD);
      if (point === 'delete-proven') {
        const [run] = await t.refill.runs();
        const epoch = (await t.refill.status(run?.id)).run.epoch ?? '';
        await orphan('old-writer', OLD);
        // By a clock that is half a minute behind.
        await orphan('slow-clock', versionBefore(epoch, 30));
      }
      passed.push(point);
    });
    const { events, result } = await ended(t.refill.run(plan.id));
    expect(passed.filter((point) => point === 'mutations-assigned' || point === 'delete-proven')).toEqual([
      'mutations-assigned',
      'delete-proven',
    ]);
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect(JSON.stringify(events)).toContain('1 rows of scorecard from before the run were there');
    expect(
      await t.select(
        `SELECT scorecard_id AS id FROM scorecard WHERE scorecard_id IN ('passed-over', 'old-writer', 'slow-clock')`,
      ),
    ).toEqual([{ id: 'slow-clock' }]);
    const [table] = (await t.refill.verify({ tenant: t.name, range: RANGE })).tables;
    expect(table).toMatchObject({ extra: 1, keys: { extra: ['slow-clock'] } });
  },
);

test('an insert of an earlier attempt that is still at work is ended before the window is written again', async () => {
  const t = await filled(MARGIN_SECONDS);
  const run = await startedBefore(t);
  const ledger = await t.refill.ledger();
  // As a killed program leaves it: its attempt is in the ledger, and its query on the server.
  const version = await clock(t);
  const { queries } = await ledger.startAttempt(run, 1, version, () => ({
    scorecard: `refill-${run}-w1-scorecard-a1`,
  }));
  const left = t.ch
    .command({
      query: `INSERT INTO scorecard SELECT c.* REPLACE ('left' AS scorecard_id, toDateTime64('${version}', 6, 'UTC') AS update_time)
              FROM (SELECT * FROM scorecard WHERE scorecard_id = 'card-20') AS c
              CROSS JOIN (SELECT sleepEachRow(0.2) AS slept FROM numbers(300) SETTINGS max_block_size = 1) AS n`,
      query_id: queries['scorecard'] ?? '',
    })
    .then(
      () => 'written',
      (error: { readonly type?: string }) => error.type,
    );
  const atWork = async () =>
    (
      await t.select(
        `SELECT 1 AS one FROM system.processes WHERE query_id = '${queries['scorecard']}' AND elapsed > 0.5`,
      )
    ).length;
  await expect.poll(atWork, { timeout: 10_000 }).toBe(1);
  let atWorkThen: number | undefined;
  onDebugPoint(async (point) => {
    if (point === 'attempt-kept') atWorkThen ??= await atWork();
  });
  const { result } = await ended(t.refill.resume(run));
  expect([atWorkThen, await left]).toEqual([0, 'QUERY_WAS_CANCELLED']);
  expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  await expectClean(t, RANGE);
});
