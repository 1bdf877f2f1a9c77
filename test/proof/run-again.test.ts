import { describe, expect, inject, test } from 'vitest';
import { refill } from '../cli/built.ts';
import { RANGE, wrongTenant } from '../contract/cards.ts';
import { ask, createDatabase, UserTenant, withLedger, writeConfig } from '../contract/tenant.ts';

/** What is said, and what happens, when a command is given again: after a kill, after a failure, after a mutation was taken back. */
let n = 0;

async function place(tenants = 1) {
  const servers = inject('stack');
  n += 1;
  const ledger = `ledger_again_${process.pid}_${n}`;
  const made: UserTenant[] = [];
  for (let i = 0; i < tenants; i++)
    made.push(await new UserTenant(servers, `again${process.pid}x${n}x${i}`, 'main').create(wrongTenant()));
  await createDatabase(servers, ledger);
  const listed = made.map(({ name }) => `{ customer: ${name.split('/')[0]}, profile: main }`).join(', ');
  const config = await writeConfig(servers, ledger, {
    change: (yaml) =>
      `${yaml.replace(/tenants: .*/u, `tenants: [${listed}]`)}limits: { clockMarginSeconds: 0.05, graceSeconds: 0.05, mutationPollSeconds: 0.5 }\n`,
  });
  const env = { LEDGER_PASSWORD: servers.postgres.password, PG_PASSWORD: servers.postgres.password };
  const [tenant] = made;
  if (!tenant) throw new Error('no tenant');
  return {
    tenant,
    tenants: made,
    cli: (...args: string[]) => ask(args, config, env),
    said: (...args: string[]) => refill([...args, '--config', config], { env }),
    killedAt: (point: string, ...args: string[]) => ask(args, config, { ...env, REFILL_DEBUG_POINT: point }),
    sql: (text: string) => withLedger(servers, ledger, text),
  };
}

const idOf = (answer: { readonly lines: readonly Record<string, unknown>[] }, of = 'run') =>
  String(answer.lines.map((line) => line[of]).find((id) => typeof id === 'string'));

describe('a plan whose run was killed', () => {
  test.each(['run-created', 'mutations-assigned'])('at %s', async (point) => {
    const { tenant, cli, killedAt } = await place();
    const planned = await cli('plan', tenant.name, ...RANGE);
    const plan = String(planned.last['plan']);
    const killed = await killedAt(`${point}:kill`, 'run', plan, '--execute');
    expect(killed.signal).toBe('SIGKILL');
    const again = await cli('run', plan, '--execute');
    expect([again.status, again.last]).toEqual([
      3,
      expect.objectContaining({ code: 'RUN_STATE', hint: expect.stringContaining('refill resume r-') }),
    ]);
    const resumed = await cli('resume');
    expect([resumed.status, resumed.last]).toMatchObject([0, { state: 'succeeded', differences: 0 }]);
    expect(again.last['hint']).toContain(`refill resume ${String(resumed.last['run'])}`);
    expect((await cli('run', plan, '--execute')).last).toMatchObject({ code: 'PLAN_EXECUTED' });
  });
});

describe('retry', () => {
  test('does nothing without --execute, and says what it would go on with', async () => {
    const { tenant, cli, said, sql } = await place();
    const failed = await cli('run', tenant.name, ...RANGE, '--execute', '--strategy', 'purge');
    expect(failed.status).toBe(0);
    // As if it had failed: the ledger alone says so.
    await sql(`UPDATE refill.run SET state = 'failed'`);
    const run = idOf(failed);
    const before = await tenant.everything();
    const asked = await cli('retry', run);
    expect([asked.status, asked.lines.at(0), asked.last]).toEqual([
      3,
      expect.objectContaining({ run, state: 'failed' }),
      expect.objectContaining({
        code: 'NOT_CONFIRMED',
        hint: expect.stringContaining(`refill retry ${run} --execute`),
      }),
    ]);
    expect((await said('retry')).stdout).toContain(run);
    expect(await tenant.everything()).toEqual(before);
    expect((await cli('status', run)).last).toMatchObject({ state: 'failed' });
    expect(await cli('retry', run, '--execute')).toMatchObject({ status: 0, last: { run, state: 'succeeded' } });
  });

  test('names the jobs if several could be meant', async () => {
    const { tenants, cli, sql } = await place(2);
    const runs: string[] = [];
    for (const { name } of tenants) runs.push(idOf(await cli('run', name, ...RANGE, '--execute')));
    await sql(`UPDATE refill.run SET state = 'failed'`);
    const asked = await cli('retry', '--execute');
    expect([asked.status, asked.last]).toEqual([
      2,
      expect.objectContaining({ code: 'RUN_UNKNOWN', message: expect.stringContaining('2 jobs could be meant') }),
    ]);
    for (const run of runs) expect(asked.last['message']).toContain(run);
  });
});

test('pause, cancel and resume without an id find the only fleet, and not its runs', async () => {
  const { tenants, cli, killedAt } = await place(2);
  const planned = await cli('plan', ...tenants.map(({ name }) => name), ...RANGE);
  const fleet = String(planned.last['fleet']);
  expect((await killedAt('window-written:kill', 'run', fleet, '--execute')).signal).toBe('SIGKILL');
  expect(await cli('pause')).toMatchObject({ status: 0, last: { fleet, state: 'paused' } });
  expect(await cli('resume')).toMatchObject({ status: 0, last: { type: 'fleet-result', fleet, state: 'succeeded' } });
  expect((await cli('pause')).last).toMatchObject({ code: 'RUN_UNKNOWN' });
});

describe('mutations that were taken back', () => {
  test.each([
    ['replace', 'mutations-assigned'],
    ['purge', 'window-written'],
  ])('are sent again by resume (%s, killed at %s)', async (strategy, point) => {
    const { tenant, cli, killedAt } = await place();
    await tenant.command(`SYSTEM STOP MERGES ${tenant.database}.scorecard`);
    await tenant.command(`SYSTEM STOP MERGES ${tenant.database}.score`);
    const planned = await cli('plan', tenant.name, ...RANGE, '--strategy', strategy);
    const killed = await killedAt(`${point}:kill`, 'run', String(planned.last['plan']), '--execute');
    expect(killed.signal).toBe('SIGKILL');
    const run = idOf(killed);
    const taken = await cli('mutations', run, '--execute');
    expect(taken.last['killed']).not.toEqual([]);
    await tenant.command(`SYSTEM START MERGES ${tenant.database}.scorecard`);
    await tenant.command(`SYSTEM START MERGES ${tenant.database}.score`);
    const resumed = await cli('resume', run);
    expect([resumed.status, resumed.last]).toMatchObject([0, { state: 'succeeded', differences: 0 }]);
    expect(await cli('verify', tenant.name, ...RANGE)).toMatchObject({ status: 0 });
  });
});

test('a state that could not be saved is an error', async () => {
  const { tenant, cli, sql } = await place();
  await cli('runs');
  await sql(`CREATE FUNCTION public.refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN IF NEW.state <> 'running' THEN RAISE EXCEPTION 'no room'; END IF; RETURN NEW; END $$`);
  await sql(`CREATE TRIGGER refuse BEFORE UPDATE ON refill.run FOR EACH ROW EXECUTE FUNCTION public.refuse()`);
  const answer = await cli('run', tenant.name, ...RANGE, '--execute');
  expect([answer.status, answer.last]).toMatchObject([4, { type: 'error', code: 'LEDGER_FAILED' }]);
  await sql('DROP TRIGGER refuse ON refill.run');
  expect(await cli('resume')).toMatchObject({ status: 0, last: { state: 'succeeded' } });
});
