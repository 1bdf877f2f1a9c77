import { randomBytes } from 'node:crypto';
import { Client } from 'pg';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { ClusterConfig, RefillConfig } from '../../src/config/config.ts';
import { ended, expectClean, fillCards, RANGE } from '../support/cards.ts';
import { noTemporal, startWorker, type TemporalTenant, temporalTenant, untilWindow } from './given.ts';

async function filled(windowRows = 60): Promise<TemporalTenant> {
  const t = await temporalTenant({ limits: { windowRows, windows: 2 } });
  await fillCards(t);
  return t;
}

/** Leaves the ledger as a newer program does. */
async function migrateByNewer({ config }: TemporalTenant): Promise<void> {
  const { host, port, user, database } = config.ledger;
  const sql = new Client({ host, port, user, database, password: process.env['REFILL_TEST_PASSWORD'] });
  await sql.connect();
  await sql.query(`INSERT INTO refill.migration (number, name) VALUES (9999, 'newer')`);
  await sql.end();
}

/** The same configuration, whose only cluster has another Postgres. */
function withPostgres(config: RefillConfig, other: Partial<ClusterConfig['postgres']>): RefillConfig {
  const { test: cluster } = config.clusters;
  if (!cluster) throw new Error('no cluster');
  return { ...config, clusters: { test: { ...cluster, postgres: { ...cluster.postgres, ...other } } } };
}

/** A worker that was well when it began, and whose user is refused by Postgres from then on. */
async function workerOutOfDate(t: TemporalTenant, limits: Partial<RefillConfig['limits']> = {}): Promise<void> {
  const role = `late_${randomBytes(4).toString('hex')}`;
  await t.pg.query(`CREATE ROLE ${role} LOGIN PASSWORD 'right'`);
  onTestFinished(async () => void (await t.pg.query(`DROP ROLE ${role}`)));
  const config = withPostgres(t.config, { user: role, password: 'env:REFILL_TEST_LATE' });
  await startWorker({ ...config, limits: { ...config.limits, ...limits } }, { REFILL_TEST_LATE: 'right' });
  await t.pg.query(`ALTER ROLE ${role} PASSWORD 'another'`);
}

/** What the steps at work of the tenant's only run have told and met, as an operator sees it. */
async function described(t: TemporalTenant): Promise<string> {
  const { run } = await t.refill.status();
  return await t.operator('workflow', 'describe', '--workflow-id', run.workflow ?? '', '--output', 'json');
}

describe.skipIf(noTemporal())('a worker that can do nothing', () => {
  test('with a wrong password it does not begin, and says why; the one that is well does the run', async () => {
    const t = await filled();
    await t.worker();
    await expect(t.worker({ REFILL_TEST_PASSWORD: 'wrong' })).rejects.toThrow(/LEDGER_FAILED|PG_AUTH/u);
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const { result } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t);
  });

  test('with a ledger that a newer program has migrated it does not begin; an old one that has begun goes on with the run', async () => {
    const t = await filled();
    await t.worker({ REFILL_DEBUG_POINT: 'window-written:sleep=400@all' });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const running = ended(t.refill.run(plan.id));
    await untilWindow(t, 'written');
    await migrateByNewer(t);
    await expect(t.worker()).rejects.toThrow(/LEDGER_NEWER/u);
    expect((await running).result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t);
  });

  test('is refused by a database later: the work waits for another worker, which does it', async () => {
    // Few units: each may be offered to it several times.
    const t = await filled(10_000);
    await workerOutOfDate(t, { outageMinutes: 10 });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const running = ended(t.refill.run(plan.id));
    await expect.poll(() => described(t).catch(String), { timeout: 60_000 }).toMatch(/"attempt": [2-9][^]*PG_AUTH/u);
    await t.worker();
    expect((await running).result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t);
  });

  test('and that is the only one there is: after `limits.outageMinutes` the run fails with what it met', async () => {
    const t = await filled();
    await workerOutOfDate(t, { outageMinutes: 0.2 });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const began = Date.now();
    const { result } = await ended(t.refill.run(plan.id));
    const seconds = (Date.now() - began) / 1000;
    expect(result).toMatchObject({ state: 'failed', error: { code: 'PG_AUTH' } });
    expect(seconds).toBeGreaterThan(12);
    expect(seconds).toBeLessThan(60);
  });

  test('is none whose database is away: it begins', async () => {
    const t = await filled();
    await startWorker(withPostgres(t.config, { port: 1 }));
  });
});
