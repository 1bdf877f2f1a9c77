import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { scorecards } from '../../src/dataset/scorecards.ts';
import { RefillError } from '../../src/domain/errors.ts';
import type { Range } from '../../src/domain/words.ts';
import type { Refill } from '../../src/refill.ts';
import { type DebugPoint, onDebugPoint } from '../../src/steps/debug-points.ts';
import {
  checksum,
  type Ended,
  ended,
  expectClean,
  fillCards,
  RANGE,
  sourceRows,
  targetRows,
  thrown,
} from '../support/cards.ts';
import { onlyLocal, openRefill } from '../support/executor.ts';
import { createTenant, NOTICED_MS, type TestTenant } from '../support/tenant.ts';

// Whoever begins a run over Temporal only follows it: test/temporal/control.test.ts.
const localTest = onlyLocal('who stops following it stops nothing');

/** One partition, and with it one delete. */
const SHORT: Range = { from: '2026-01-29T00:00:00.000Z', to: '2026-02-01T00:00:00.000Z' };
const STRATEGIES = ['purge', 'replace'] as const;

afterEach(() => onDebugPoint(undefined));

async function filled(options: Parameters<typeof createTenant>[0] = {}): Promise<TestTenant> {
  const t = await createTenant({ ...options, limits: { windows: 1, windowRows: 20, ...options.limits } });
  await fillCards(t, { cards: 120 });
  return t;
}

/** Another program on the same ledger, as far as the ledger can tell. */
function another(t: TestTenant, config = t.config): Refill {
  const refill = openRefill(config);
  onTestFinished(() => refill.close());
  return refill;
}

/** Does something the first time that a point is passed, and waits for it. */
function once(at: DebugPoint, task: () => unknown): void {
  let done = false;
  onDebugPoint(async (point) => {
    if (point !== at || done) return;
    done = true;
    await task();
  });
}

/** Runs a plan until it is paused, within its first window. */
async function paused(t: TestTenant, plan: string): Promise<Ended> {
  once('window-inserted', async () => {
    await t.refill.pause();
    await sleep(NOTICED_MS);
  });
  const end = await ended(t.refill.run(plan));
  onDebugPoint(undefined);
  expect(end.result.state).toBe('paused');
  return end;
}

const planOf = (t: TestTenant, strategy: 'purge' | 'replace' = 'replace', range = SHORT) =>
  t.refill.plan({ tenant: t.name, range, strategy });

async function keysIn(t: TestTenant, range: Range): Promise<readonly string[]> {
  return (await targetRows(t, 'scorecard', range)).map((row) => String(row['scorecard_id']));
}

/** No mutation of a delete was ever sent. */
async function expectNothingDeleted(t: TestTenant, run: string, del: number): Promise<void> {
  expect(await (await t.refill.ledger()).mutations(run, del)).toEqual([]);
  const sent = `SELECT command FROM system.mutations
    WHERE database = '${t.database}' AND position(command, 'refill ${run} delete ${del} ') > 0`;
  expect(await t.select(sent)).toEqual([]);
}

describe('from another program', () => {
  test('a purge that is cancelled when its delete was sent says how many rows that may take', async () => {
    const t = await filled();
    const { id, cost } = await planOf(t, 'purge');
    once('mutations-assigned', async () => {
      await another(t).cancel();
      await sleep(NOTICED_MS);
    });
    const { result } = await ended(t.refill.run(id));
    expect(result).toMatchObject({ state: 'cancelled', rowsDeleted: 0, rowsSent: cost.rowsToDelete });
    const again = await ended(t.refill.retry(result.run));
    expect(again.result).toMatchObject({ state: 'succeeded', rowsSent: 0 });
    expect(again.result.rowsDeleted).toBeGreaterThan(0);
    await expectClean(t, SHORT);
  });

  test.each(STRATEGIES)('%s: pause leaves the rest to resume', async (strategy) => {
    const t = await filled();
    const plan = await planOf(t, strategy);
    expect(plan.windows.length).toBeGreaterThan(2);
    once('window-inserted', async () => {
      await another(t).pause();
      await sleep(NOTICED_MS);
    });
    const { result } = await ended(t.refill.run(plan.id));
    expect(result.state).toBe('paused');
    const { windows, run } = await t.refill.status();
    expect(run).toMatchObject({ state: 'paused', holder: null });
    // What had begun was finished, and nothing else was begun.
    expect(windows.map((w) => w.state)).toEqual(['written', ...windows.slice(1).map(() => 'pending')]);
    const resumed = await ended(t.refill.resume());
    expect(resumed.events[0]).toMatchObject({ type: 'started', resumed: true, run: result.run });
    expect(resumed.result).toMatchObject({ state: 'succeeded', run: result.run });
    await expectClean(t, SHORT);
  });

  test.each(STRATEGIES)('%s: cancel ends it at once, and retry takes it up again', async (strategy) => {
    const t = await filled();
    const plan = await planOf(t, strategy);
    once('table-inserted', async () => {
      await another(t).cancel();
      await sleep(NOTICED_MS);
    });
    const { result } = await ended(t.refill.run(plan.id));
    expect(result.state).toBe('cancelled');
    expect(await thrown(() => ended(t.refill.resume(result.run)))).toMatchObject({ code: 'RUN_STATE', exit: 3 });
    // A cancelled run has given its range free.
    const other = await t.refill.plan({ tenant: t.name, range: RANGE });
    expect((await ended(t.refill.run(other.id))).result.state).toBe('succeeded');
    expect((await ended(t.refill.retry(result.run))).result.state).toBe('succeeded');
    await expectClean(t, SHORT);
  });

  test('cancel of a run that nobody is at work on', async () => {
    const t = await filled();
    const { result } = await paused(t, (await planOf(t)).id);
    expect(await another(t).cancel()).toMatchObject({ id: result.run, state: 'cancelled' });
  });

  localTest('a second program on the same run is told who is at it', async () => {
    const t = await filled();
    const errors: unknown[] = [];
    once('window-written', async () => {
      errors.push(await thrown(() => ended(another(t).resume())));
    });
    const { result } = await ended(t.refill.run((await planOf(t)).id));
    expect(errors).toMatchObject([
      { code: 'RUN_BUSY', exit: 3, details: { run: result.run, holder: { pid: process.pid } } },
    ]);
    expect(String(errors[0])).toContain(`process ${process.pid}`);
    expect(result.state).toBe('succeeded');
  });
});

describe('signals', () => {
  localTest('drain finishes what has begun; force stops within it', async () => {
    const t = await filled();
    const plan = await planOf(t);
    const drain = new AbortController();
    once('attempt-kept', () => drain.abort());
    expect((await ended(t.refill.run(plan.id, { drain: drain.signal }))).result.state).toBe('paused');
    expect((await t.refill.status()).windows.map((w) => w.state).slice(0, 2)).toEqual(['written', 'pending']);

    const force = new AbortController();
    once('attempt-kept', () => force.abort());
    expect((await ended(t.refill.resume(undefined, { force: force.signal }))).result.state).toBe('paused');
    expect((await t.refill.status()).windows.map((w) => w.state).slice(0, 3)).toEqual([
      'written',
      'writing',
      'pending',
    ]);

    // One that was forced before it began begins nothing.
    const { result } = await ended(t.refill.resume(undefined, { force: AbortSignal.abort() }));
    expect(result.state).toBe('paused');
    onDebugPoint(undefined);
    expect((await ended(t.refill.resume())).result.state).toBe('succeeded');
    await expectClean(t, SHORT);
  });

  localTest('a run that nobody listens to any more is left paused, and not at work', async () => {
    const t = await filled();
    for await (const event of t.refill.run((await planOf(t)).id)) if (event.type === 'window') break;
    expect((await t.refill.status()).run).toMatchObject({ state: 'paused', holder: null });
    expect((await ended(t.refill.resume())).result.state).toBe('succeeded');
  });
});

describe('is refused', () => {
  test('a run that overlaps an unfinished one, which is named; one that touches it is not', async () => {
    const t = await filled();
    const { result } = await paused(t, (await planOf(t)).id);
    const over = await t.refill.plan({
      tenant: t.name,
      range: { from: '2026-01-31T23:00:00.000Z', to: '2026-02-02T00:00:00.000Z' },
    });
    const before = await checksum(t, 'scorecard', '1');
    const error = await thrown(() => ended(t.refill.run(over.id)));
    expect(error).toMatchObject({ code: 'RUN_OVERLAPS', exit: 3, details: { run: result.run } });
    expect(String(error)).toContain(result.run);
    expect(await checksum(t, 'scorecard', '1')).toBe(before);
    const touching = { from: '2026-01-28T00:00:00.000Z', to: SHORT.from };
    const next = await t.refill.plan({ tenant: t.name, range: touching });
    expect((await ended(t.refill.run(next.id))).result.state).toBe('succeeded');
    await expectClean(t, touching);
  });

  test('a plan whose counts have drifted since, on either side', async () => {
    const t = await filled();
    const plan = await planOf(t);
    await t.command(
      `INSERT INTO scorecard SELECT * REPLACE (concat(scorecard_id, 'x') AS scorecard_id) FROM scorecard`,
    );
    const error = await thrown(() => ended(t.refill.run(plan.id)));
    expect(error).toMatchObject({ code: 'PLAN_DRIFTED', exit: 3 });
    expect(String(error)).toContain('scorecard target');
    const again = await planOf(t);
    await t.pg.query(`DELETE FROM director.scores WHERE criterion_identifier = 'q9'`);
    const source = await thrown(() => ended(t.refill.run(again.id)));
    expect(String(source)).toContain('score source');
    expect(await t.refill.runs()).toEqual([]);
  });

  test('a plan of another environment: another table, another dataset, at run and at retry', async () => {
    const t = await filled();
    const plan = await planOf(t);
    const [cards, ...others] = scorecards.tables;
    if (!cards) throw new Error('no table');
    const changed = { ...scorecards, tables: [{ ...cards, exclusions: cards.exclusions.slice(1) }, ...others] };
    const elsewhere = another(t, { ...t.config, datasets: [changed] });
    expect(await thrown(() => ended(elsewhere.run(plan.id)))).toMatchObject({ code: 'PLAN_FOREIGN', exit: 3 });

    const { result } = await paused(t, plan.id);
    await t.refill.cancel();
    await t.command(`ALTER TABLE score ADD COLUMN more UInt8 DEFAULT 1`);
    for (const go of [() => t.refill.run(plan.id), () => t.refill.retry(result.run)]) {
      const error = await thrown(() => ended(go()));
      expect(error).toMatchObject({ code: 'PLAN_FOREIGN', exit: 3 });
      expect(error).toMatchObject({ message: expect.stringContaining('more: ') as unknown });
    }
    // What was refused is as it was.
    expect((await t.refill.runs()).map((run) => run.state)).toEqual(['cancelled']);
    await t.command(`ALTER TABLE score DROP COLUMN more`);
    expect((await ended(t.refill.retry(result.run))).result.state).toBe('succeeded');
  });
});

describe('mutations', () => {
  test.each(STRATEGIES)('%s: one of ours that somebody kills is missed, and retry sends another', async (strategy) => {
    const t = await filled();
    const table = `${t.database}.scorecard`;
    onDebugPoint(async (point) => {
      if (point === 'mutations-kept') await t.command(`SYSTEM STOP MERGES ${table}`);
      if (point !== 'mutations-assigned') return;
      await t.command(`KILL MUTATION WHERE database = '${t.database}' AND table = 'scorecard' SYNC`);
      await t.command(`SYSTEM START MERGES ${table}`);
    });
    const { result, events } = await ended(t.refill.run((await planOf(t, strategy)).id));
    onDebugPoint(undefined);
    expect(result).toMatchObject({ state: 'failed', error: { code: 'MUTATION_VANISHED' } });
    expect(result.error?.message).toContain('scorecard');
    expect(result.error?.hint).toContain('refill retry');
    expect(events).toContainEqual(expect.objectContaining({ type: 'delete', state: 'failed' }));
    expect((await ended(t.refill.retry())).result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t, SHORT);
  });

  test('purge: one that is done and that the server has forgotten is not missed', async () => {
    const t = await filled();
    const ours = `database = '${t.database}' AND table = 'scorecard' AND position(command, 'refill r-') > 0`;
    once('window-written', async () => {
      await expect.poll(() => t.select(`SELECT is_done FROM system.mutations WHERE ${ours}`)).toEqual([{ is_done: 1 }]);
      // As the server does by itself when a hundred others are done: nothing of it is left, and nothing is undone.
      await t.command(`KILL MUTATION WHERE ${ours} SYNC`);
      expect(await t.select(`SELECT is_done FROM system.mutations WHERE ${ours}`)).toEqual([]);
    });
    const { result } = await ended(t.refill.run((await planOf(t, 'purge')).id));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  });

  test('one that fails says why, is taken back, and retry sends another when the reason is gone', async () => {
    const t = await filled();
    // Every old row that a mutation has to write again fails.
    await t.command(`ALTER TABLE scorecard ADD COLUMN boom UInt8 MATERIALIZED 0`);
    const plan = await planOf(t, 'purge');
    once('mutations-kept', () =>
      t.command(
        `ALTER TABLE scorecard MODIFY COLUMN boom UInt8 MATERIALIZED throwIf(update_time < '2026-06-01', 'boom')`,
      ),
    );
    const { result } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({ state: 'failed', error: { code: 'MUTATION_FAILED' } });
    // Its code, and no text that could quote a row.
    expect(result.error?.message).toContain('ClickHouse says 395');
    const pending = await t.select(
      `SELECT command FROM system.mutations WHERE database = '${t.database}' AND table = 'scorecard' AND NOT is_done`,
    );
    expect(pending).toEqual([]);
    await t.command(`ALTER TABLE scorecard MODIFY COLUMN boom UInt8 MATERIALIZED 0`);
    expect((await ended(t.refill.retry())).result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t, SHORT).catch((error: unknown) => {
      // The oracle's rows do not have the column.
      if (!String(error).includes('boom')) throw error;
    });
  });

  test('those of others on the same table are not waited for', async () => {
    const t = await filled();
    await t.command(
      `INSERT INTO scorecard SELECT * REPLACE ('1999-01-01 00:00:00' AS scorecard_time) FROM scorecard LIMIT 1`,
    );
    // It fails for ever, on a part of a partition that is none of ours, and stands before ours in the queue of that part.
    await t.ch.command({
      query: `ALTER TABLE scorecard DELETE WHERE throwIf(scorecard_time < '2000-01-01')`,
      clickhouse_settings: { mutations_sync: '0' },
    });
    const { result } = await ended(t.refill.run((await planOf(t)).id));
    expect(result.error).toBeUndefined();
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    const others = await t.select(
      `SELECT 1 FROM system.mutations WHERE database = '${t.database}' AND NOT is_done AND position(command, 'refill') = 0`,
    );
    expect(others).toHaveLength(1);
  });
});

test.each(STRATEGIES)(
  '%s: a value that does not fit fails its window, names the column, and nothing else',
  async (strategy) => {
    const t = await createTenant({ limits: { windows: 1, windowRows: 100 } });
    await fillCards(t);
    const [card] = (
      await t.pg.query<{ id: string; at: string }>(
        `SELECT resource_id AS id, created_at::text AS at FROM director.scorecards
       WHERE submitted_at BETWEEN '2026-02-01' AND '2026-02-02' AND scorecard_type IS NULL AND resource_id LIKE 'card-%2' LIMIT 1`,
      )
    ).rows;
    const setCreated = (at: string) =>
      t.pg.query('UPDATE director.scorecards SET created_at = $2 WHERE resource_id = $1', [card?.id, at]);
    await setCreated('2400-01-01Z');
    const plan = await planOf(t, strategy, RANGE);
    const february = { from: '2026-02-01T00:00:00.000Z', to: RANGE.to };
    const keys = await keysIn(t, february);
    const { result, events } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({ state: 'failed', error: { code: 'CH_VALUE' } });
    expect(result.error?.message).toContain('created_at');
    expect(JSON.stringify(events)).not.toContain('2400');
    const { windows, deletes } = await t.refill.status();
    expect(windows.filter((w) => w.state === 'failed')).toHaveLength(1);
    // It goes on with the others, of that delete and of the next; a purge, which has rehearsed them, writes none of that delete.
    const left = strategy === 'purge' ? ['pending', 'done', 'failed'] : ['written', 'done', 'failed'];
    expect(windows.filter((w) => !left.includes(w.state))).toEqual([]);
    expect(deletes.map((d) => d.state)).toEqual(['proven', 'pending']);
    await expectNothingDeleted(t, result.run, 2);
    expect(await keysIn(t, february)).toEqual(expect.arrayContaining([...keys]));

    await setCreated(card?.at ?? '');
    const done = windows.filter((w) => w.state === 'written' || w.state === 'done');
    const retried = await ended(t.refill.retry());
    expect(retried.result).toMatchObject({ state: 'succeeded', differences: 0 });
    const after = (await t.refill.status()).windows;
    for (const window of done) expect(after.find((w) => w.id === window.id)?.attempts).toBe(window.attempts);
    await expectClean(t);
  },
);

test('replace: rows that were written and are lost again: nothing is deleted, and the keys are named', async () => {
  const t = await filled();
  const plan = await planOf(t);
  const [row] = await sourceRows(t, 'scorecard', SHORT);
  const key = String(row?.['scorecard_id']);
  const ours = `update_time > '2026-06-01' AND scorecard_id = '${key}'`;
  let lost = 0;
  onDebugPoint(async (point) => {
    if (point !== 'window-written') return;
    const found = await t.select(`SELECT 1 FROM scorecard WHERE ${ours}`);
    lost += found.length;
    if (found.length > 0) await t.command(`ALTER TABLE scorecard DELETE WHERE ${ours}`);
  });
  const keys = await keysIn(t, SHORT);
  const { result } = await ended(t.refill.run(plan.id));
  onDebugPoint(undefined);
  expect(lost).toBe(1);
  expect(result).toMatchObject({
    state: 'failed',
    error: { code: 'PROOF_FAILED', details: { keys: [{ table: 'scorecard', key }] } },
  });
  await expectNothingDeleted(t, result.run, 1);
  expect(await keysIn(t, SHORT)).toEqual(expect.arrayContaining([...keys]));
  expect((await t.refill.status()).windows.filter((w) => w.state === 'failed')).toHaveLength(1);
  expect((await ended(t.refill.retry())).result).toMatchObject({ state: 'succeeded', differences: 0 });
  await expectClean(t, SHORT);
});

test('progress never goes back, and tells no time left before 1 % is done', async () => {
  const t = await filled();
  const plan = await planOf(t);
  let failed = false;
  onDebugPoint(async (point) => {
    // Long enough that each table is seen on its own.
    if (point === 'attempt-kept' || point === 'table-inserted') await sleep(300);
    if (point !== 'window-inserted' || failed) return;
    failed = true;
    throw new RefillError('CH_UNREACHABLE', 'a test says so');
  });
  const { events, result } = await ended(t.refill.run(plan.id));
  expect(result.state).toBe('succeeded');
  expect(events[0]?.type).toBe('started');
  const progress = events.filter((event) => event.type === 'progress');
  expect(progress.length).toBeGreaterThan(4);
  for (const numbers of [
    progress.map((p) => p.rowsWritten),
    progress.map((p) => p.windows.done),
    progress.map((p) => p.deletes.done),
  ]) {
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  }
  for (const p of progress) if (p.rowsWritten < p.rowsTotal / 100) expect(p.secondsLeft).toBeNull();
  expect(progress[0]?.secondsLeft).toBeNull();
  expect(progress.at(-1)).toMatchObject({
    rowsWritten: result.rowsWritten,
    rowsTotal: result.rowsWritten,
    windows: { done: plan.windows.length, active: 0, failed: 0 },
    deletes: { done: 1 },
  });
  expect(progress.some((p) => p.doing.includes('tried again'))).toBe(true);
});
