import { afterAll, beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { createRefill } from '../../src/create-refill.ts';
import type { RunEvent } from '../../src/domain/events.ts';
import type { Limits } from '../../src/domain/limits.ts';
import type { Strategy } from '../../src/domain/words.ts';
import { openSnapshot } from '../../src/source/postgres.ts';
import { createReadings, DAY, expectedReadings, fillOldReadings, targetReadings } from '../support/readings.ts';
import { type Pair, startPair } from '../support/standby.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';

let pair: Pair;
beforeAll(async () => {
  pair = await startPair();
});
afterAll(() => pair.remove());

/**
 * A tenant on the primary, which Refill reads from the standby. The ledger is on another server: its commits would keep
 * the primary busy.
 */
async function onStandby(limits: Partial<Limits> = {}): Promise<TestTenant> {
  const elsewhere = await createTenant();
  const stack = { ...inject('stack'), postgres: { ...inject('stack').postgres, ...pair.primary.info } };
  const t = await createReadings({ stack, limits: { clockMarginSeconds: 0.05, ...limits } });
  await pair.caughtUp();
  const cluster = t.config.clusters['test'];
  if (!cluster) throw new Error('no cluster');
  process.env['REFILL_TEST_LEDGER_PASSWORD'] = inject('stack').postgres.password;
  const refill = createRefill({
    ...t.config,
    ledger: { ...elsewhere.config.ledger, password: 'env:REFILL_TEST_LEDGER_PASSWORD' },
    clusters: { test: { ...cluster, postgres: { ...cluster.postgres, port: pair.standby.port } } },
  });
  onTestFinished(() => refill.close());
  return { ...t, refill };
}

async function run(t: TestTenant, strategy: Strategy) {
  const plan = await t.refill.plan({ tenant: t.name, range: DAY, strategy });
  const events: RunEvent[] = [];
  for await (const event of t.refill.run(plan.id, { recount: false })) events.push(event);
  const result = events.at(-1);
  if (result?.type !== 'result') throw new Error('the last event is no result');
  return { events, result };
}

/** A change on the primary that a live writer has taken over into the target. */
async function writeLive(t: TestTenant, id: string, level: number): Promise<void> {
  await t.pg.query('UPDATE readings SET level = $2 WHERE id = $1', [id, level]);
  const row = (await expectedReadings(t)).find((one) => one['id'] === id);
  await t.ch.insert({
    table: 'reading',
    format: 'JSONEachRow',
    values: [{ ...row, synced_at: (Date.now() / 1000).toFixed(6) }],
    clickhouse_settings: { date_time_input_format: 'best_effort' },
  });
}

const levelOf = (t: TestTenant, id: string) =>
  t.select<{ level: string }>(`SELECT level FROM reading FINAL WHERE id = '${id}'`);

test('a row of a standby that is behind never replaces a newer one, and the difference is said', async () => {
  const t = await onStandby();
  await fillOldReadings(t);
  await pair.standby.query('SELECT pg_wal_replay_pause()');
  onTestFinished(async () => void (await pair.standby.query('SELECT pg_wal_replay_resume()')));
  await writeLive(t, 'meter-7', 77.5);
  const { result } = await run(t, 'replace');
  expect(await levelOf(t, 'meter-7')).toEqual([{ level: '77.5' }]);
  expect(result.differences).toBeGreaterThan(0);
  // Everything else is as it should be: old rows are gone, and the run's own are not.
  expect(await targetReadings(t)).toEqual(await expectedReadings(t));
  await pair.standby.query('SELECT pg_wal_replay_resume()');
  await pair.caughtUp();
  const verified = await t.refill.verify({ tenant: t.name, range: DAY });
  expect(JSON.stringify(verified)).not.toContain('"verdict":"stale"');
});

test('a standby that is caught up, with an idle primary: runs are proven, one after another', async () => {
  const t = await onStandby();
  await fillOldReadings(t);
  for (let round = 0; round < 2; round += 1) {
    const { result } = await run(t, 'replace');
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect(await targetReadings(t)).toEqual(await expectedReadings(t));
  }
  // Versions are those of the last commit, not of the run.
  const [last] = await pair.standby.query<{ time: string }>(
    `SELECT to_char(pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS time`,
  );
  expect(await t.select(`SELECT DISTINCT toString(synced_at) AS time FROM reading`)).toEqual([last]);
});

test('a standby that has replayed nothing since it started takes the time of its checkpoint, never now', async () => {
  const t = await onStandby();
  await fillOldReadings(t);
  await pair.primary.query('CHECKPOINT');
  await pair.caughtUp();
  await pair.standby.query('CHECKPOINT');
  await pair.standby.stop();
  await pair.standby.start();
  const [replayed] = await pair.standby.query('SELECT pg_last_xact_replay_timestamp() AS at');
  expect(replayed).toEqual({ at: null });
  const snapshot = await openSnapshot({ ...pair.standby.info, database: t.database, tls: 'disable' });
  await snapshot.close();
  const [control] = await pair.standby.query<{ time: string }>(
    `SELECT to_char(checkpoint_time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS time FROM pg_control_checkpoint()`,
  );
  expect(snapshot).toMatchObject({ time: control?.time, standby: true });
  const { result } = await run(t, 'replace');
  expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  expect(await targetReadings(t)).toEqual(await expectedReadings(t));
});

test('doctor says what is a standby and how far it is behind', async () => {
  const t = await onStandby();
  const findings = await t.refill.doctor();
  expect(findings.filter((f) => f.check === 'standby')).toMatchObject([
    { message: expect.stringMatching(/is a standby; the last commit that it has replayed is \d+\.\d s old/u) },
  ]);
});

test('a purge waits until the standby has replayed what its delete removes', async () => {
  const t = await onStandby({ outageMinutes: 1 });
  await fillOldReadings(t);
  // A lag that lasts: each commit is replayed two seconds later.
  await pair.standby.query(`ALTER SYSTEM SET recovery_min_apply_delay = '2s'`);
  await pair.standby.query('SELECT pg_reload_conf()');
  const busy = setInterval(() => void t.pg.query('SELECT pg_current_xact_id()').catch(() => undefined), 200);
  onTestFinished(async () => {
    clearInterval(busy);
    await pair.standby.query('ALTER SYSTEM RESET recovery_min_apply_delay');
    await pair.standby.query('SELECT pg_reload_conf()');
  });
  const plan = await t.refill.plan({ tenant: t.name, range: DAY, strategy: 'purge' });
  await writeLive(t, 'meter-7', 77.5);
  const events: RunEvent[] = [];
  for await (const event of t.refill.run(plan.id, { recount: false })) events.push(event);
  expect(events.at(-1)).toMatchObject({ state: 'succeeded', differences: 0 });
  expect(await levelOf(t, 'meter-7')).toEqual([{ level: '77.5' }]);
});

test('a purge from a standby that stands still is refused, and nothing is deleted', async () => {
  const t = await onStandby({ outageMinutes: 0.03 });
  await fillOldReadings(t);
  const before = await targetReadings(t);
  const { result } = await run(t, 'purge');
  expect(result).toMatchObject({ state: 'failed' });
  expect(JSON.stringify(result)).toContain('PG_STANDBY_BEHIND');
  expect(await targetReadings(t)).toEqual(before);
});
