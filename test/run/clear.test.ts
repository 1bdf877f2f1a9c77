import { afterEach, expect, test } from 'vitest';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { onDebugPoint } from '../../src/steps/debug-points.ts';
import { createRunSteps, type StepReports } from '../../src/steps/run-steps.ts';
import type { Workbench } from '../../src/steps/workbench.ts';
import orders from '../dataset/orders.ts';
import { SHOP_SOURCE, shopTarget } from '../dataset/page.ts';
import { openBench } from '../support/bench.ts';
import { thrown } from '../support/cards.ts';
import { createTenant } from '../support/tenant.ts';

// Over Temporal no lock is held while a window is written: a worker that was thought dead may go on, in the middle of
// removing what an attempt has left. Here its steps and those of its successor are called by hand.

afterEach(() => onDebugPoint(undefined));

const ACTOR = { user: 'tester', host: 'test', pid: 1 };
const DAY = { from: '2026-01-05T00:00:00.000Z', to: '2026-01-06T00:00:00.000Z' };
/** It has no version column: of it a clear removes the whole window. */
const TABLE = 'purchase_line';
const ROWS = 40;

interface Changed {
  readonly ledger?: (ledger: Ledger) => Partial<Ledger>;
  readonly bench?: (bench: Workbench) => Workbench;
  readonly onWait?: StepReports['onWait'];
}

/** A run whose window 1 was written by an attempt that failed before it was kept as written. */
async function abandoned() {
  const t = await createTenant({ dataset: orders, sourceSchema: SHOP_SOURCE, targetSchema: shopTarget });
  const { customer, profile } = t.name;
  await t.pg.query('INSERT INTO shop.accounts VALUES ($1, $2)', [customer, profile]);
  await t.pg.query(
    `INSERT INTO shop.orders SELECT n, $1, $2, timestamptz '2026-01-05 01:00Z' + n * interval '30 minutes', 'paid', NULL, NULL, false, '{}'
     FROM generate_series(1, ${ROWS}) n`,
    [customer, profile],
  );
  await t.pg.query(`INSERT INTO shop.line_items SELECT n, n, 'tea', 1, 1 FROM generate_series(1, ${ROWS}) n`);
  const [plan, ledger, bench] = [
    await t.refill.plan({ tenant: t.name, range: DAY, strategy: 'purge' }),
    await t.refill.ledger(),
    await openBench(t),
  ];
  const { id: run } = await ledger.createRun(plan, ACTOR);
  /** The steps of one worker. */
  const worker = (changed: Changed = {}) =>
    createRunSteps({
      bench: changed.bench?.(bench) ?? bench,
      ledger: { ...ledger, ...changed.ledger?.(ledger) },
      run,
      plan,
      actor: ACTOR,
      signal: new AbortController().signal,
      reports: {
        onRows: () => undefined,
        onWritten: () => undefined,
        onRehearsal: () => undefined,
        onCut: () => undefined,
        onDelete: () => undefined,
        onNotice: () => undefined,
        onWait: changed.onWait ?? (() => undefined),
      },
    });
  const rows = async () => Number((await t.select<{ n: string }>(`SELECT count() AS n FROM ${TABLE}`))[0]?.n);
  onDebugPoint((point) => {
    if (point === 'window-inserted') throw new Error('a test says so');
  });
  const first = worker();
  await first.begin();
  await thrown(() => first.writeWindow(1));
  onDebugPoint(undefined);
  expect(await rows()).toBe(ROWS);
  return { t, worker, rows, run, ledger };
}

/** Resolved from outside. */
function signalled() {
  let resolve: () => void = () => undefined;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}

test('a worker that hangs before it clears a window does not remove what another one has written since', async () => {
  const { worker, rows } = await abandoned();
  const [hangs, goesOn] = [signalled(), signalled()];
  const slow = worker({
    bench: (bench) => {
      const target: Workbench['target'] = Object.create(bench.target);
      const looks: Pick<Workbench['target'], 'rows'> = {
        rows: async (...args) => {
          // The last look before the statement is sent: rows were found that are to go.
          if (args[0].includes('system.processes') && args[0].includes(` window 1 ${TABLE}`)) {
            hangs.resolve();
            await goesOn.promise;
          }
          return bench.target.rows(...args);
        },
      };
      return { ...bench, target: Object.assign(target, looks) };
    },
  }).writeWindow(1);
  const ended = thrown(() => slow);
  await hangs.promise;
  expect(await worker().writeWindow(1)).toEqual([]);
  expect(await rows()).toBe(ROWS);
  goesOn.resolve();
  const error = await ended;
  expect(await rows()).toBe(ROWS);
  expect(error).toMatchObject({ code: 'RUN_STATE', message: expect.stringContaining('begun or cut elsewhere') });
});

test('a window that was cut meanwhile is not cleared as a whole', async () => {
  const { worker, rows, run, ledger } = await abandoned();
  const slow = worker({
    ledger: () => ({
      attempts: async (of, unit) => {
        const found = await ledger.attempts(of, unit);
        const [window] = await ledger.windows(run, { window: 1 });
        if (window?.to === DAY.to) await ledger.cutWindow(run, 1, '2026-01-05T12:00:00.000Z');
        return found;
      },
    }),
  });
  const error = await thrown(() => slow.writeWindow(1));
  expect(await rows()).toBe(ROWS);
  expect(error).toMatchObject({ code: 'RUN_STATE' });
});

test('a clear that was sent before an attempt began has got there before it writes', async () => {
  const { t, worker, rows, run } = await abandoned();
  const waits: (string | null)[] = [];
  let clear: Promise<void> = Promise.resolve();
  let cleared = false;
  const next = worker({
    onWait: (_, reason) => waits.push(reason),
    ledger: (ledger) => ({
      startAttempt: async (...args) => {
        // Somebody who was at it as well: what is sent now may be assigned after the first rows were written.
        await t.command(
          `INSERT INTO ${TABLE} (account, store, item_id, order_id, placed_at) VALUES ('x', 'x', 0, 0, '2026-01-05')`,
        );
        clear = t
          .command(
            `ALTER TABLE ${TABLE} DELETE WHERE sleepEachRow(2) = 1 AND 'refill ${run} window 1 ${TABLE} v-x' != '' SETTINGS mutations_sync = 1`,
          )
          .then(() => void (cleared = true));
        await expect
          .poll(() => t.select(`SELECT 1 FROM system.processes WHERE query LIKE 'ALTER%window 1 ${TABLE} v-x%'`))
          .toHaveLength(1);
        return ledger.startAttempt(...args);
      },
    }),
  });
  onDebugPoint((point) => {
    if (point === 'attempt-kept') expect(cleared).toBe(true);
  });
  expect(await next.writeWindow(1)).toEqual([]);
  await clear;
  expect(waits.join()).toContain(`still on its way to some shard: refill ${run} window 1`);
  expect(await rows()).toBe(ROWS + 1);
});
