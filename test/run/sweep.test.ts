import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { onDebugPoint } from '../../src/steps/debug-points.ts';
import { clock, ended, expectClean, fillCards, RANGE } from '../support/cards.ts';
import { EXECUTOR } from '../support/executor.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';

/** Of before the run, by far. */
const OLD = '2026-02-10 00:00:00.000000';

afterEach(() => onDebugPoint(undefined));

async function filled(limits: NonNullable<Parameters<typeof createTenant>[0]>['limits'] = {}): Promise<TestTenant> {
  const t = await createTenant({ limits: { windows: 1, windowRows: 120, ...limits } });
  await fillCards(t);
  return t;
}

/** An old writer writes a scorecard of that day as it was, of an agent of then, and one that is in no source. */
async function writeLate(t: TestTenant, day: string, version: string, orphan = 'late-orphan'): Promise<void> {
  const of = `FROM scorecard WHERE toDate(scorecard_time) = '${day}' ORDER BY scorecard_id LIMIT 1`;
  const versioned = `toDateTime64('${version}', 6, 'UTC') AS update_time`;
  await t.command(
    `INSERT INTO scorecard SELECT * REPLACE ('${orphan}' AS scorecard_id, 'agent-late' AS agent_user_id, ${versioned}) ${of}`,
  );
  await t.command(`INSERT INTO scorecard SELECT * REPLACE ('agent-late' AS agent_user_id, ${versioned}) ${of}`);
}

/** A day of the first of a run's deletes, which is proven while others are not. */
async function provenDay(t: TestTenant): Promise<string> {
  const [run] = await t.refill.runs();
  const deletes = await (await t.refill.ledger()).deletes(run?.id ?? '');
  expect(deletes.filter((del) => del.state !== 'proven').length).toBeGreaterThan(0);
  const proven = deletes.find((del) => del.state === 'proven');
  return proven?.from.slice(0, 10) ?? '';
}

/** Does something when the first of a run's deletes is proven, with a day of its range. */
function whenOneIsProven(t: TestTenant, task: (day: string) => Promise<void>): () => number {
  let times = 0;
  onDebugPoint(async (point) => {
    if (point !== 'delete-proven' || times > 0) return;
    times += 1;
    await task(await provenDay(t));
  });
  return () => times;
}

/** Rows of a run's own deletes. */
async function sent(t: TestTenant, run: string): Promise<number> {
  const mutations = await (await t.refill.ledger()).mutations(run);
  return mutations.reduce((sum, { rows }) => sum + (rows ?? 0), 0);
}

const late = (t: TestTenant) =>
  t.select<{ id: string }>(`SELECT scorecard_id AS id FROM scorecard WHERE agent_user_id = 'agent-late' ORDER BY 1`);

test.each(['purge', 'replace'] as const)(
  '%s: rows that an old writer puts into a part that is proven are gone at the end',
  async (strategy) => {
    const t = await filled();
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
    expect(plan.deletes.length).toBeGreaterThan(1);
    const done = whenOneIsProven(t, async (day) => {
      await writeLate(t, day, OLD);
      expect(await late(t)).toHaveLength(2);
    });
    const { events, result } = await ended(t.refill.run(plan.id));
    expect(done()).toBe(1);
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect(await late(t)).toEqual([]);
    await expectClean(t);
    expect(JSON.stringify(events)).toContain('2 rows with versions from before the run came into its range');
    const [swept] = (await (await t.refill.ledger()).auditEntries({ subject: result.run, limit: 100 })).filter(
      ({ action }) => action === 'run.sweep',
    );
    expect(swept?.details).toEqual({ deleted: 2 });
    expect(result.rowsDeleted).toBe((await sent(t, result.run)) + 2);
  },
);

test.each(['late-kept', 'late-deleted'] as const)(
  'ended at %s and retried, it counts each of them once',
  async (at) => {
    const t = await filled();
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    let written = 0;
    let ends = 0;
    onDebugPoint(async (point) => {
      if (point === 'delete-proven' && written === 0) {
        written += 1;
        await writeLate(t, await provenDay(t), OLD);
      }
      if (point !== at || ends > 0) return;
      ends += 1;
      throw new Error('a test says so');
    });
    const { result } = await ended(t.refill.run(plan.id));
    expect({ ends, state: result.state, rows: result.rowsDeleted }).toEqual({
      ends: 1,
      state: 'failed',
      rows: await sent(t, result.run),
    });
    const again = await ended(t.refill.retry(result.run));
    expect(again.result).toMatchObject({ state: 'succeeded', rowsDeleted: result.rowsDeleted + 2 });
    expect((await t.refill.status(result.run)).run.rowsDeleted).toBe(result.rowsDeleted + 2);
    expect(await late(t)).toEqual([]);
    await expectClean(t);
  },
);

test('a row that is younger, if by a slow clock alone, is never swept: verify names it', async () => {
  const t = await filled();
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
  const done = whenOneIsProven(t, async (day) => {
    // By a clock that is half a minute behind.
    const version = new Date(Date.parse(`${(await clock(t)).replace(' ', 'T')}Z`) - 30_000).toISOString();
    await writeLate(t, day, version.replace('T', ' ').replace('Z', '000'), 'slow-clock');
    await writeLate(t, day, OLD);
  });
  const { result } = await ended(t.refill.run(plan.id));
  expect(done()).toBe(1);
  expect(result.state).toBe('succeeded');
  expect((await late(t)).map(({ id }) => id)).toContain('slow-clock');
  expect((await late(t)).map(({ id }) => id)).not.toContain('late-orphan');
  const verified = await t.refill.verify({ tenant: t.name, range: RANGE });
  expect(verified.tables.find(({ table }) => table === 'scorecard')).toMatchObject({
    extra: 1,
    duplicated: 1,
    keys: { extra: ['slow-clock'] },
  });
});

test('an old writer that goes on fails the run, and retry ends it when that writer is gone', async () => {
  const t = await filled();
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
  const over = new AbortController();
  let writing: Promise<void> | undefined;
  whenOneIsProven(t, async (day) => {
    await writeLate(t, day, OLD);
    writing = (async () => {
      for (let n = 0; !over.signal.aborted; n += 1) {
        await writeLate(t, day, OLD, `late-${n}`);
        await sleep(5);
      }
    })();
  });
  const { result } = await ended(t.refill.run(plan.id)).finally(() => over.abort());
  await writing;
  expect(result).toMatchObject({ state: 'failed', error: { code: 'ROWS_KEEP_COMING' } });
  onDebugPoint(undefined);
  const again = await ended(t.refill.retry());
  expect(again.result).toMatchObject({ run: result.run, state: 'succeeded', differences: 0 });
  expect(await late(t)).toEqual([]);
  await expectClean(t);
});

test('a run that is paused before its last look is left, and looks when it goes on', async () => {
  const t = await filled();
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
  const drain = new AbortController();
  onDebugPoint(async (point) => {
    if (point !== 'delete-proven') return;
    const [run] = await t.refill.runs();
    const deletes = await (await t.refill.ledger()).deletes(run?.id ?? '');
    if (deletes.some(({ state }) => state !== 'proven')) return;
    await writeLate(t, '2026-01-30', OLD);
    await t.refill.pause();
    drain.abort();
  });
  // Here a pause is seen at the governor's next look only; over Temporal every step asks, and a drain ends the following.
  const { result } = await ended(t.refill.run(plan.id, EXECUTOR === 'local' ? { drain: drain.signal } : {}));
  expect(result.state).toBe('paused');
  expect(await late(t)).toContainEqual({ id: 'late-orphan' });
  onDebugPoint(undefined);
  expect((await ended(t.refill.resume(result.run))).result).toMatchObject({ state: 'succeeded', differences: 0 });
  expect(await late(t)).toEqual([]);
  await expectClean(t);
});
