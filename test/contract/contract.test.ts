import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, expect, test } from 'vitest';

import { removeEmbedded } from '../../src/embedded/stack.ts';
import { refill } from '../cli/built.ts';
import { ids, RANGE, scoreIds, wrongTenant } from './cards.ts';
import { ask, createDatabase, type Row, type Servers, UserTenant, writeConfig } from './tenant.ts';

/**
 * The command line's contract, on which others' scripts depend, as such a script meets it: servers by `refill up`, a
 * tenant made by SQL, every answer read from stdout. The servers are this file's own, as the tenants that `discover`
 * finds on shared ones come and go with other tests.
 */
let dir = '';
let up: Row = {};
let servers: Servers;

function isServers(value: unknown): value is Servers {
  return typeof value === 'object' && value !== null && 'postgres' in value && 'clickhouse' in value;
}

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'refill-contract-'));
  const { status, stdout, stderr } = await refill(['up', '--dir', dir, '--json']);
  expect([status, stderr]).toEqual([0, '']);
  const parsed: unknown = JSON.parse(stdout);
  if (!isServers(parsed)) throw new Error('refill up --json names no servers');
  servers = parsed;
  up = { ...parsed };
}, 120_000);
afterAll(() => removeEmbedded(dir));

test('up prints one object with what a script needs, and has no tenants', async () => {
  expect(up).toEqual({
    config: expect.stringContaining(dir),
    postgres: {
      host: '127.0.0.1',
      port: expect.any(Number),
      user: expect.any(String),
      password: expect.stringMatching(/.{8}/u),
      url: expect.stringMatching(/^postgres:\/\//u),
    },
    clickhouse: {
      http: expect.stringMatching(/^http:\/\/127\.0\.0\.1:\d+$/u),
      tcp: expect.any(Number),
      user: expect.any(String),
      password: expect.stringMatching(/.{8}/u),
    },
    dashboard: null,
  });
  const { status, last } = await ask(['survey'], String(up['config']), {});
  expect([status, last]).toEqual([0, { tenants: [], unknown: [] }]);
});

test('a tenant made by SQL: survey, doctor, plan, run, verify, explain, status, report, runs', async () => {
  const tenant = await new UserTenant(servers, 'acme-air', 'us.east').create(wrongTenant());
  await createDatabase(servers, 'ledger_one');
  const config = await writeConfig(servers, 'ledger_one');
  const { password } = servers.postgres;
  const env = { LEDGER_PASSWORD: password, PG_PASSWORD: password };
  const cli = (...args: string[]) => ask(args, config, env);
  const before = await tenant.everything();

  const survey = await cli('survey');
  expect(survey.status).toBe(0);
  expect(survey.last['tenants']).toEqual([
    expect.objectContaining({
      customer: 'acme-air',
      profile: 'us.east',
      cluster: 'east',
      sourceDatabase: 'acme_air_us_east',
      targetDatabase: 'acme_air_us_east',
      targetRows: 156,
    }),
  ]);
  const counted = await cli('survey', tenant.name, ...RANGE);
  expect(counted.last['tables']).toMatchObject([
    { table: 'scorecard', source: 170, target: 156, targetKeys: 153, excluded: { appeal: 20, unsubmitted_shell: 10 } },
    { table: 'score', source: 340, target: 309, targetKeys: 303, excluded: { appeal: 42, chapter: 17 } },
  ]);

  const doctor = await cli('doctor');
  expect([doctor.status, doctor.last['ok']]).toEqual([0, true]);

  const wrong = await cli('verify', tenant.name, ...RANGE);
  expect(wrong.status).toBe(1);
  expect(wrong.last).toMatchObject({
    ok: false,
    snapshot: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/u),
    tables: [
      {
        table: 'scorecard',
        source: 170,
        target: 156,
        missing: 30,
        extra: 13,
        stale: 5,
        duplicated: 3,
        excluded: { appeal: 20, unsubmitted_shell: 10 },
      },
      {
        table: 'score',
        source: 340,
        target: 309,
        missing: 60,
        extra: 23,
        stale: 1,
        duplicated: 6,
        excluded: { appeal: 42, chapter: 17 },
      },
    ],
  });
  expect(keysOf(wrong.last)).toEqual([
    {
      missing: [...ids(20, 30), ...ids(150, 170)],
      extra: [...ids(170, 180), 'orphan-0', 'orphan-1', 'orphan-2'],
      stale: ids(40, 45),
      duplicated: ids(50, 53),
    },
    {
      missing: [...scoreIds(20, 30), ...scoreIds(150, 170)],
      extra: [...scoreIds(170, 180), 'orphan-0-greet', 'orphan-1-greet', 'orphan-2-greet'],
      stale: ['card-045-greet'],
      duplicated: scoreIds(50, 53),
    },
  ]);

  for (const [id, verdict, reason] of [
    ['card-000', 'present', null],
    ['card-185', 'excluded', 'appeal'],
    ['card-175', 'extra', 'appeal'],
    ['card-022-greet', 'missing', 'not_in_target'],
    ['card-051', 'duplicated', 'several_rows'],
  ] as const) {
    const explained = await cli('explain', id, '--tenant', tenant.name);
    expect([explained.status, explained.last]).toMatchObject([0, { id, verdict, reason }]);
  }
  const unknown = await cli('explain', 'nobody-has-this', '--tenant', tenant.name);
  expect([unknown.status, unknown.last['code']]).toEqual([2, 'KEY_UNKNOWN']);

  const plan = await cli('plan', tenant.name, ...RANGE);
  expect(plan.status).toBe(0);
  expect(plan.last).toMatchObject({ plan: expect.stringMatching(/^p-/u), strategy: 'replace' });
  expect(plan.last['warnings']).toBeInstanceOf(Array);
  const windows = rowsOf(plan.last['windows']);
  expect(windows.reduce((sum, { sourceRows }) => sum + Number(sourceRows), 0)).toBe(510);
  expect([windows[0]?.['from'], windows.at(-1)?.['to']]).toEqual([
    '2026-01-05T00:00:00.000Z',
    '2026-01-13T00:00:00.000Z',
  ]);

  const id = String(plan.last['plan']);
  const unconfirmed = await cli('run', id);
  expect([unconfirmed.status, unconfirmed.last['code']]).toEqual([3, 'NOT_CONFIRMED']);
  expect(await tenant.everything()).toEqual(before);

  const run = await cli('run', id, '--execute');
  expect([run.status, run.stderr]).toEqual([0, '']);
  expect(run.last).toMatchObject({
    type: 'result',
    run: expect.stringMatching(/^r-/u),
    state: 'succeeded',
    differences: 0,
    rowsDeleted: 465,
    rowsWritten: 510,
    seconds: expect.any(Number),
  });
  expect(run.lines.filter(({ type }) => type === 'result')).toHaveLength(1);
  expect(run.lines.every(({ type, run: of }) => typeof type === 'string' && of === run.last['run'])).toBe(true);

  const right = await cli('verify', tenant.name, ...RANGE);
  expect([right.status, right.last['ok']]).toEqual([0, true]);
  expect(right.last['tables']).toMatchObject([
    { table: 'scorecard', source: 170, target: 170, missing: 0, extra: 0, stale: 0, duplicated: 0 },
    { table: 'score', source: 340, target: 340, missing: 0, extra: 0, stale: 0, duplicated: 0 },
  ]);
  // The source is only read, and the table that the tenant does not use stays as it is.
  const { scorecard, score, mutations, ...others } = await tenant.everything();
  expect(before).toMatchObject(others);
  expect([scorecard?.split(' ')[0], score?.split(' ')[0], mutations]).toEqual(['170', '340', '2']);

  const status = await cli('status');
  expect([status.status, status.last]).toMatchObject([0, { run: run.last['run'], state: 'succeeded', plan: id }]);
  const runs = await cli('runs');
  expect(runs.last['runs']).toMatchObject([{ run: run.last['run'], state: 'succeeded' }]);

  const report = (format: string) => refill(['report', '--format', format, '--config', config], { env });
  const [markdown, html, json] = await Promise.all([report('markdown'), report('html'), report('json')]);
  expect([markdown.status, html.status, json.status]).toEqual([0, 0, 0]);
  expect(markdown.stdout).toMatch(/^# /u);
  expect(markdown.stdout).toContain(tenant.name);
  expect(html.stdout).toMatch(/^<!doctype html>[^]*<svg[^]*<\/html>\n$/iu);
  expect(html.stdout).not.toMatch(/(src|href)="(https?:)?\/\//u);
  expect(JSON.parse(json.stdout)).toMatchObject({ run: { id: run.last['run'] }, plan: { id } });

  // A second way in: planned and run in one go, by the other strategy, over what is right already.
  const again = await cli('run', tenant.name, ...RANGE, '--strategy', 'purge', '--tables', 'scorecard', '--execute');
  expect([again.status, again.last]).toMatchObject([
    0,
    { type: 'result', state: 'succeeded', differences: 0, rowsDeleted: 170, rowsWritten: 170 },
  ]);
}, 180_000);

test('down leaves nothing running, and up starts again with the data', async () => {
  const down = await refill(['down', '--dir', dir, '--json']);
  expect([down.status, JSON.parse(down.stdout)]).toEqual([0, { stopped: ['postgres', 'clickhouse'] }]);
  await expect(fetch(servers.clickhouse.http)).rejects.toThrow('fetch failed');
  await expect(new UserTenant(servers, 'acme-air', 'us.east').pg(async () => {})).rejects.toThrow('ECONNREFUSED');
  const nothing = await refill(['down', '--dir', dir, '--json']);
  expect([nothing.status, JSON.parse(nothing.stdout)]).toEqual([0, { stopped: [] }]);
  expect((await refill(['up', '--dir', dir, '--json'])).status).toBe(0);
  const survey = await ask(['survey'], String(up['config']), {});
  expect(survey.last['tenants']).toMatchObject([{ customer: 'acme-air', profile: 'us.east' }]);
}, 120_000);

function rowsOf(value: unknown): readonly Row[] {
  return Array.isArray(value) ? value : [];
}

/** The keys of each table, by kind, in order. */
function keysOf(verified: Row): readonly Record<string, unknown>[] {
  return rowsOf(verified['tables']).map(({ keys }) =>
    Object.fromEntries(
      Object.entries(keys ?? {}).map(([kind, named]) => [
        kind,
        Array.isArray(named) ? named.map(String).sort() : named,
      ]),
    ),
  );
}
