import { expect, test } from 'vitest';
import type { RunState } from '../../src/domain/states.ts';
import { RUN_STATES } from '../../src/domain/states.ts';
import { databaseName } from '../../src/domain/words.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { usePostgres } from './postgres.ts';
import { ACTOR, day, FAILURE, newRun, OTHER, plan, TENANT } from './samples.ts';

const server = usePostgres();

test('a new run has its windows and deletes, and says what it is', async () => {
  const ledger = await server.ledger();
  const made = plan({ days: [5, 9], strategy: 'purge' });
  await ledger.savePlan(made, ACTOR);
  const run = await ledger.createRun(made, ACTOR);
  expect(run).toMatchObject({
    plan: made.id,
    tenant: TENANT,
    dataset: 'scorecards',
    strategy: 'purge',
    range: { from: day(5), to: day(9) },
    state: 'running',
    wanted: 'run',
    epoch: null,
    finishedAt: null,
    seconds: 0,
    rowsDeleted: 0,
    rowsWritten: 0,
    differences: null,
    error: null,
    holder: null,
  });
  expect(run.id).toMatch(/^r-[0-9a-z]{10}$/u);
  expect(run.createdAt).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/u);
  expect(await ledger.run(run.id)).toEqual(run);
  expect(await ledger.windows(run.id)).toMatchObject(made.windows);
  expect((await ledger.deletes(run.id)).map(({ id, from, to }) => ({ id, from, to }))).toEqual(
    made.deletes.map(({ id, from, to }) => ({ id, from, to })),
  );
});

test('a run needs a plan that is saved', async () => {
  const ledger = await server.ledger();
  await expect(ledger.createRun(plan(), ACTOR)).rejects.toMatchObject({ code: 'PLAN_UNKNOWN' });
});

test('more windows than one statement takes are all there', async () => {
  const ledger = await server.ledger();
  const base = plan({ days: [1, 3] });
  const from = Date.parse(day(1));
  const step = 10_000;
  const windows = Array.from({ length: 12_001 }, (_, index) => ({
    id: index + 1,
    delete: 1,
    from: new Date(from + index * step).toISOString(),
    to: new Date(from + (index + 1) * step).toISOString(),
    sourceRows: 5_000_000_000,
  }));
  const big = { ...base, windows };
  await ledger.savePlan(big, ACTOR);
  const { id } = await ledger.createRun(big, ACTOR);
  expect((await ledger.windows(id)).map(({ from, to, sourceRows }) => ({ from, to, sourceRows }))).toEqual(
    windows.map(({ from, to, sourceRows }) => ({ from, to, sourceRows })),
  );
  expect(await ledger.plan(big.id)).toEqual(big);
});

test('a range that an unfinished run covers is refused, and one that touches it is not', async () => {
  const ledger = await server.ledger();
  const run = await newRun(ledger, { days: [10, 20] });
  for (const days of [
    [10, 20],
    [5, 11],
    [19, 25],
    [12, 13],
    [5, 25],
  ] as const) {
    await expect(newRun(ledger, { days })).rejects.toMatchObject({
      code: 'RUN_OVERLAPS',
      exit: 3,
      details: { run: run.id },
      message: expect.stringContaining(`${run.id} (running)`),
    });
  }
  await expect(newRun(ledger, { days: [12, 13] })).rejects.toThrow(`${day(10)} to ${day(20)}`);
  await newRun(ledger, { days: [5, 10] });
  await newRun(ledger, { days: [20, 25] });
});

test('only the same cluster, tenant and dataset overlap', async () => {
  const ledger = await server.ledger();
  await newRun(ledger);
  await newRun(ledger, { dataset: 'other' });
  await newRun(ledger, { tenant: { ...TENANT, cluster: 'south' } });
  await newRun(ledger, { tenant: { ...TENANT, profile: 'support' } });
  // The same database name, and a separator within a name, are other tenants still.
  const twin = { ...TENANT, customer: 'acme_sales', profile: 'x' };
  const sibling = { ...TENANT, customer: 'acme', profile: 'sales_x' };
  expect(databaseName(twin)).toBe(databaseName(sibling));
  await newRun(ledger, { tenant: twin });
  await newRun(ledger, { tenant: sibling });
});

test('of twenty runs of one range that are made at once, exactly one is made', async () => {
  const database = await server.database();
  const [one, two] = await Promise.all([server.open(database), server.open(database)]);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) => newRun(index % 2 === 0 ? one : two, { days: [5, 7 + (index % 3)] })),
  );
  const made = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value.id] : []));
  expect(made).toHaveLength(1);
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') {
      expect(outcome.reason).toMatchObject({ code: 'RUN_OVERLAPS', details: { run: made[0] } });
    }
  }
  expect(await one.runs({ limit: 100 })).toHaveLength(1);
});

test('runs of touching ranges that are made at once are all made', async () => {
  const ledger = await server.ledger();
  const runs = await Promise.all(
    Array.from({ length: 20 }, (_, index) => newRun(ledger, { days: [index + 1, index + 2] })),
  );
  expect(new Set(runs.map((run) => run.id)).size).toBe(20);
});

test('a paused run keeps its range, and an ended one gives it free', async () => {
  const ledger = await server.ledger();
  const first = await newRun(ledger);
  await ledger.setRunState(first.id, 'paused', ACTOR);
  await expect(newRun(ledger)).rejects.toMatchObject({ code: 'RUN_OVERLAPS' });
  await ledger.setRunState(first.id, 'cancelled', ACTOR);
  const second = await newRun(ledger);
  // The first cannot come back while the second has the range.
  await expect(ledger.retry(first.id, ACTOR)).rejects.toMatchObject({
    code: 'RUN_OVERLAPS',
    details: { run: second.id },
  });
  expect((await ledger.run(first.id)).state).toBe('cancelled');
});

/** A run in a state, by a way that is allowed. */
async function runIn(ledger: Ledger, state: RunState, days: [number, number]): Promise<string> {
  const { id } = await newRun(ledger, { days });
  if (state !== 'running') await ledger.setRunState(id, state, ACTOR);
  return id;
}

test('every move between states is allowed or refused as is documented', async () => {
  const ledger = await server.ledger();
  const allowed: Record<RunState, readonly RunState[]> = {
    running: [...RUN_STATES],
    paused: ['running', 'cancelled'],
    cancelled: [],
    failed: [],
    differences: [],
    succeeded: [],
  };
  let first = 1;
  for (const from of RUN_STATES) {
    for (const to of RUN_STATES) {
      first += 1;
      const id = await runIn(ledger, from, [first, first + 1]);
      const move = ledger.setRunState(id, to, OTHER);
      if (allowed[from].includes(to)) {
        await move;
        expect((await ledger.run(id)).state, `${from} to ${to}`).toBe(to);
      } else {
        await expect(move, `${from} to ${to}`).rejects.toMatchObject({ code: 'RUN_STATE', details: { from, to } });
        expect((await ledger.run(id)).state).toBe(from);
      }
    }
  }
});

test('a change of state keeps the error, adds the seconds, and is in the audit', async () => {
  const ledger = await server.ledger();
  const { id } = await newRun(ledger);
  await ledger.setRunState(id, 'paused', ACTOR, { seconds: 1.5 });
  await ledger.setRunState(id, 'running', OTHER);
  await ledger.setRunState(id, 'failed', ACTOR, { seconds: 2.25, error: FAILURE });
  const run = await ledger.run(id);
  expect(run).toMatchObject({ state: 'failed', seconds: 3.75, error: FAILURE });
  expect(run.finishedAt).not.toBeNull();
  const entries = await ledger.auditEntries({ subject: id, limit: 10 });
  expect(entries).toMatchObject([
    { actor: ACTOR, action: 'run.state', details: { from: 'running', to: 'failed', error: 'CH_BUSY' } },
    { actor: OTHER, action: 'run.state', details: { from: 'paused', to: 'running' } },
    { actor: ACTOR, action: 'run.state', details: { from: 'running', to: 'paused' } },
    { actor: ACTOR, action: 'run.create', details: { plan: run.plan } },
  ]);
  await ledger.retry(id, ACTOR);
  expect(await ledger.run(id)).toMatchObject({ state: 'running', error: null, finishedAt: null, seconds: 3.75 });
});

test('what is wanted is kept until it is asked otherwise, and never of an ended run', async () => {
  const ledger = await server.ledger();
  const { id } = await newRun(ledger);
  expect(await ledger.wanted(id)).toBe('run');
  await ledger.request(id, 'pause', OTHER);
  expect(await ledger.wanted(id)).toBe('pause');
  await ledger.setRunState(id, 'paused', ACTOR);
  expect(await ledger.run(id)).toMatchObject({ state: 'paused', wanted: 'pause' });
  await ledger.request(id, 'run', OTHER);
  await ledger.setRunState(id, 'running', ACTOR);
  expect(await ledger.wanted(id)).toBe('run');
  await ledger.setRunState(id, 'succeeded', ACTOR);
  await expect(ledger.request(id, 'cancel', OTHER)).rejects.toMatchObject({ code: 'RUN_STATE' });
  expect(await ledger.wanted(id)).toBe('run');
  const requests = (await ledger.auditEntries({ subject: id, limit: 10 })).filter((e) => e.action === 'run.request');
  expect(requests).toMatchObject([{ actor: OTHER, details: { wanted: 'run' } }, { details: { wanted: 'pause' } }]);
});

test('the epoch is set once, whoever tries', async () => {
  const ledger = await server.ledger();
  const { id } = await newRun(ledger);
  const epochs = Array.from({ length: 5 }, (_, index) => `2026-01-05 06:00:00.00000${index}`);
  const returned = await Promise.all(epochs.map((epoch) => ledger.setEpoch(id, epoch)));
  expect(new Set(returned).size).toBe(1);
  expect(epochs).toContain(returned[0]);
  expect((await ledger.run(id)).epoch).toBe(returned[0]);
});

test('a run is found by a unique beginning of its id', async () => {
  const database = await server.database();
  const ledger = await server.open(database);
  const ids = ['r-aaa1', 'r-aaa2', 'r-aab1', 'r-aab1x'];
  for (const [index, id] of ids.entries()) {
    const run = await newRun(ledger, { days: [index + 1, index + 2] });
    // Nothing refers to the old id any more.
    for (const table of ['run_window', 'run_delete', 'run_tally']) {
      await server.query(database, `DELETE FROM refill.${table} WHERE run = $1`, [run.id]);
    }
    await server.query(database, 'UPDATE refill.run SET id = $2 WHERE id = $1', [run.id, id]);
  }
  expect((await ledger.run('r-aaa1')).id).toBe('r-aaa1');
  expect((await ledger.run('r-aab1')).id).toBe('r-aab1');
  expect((await ledger.run('r-aab1x')).id).toBe('r-aab1x');
  await expect(ledger.run('r-aaa')).rejects.toMatchObject({
    code: 'RUN_UNKNOWN',
    exit: 2,
    details: { candidates: ['r-aaa1', 'r-aaa2'] },
    message: expect.stringContaining('r-aaa1, r-aaa2'),
  });
  for (const wrong of ['r-b', '', '%', 'r-aaa_', 'R-AAA1']) {
    await expect(ledger.run(wrong), wrong).rejects.toMatchObject({ code: 'RUN_UNKNOWN' });
  }
});

test('methods on an unknown run say so', async () => {
  const ledger = await server.ledger();
  const unknown = { code: 'RUN_UNKNOWN' };
  await expect(ledger.wanted('r-none')).rejects.toMatchObject(unknown);
  await expect(ledger.setEpoch('r-none', '2026-01-05 06:00:00.000000')).rejects.toMatchObject(unknown);
  await expect(ledger.setRunState('r-none', 'failed', ACTOR)).rejects.toMatchObject(unknown);
  await expect(ledger.request('r-none', 'run', ACTOR)).rejects.toMatchObject(unknown);
  await expect(ledger.retry('r-none', ACTOR)).rejects.toMatchObject(unknown);
  await expect(ledger.lockRun('r-none', ACTOR)).rejects.toMatchObject(unknown);
});

test('runs are listed newest first, by state and up to a limit', async () => {
  const ledger = await server.ledger();
  const ids: string[] = [];
  for (const [index, state] of RUN_STATES.entries()) ids.unshift(await runIn(ledger, state, [index + 1, index + 2]));
  expect((await ledger.runs({ limit: 100 })).map((run) => run.id)).toEqual(ids);
  expect((await ledger.runs({ limit: 2 })).map((run) => run.id)).toEqual(ids.slice(0, 2));
  const unfinished = await ledger.runs({ states: ['running', 'paused'], limit: 100 });
  expect(unfinished.map((run) => run.state)).toEqual(['paused', 'running']);
  expect(await ledger.runs({ states: [], limit: 100 })).toEqual([]);
});

test('an id of another kind is told as what it is', async () => {
  const ledger = await server.ledger();
  await expect(ledger.run('p-7k2m9xq0bd')).rejects.toMatchObject({
    code: 'RUN_UNKNOWN',
    hint: expect.stringContaining('id of a plan'),
  });
  await expect(ledger.plan('r-7k2m9xq0bd')).rejects.toMatchObject({
    code: 'PLAN_UNKNOWN',
    hint: expect.stringContaining('id of a run'),
  });
  await expect(ledger.run('r-none')).rejects.toMatchObject({ hint: '`refill runs` lists them.' });
});
