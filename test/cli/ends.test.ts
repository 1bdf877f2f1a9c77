import { expect, test } from 'vitest';
import { configFile } from '../faults/program.ts';
import { fillCards } from '../support/cards.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';
import { type Ended, refill } from './built.ts';

// How commands that work end: a cron job sees the exit status, a program the last line of stdout.

const DAYS = ['--from', '2026-01-29', '--to', '2026-02-04'] as const;

interface Line {
  readonly id?: string;
  readonly type?: string;
  readonly state?: string;
  readonly ok?: boolean;
  readonly run?: string;
  readonly differences?: number;
  readonly code?: string;
}

/** A tenant, and what starts the command line on it. */
async function started(): Promise<{ t: TestTenant; tenant: string; cli: (...args: string[]) => Promise<Ended> }> {
  // One row of a few that changes is no reason to refuse a plan.
  const t = await createTenant({ limits: { countDrift: 0.5 } });
  await fillCards(t);
  const config = await configFile(t.config);
  return {
    t,
    tenant: `${t.name.customer}/${t.name.profile}`,
    cli: (...args) => refill([...args, '--config', config]),
  };
}

function lastLine({ stdout }: Ended): Line {
  const line: Line = JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '');
  return line;
}

test('a run that ends in differences: exit 1 from run, retry and verify, in words and as JSON; made equal, each is 0', async () => {
  const { t, tenant, cli } = await started();
  // Its row stands in another part of the dataset, which a run of this part does not touch.
  await t.pg.query(`UPDATE director.scorecards SET conversation_id = '' WHERE resource_id = 'card-60'`);
  const part = ['run', tenant, ...DAYS, '--only', 'process', '--execute'];

  const first = await cli(...part, '--json');
  expect([first.status, first.stderr]).toEqual([1, '']);
  const result = lastLine(first);
  expect(result).toMatchObject({ type: 'result', state: 'differences', differences: 3 });

  const again = await cli('retry', result.run ?? '', '--execute');
  expect(again.status).toBe(1);
  expect(again.stdout).toMatch(/differ/u);

  const differs = await cli('verify', tenant, ...DAYS, '--json');
  expect(differs.status).toBe(1);
  expect(lastLine(differs)).toMatchObject({ ok: false });

  const whole = await cli('run', tenant, ...DAYS, '--execute', '--json');
  expect([whole.status, lastLine(whole)]).toMatchObject([0, { type: 'result', state: 'succeeded', differences: 0 }]);
  const equal = await cli('verify', tenant, ...DAYS, '--json');
  expect([equal.status, lastLine(equal)]).toMatchObject([0, { ok: true }]);
});

test('a run without --execute is exit 3, one that fails is exit 4, and neither changes a row', async () => {
  const { t, tenant, cli } = await started();
  const sums = () =>
    t.select(
      `SELECT toString(sum(cityHash64(*))) AS sum FROM scorecard UNION ALL SELECT toString(sum(cityHash64(*))) FROM score ORDER BY 1`,
    );
  const before = await sums();
  // One delete, which looks at its rows before anything is sent.
  const part = [tenant, '--from', '2026-01-29', '--to', '2026-02-01', '--only', 'process', '--strategy', 'purge'];
  const planned = await cli('plan', ...part, '--json');
  expect(planned.status).toBe(0);
  const plan = lastLine(planned).id ?? '';

  const refused = await cli('run', ...part, '--json');
  expect([refused.status, lastLine(refused)]).toMatchObject([3, { type: 'error', code: 'NOT_CONFIRMED' }]);

  // It has left the part since: it would be deleted and not written again.
  await t.pg.query(`UPDATE director.scorecards SET conversation_id = 'chat-56' WHERE resource_id = 'card-56'`);
  const failed = await cli('run', plan, '--execute', '--json');
  expect([failed.status, lastLine(failed)]).toMatchObject([4, { type: 'result', state: 'failed' }]);
  expect(await sums()).toEqual(before);
});
