import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import type { RunEvent } from '../../src/domain/events.ts';
import { DEFAULT_HEALTH_LIMITS } from '../../src/domain/indicators.ts';
import { createHealthLook } from '../../src/steps/look-at-health.ts';
import { workbenchOf } from '../cluster/support.ts';
import { ended, expectClean, fillCards, RANGE } from '../support/cards.ts';
import { openRefill } from '../support/executor.ts';
import { createTenant } from '../support/tenant.ts';

const QUICK = { windowRows: 150, healthSeconds: 0.1 };

/** Follows a run; `held` is called once, when it says that it is held, and nothing may have been written by then. */
async function followHeld(run: AsyncIterable<RunEvent>, held: (reason: string) => Promise<unknown>) {
  let reason = '';
  const { events, result } = await ended(run, async (event) => {
    if (event.type === 'window' && reason === '') throw new Error('a window was written before it was held');
    if (reason !== '' || event.type !== 'notice' || !event.message.startsWith('held')) return;
    reason = event.message;
    await held(reason);
  });
  return { reason, events, result };
}

test('sick Postgres: nothing is begun while sessions wait for locks, the reason says so, and it goes on by itself', async () => {
  const t = await createTenant({
    limits: QUICK,
    health: { lockWaits: { slow: 1, stop: 1, resume: 1 } },
  });
  await fillCards(t);
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
  const { host, port, user, password, database } = t.pg;
  const other = new Client({ host, port, user, password: password ?? '', database: database ?? '' });
  await other.connect();
  onTestFinished(() => other.end());
  await t.pg.query('CREATE TABLE contended (id int)');
  await t.pg.query('BEGIN');
  await t.pg.query('LOCK TABLE contended IN ACCESS EXCLUSIVE MODE');
  const waits = other.query('SELECT count(*) FROM contended');
  const { reason, result } = await followHeld(t.refill.run(plan.id), async () => {
    await t.pg.query('COMMIT');
    await waits;
  });
  expect(reason).toMatch(/^held: \d+ sessions waiting for a lock on Postgres .* \(stops at 1, goes on under 1\)$/u);
  expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  await expectClean(t);
});

test('disk headroom under the limit: held with the disk named, and it goes on when there is room again', async () => {
  const made = await createTenant({ limits: QUICK });
  const [disk] = await made.select<{ path: string; free: string }>('SELECT path, free_space AS free FROM system.disks');
  if (!disk) throw new Error('no disk');
  // What others write meanwhile is small beside it.
  const GIB = 1024 ** 3;
  const ballast = join(disk.path, 'ballast');
  await promisify(execFile)('fallocate', ['--length', String(6 * GIB), ballast]);
  onTestFinished(() => rm(ballast, { force: true }));
  const diskFreeBytes = {
    slow: Number(disk.free) - 3 * GIB,
    stop: Number(disk.free) - 3 * GIB,
    resume: Number(disk.free) - 3 * GIB,
  };
  const t = { ...made, refill: openRefill({ ...made.config, health: { ...DEFAULT_HEALTH_LIMITS, diskFreeBytes } }) };
  onTestFinished(() => t.refill.close());
  await fillCards(t);
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
  const { reason, result } = await followHeld(t.refill.run(plan.id), () => rm(ballast));
  expect(reason).toMatch(
    /^held: free disk [\d.]+ GiB on default on \S+:\d+ \(stops at [\d.]+ GiB, goes on over [\d.]+ GiB\)$/u,
  );
  expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  await expectClean(t);
});

test.each(['purge', 'replace'] as const)(
  '%s, a frozen day: the run waits and says until when; a pause ends it at once, and it goes on when the calendar is open',
  async (strategy) => {
    const t = await createTenant({ limits: QUICK });
    await fillCards(t);
    const [today] = new Date().toISOString().split('T');
    const tomorrow = new Date(Date.now() + 86_400_000).toISOString().slice(0, 10);
    const frozen = openRefill({
      ...t.config,
      calendar: { timeZone: 'UTC', freeze: [`${today}/${tomorrow}`] },
    });
    onTestFinished(() => frozen.close());
    const plan = await frozen.plan({ tenant: t.name, range: RANGE, strategy });
    const { reason, result } = await followHeld(frozen.run(plan.id), () => t.refill.pause());
    expect(reason).toContain(`freeze ${today} to ${tomorrow}`);
    expect(reason).toMatch(/until \d{4}-\d\d-\d\dT00:00:00/u);
    expect(result).toMatchObject({ state: 'paused', rowsWritten: 0, rowsDeleted: 0 });
    // Nothing was sent either.
    expect(await (await t.refill.ledger()).mutations(result.run)).toEqual([]);
    const again = await ended(t.refill.resume(result.run));
    expect(again.result).toMatchObject({ state: 'succeeded', differences: 0 });
  },
);

test('parts are compared with those that their own partition had', async () => {
  const t = await createTenant();
  await fillCards(t);
  await t.command('SYSTEM STOP MERGES score');
  const insert = async (parts: number, where: string) => {
    for (let n = 0; n < parts; n += 1) await t.command(`INSERT INTO score SELECT * FROM score WHERE ${where} LIMIT 1`);
  };
  await insert(6, `scorecard_time < '2026-02-01'`);
  const look = createHealthLook(await workbenchOf(t), DEFAULT_HEALTH_LIMITS);
  const above = async () => (await look.look()).find(({ name }) => name === 'parts above the baseline');
  expect(await above()).toMatchObject({ value: 0 });
  await insert(3, `scorecard_time >= '2026-02-01'`);
  expect(await above()).toMatchObject({ value: 3, subject: expect.stringMatching(/^score 202602 on /u) });
});

test('a deadline that is over is warned about once, and stops nothing', async () => {
  const t = await createTenant({ limits: QUICK });
  await fillCards(t);
  const late = openRefill({ ...t.config, calendar: { timeZone: 'UTC', deadline: '2026-01-01T00:00:00.000Z' } });
  onTestFinished(() => late.close());
  const plan = await late.plan({ tenant: t.name, range: RANGE });
  const { events, result } = await ended(late.run(plan.id));
  expect(result.state).toBe('succeeded');
  const told = events.flatMap((e) => (e.type === 'notice' && e.message.includes('deadline') ? [e.message] : []));
  expect(told).toHaveLength(1);
  expect(told[0]).toMatch(/^the deadline 2026-01-01T00:00:00.000Z is over by /u);
});

test('limits set by hand while it runs: 0 holds it, default lets it go on, and both are in the audit', async () => {
  const t = await createTenant({ limits: QUICK });
  await fillCards(t);
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
  await t.refill.setLimit('test', 0);
  expect(await t.refill.limits()).toMatchObject([{ cluster: 'test', windows: 0 }]);
  const { reason, result } = await followHeld(t.refill.run(plan.id), () => t.refill.setLimit('test', null));
  expect(reason).toBe('held: no windows are allowed, by `refill limits`');
  expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  expect(await t.refill.limits()).toEqual([]);
  const ledger = await t.refill.ledger();
  const audit = await ledger.auditEntries({ subject: 'test', limit: 10 });
  expect(audit.map((e) => [e.action, e.details])).toEqual([
    ['limits', { windows: null }],
    ['limits', { windows: 0 }],
  ]);
  await expect(t.refill.setLimit('nope', 1)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});

test('a wrong calendar and wrong health limits are refused, each with its place', async () => {
  const t = await createTenant();
  const wrong = openRefill({
    ...t.config,
    calendar: { timeZone: 'Mars/Olympus', quiet: [{ days: ['mon'], from: '7', to: '19:00' }] },
    health: { ...DEFAULT_HEALTH_LIMITS, lockWaits: { slow: 1, stop: 1, resume: 5 } },
  });
  onTestFinished(() => wrong.close());
  const error = await wrong.limits().catch((e: unknown) => e);
  expect(error).toMatchObject({ code: 'CONFIG_INVALID' });
  const text = String(error);
  for (const part of ['calendar', 'Mars/Olympus', 'lockWaits: stop (1) has to be worse than resume (5)'])
    expect(text).toContain(part);
});
