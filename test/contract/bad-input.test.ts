import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { EmbeddedInfo } from '../../src/embedded/info.ts';
import { removeEmbedded, startEmbedded } from '../../src/embedded/stack.ts';
import { builtCli } from '../cli/built.ts';
import { fewCards, RANGE, wrongTenant } from './cards.ts';
import { ask, createDatabase, type Row, UserTenant, writeConfig } from './tenant.ts';

/**
 * The contract's list of bad input: each has an exit status, a code and a hint, and nothing is written. Servers of its
 * own, for ClickHouse users with less rights.
 */
const CH_PASSWORD = 'a password of ClickHouse';
const LITERAL = 'hunter2-in-clear';
/** Nobody listens there, and it is no port that a server is given. */
const NOBODY = 1;

let stack: EmbeddedInfo;
let tenant: UserTenant;
let env: NodeJS.ProcessEnv;
let dir = '';

beforeAll(async () => {
  await builtCli();
  dir = await mkdtemp(join(tmpdir(), 'refill-contract-'));
  const READ = ['GRANT SELECT ON *.*', 'GRANT KILL QUERY ON *.*'];
  stack = await startEmbedded({
    dir,
    attached: true,
    clickhouseUsers: [
      { name: 'app', password: CH_PASSWORD },
      { name: 'reader', password: CH_PASSWORD, grants: READ },
      { name: 'writer', password: CH_PASSWORD, grants: [...READ, 'GRANT INSERT ON *.*'] },
    ],
  });
  await createDatabase(stack, 'ledger');
  tenant = await new UserTenant(stack, 'acme', 'main').create(wrongTenant());
  env = { LEDGER_PASSWORD: stack.postgres.password, PG_PASSWORD: stack.postgres.password, CH_PASSWORD };
}, 120_000);
afterAll(() => removeEmbedded(dir));

interface Bad {
  readonly what: string;
  /** Instead of the tenant and its range. */
  readonly args?: readonly string[];
  readonly change?: (yaml: string) => string;
  readonly env?: NodeJS.ProcessEnv;
  readonly status: number;
  readonly code: string;
  /** In the message or in the hint. */
  readonly says: RegExp;
}

const range = (from: string, to: string) => ['acme/main', '--from', from, '--to', to];
/** The port after a word of the configuration. */
const port = (after: RegExp) => (yaml: string) =>
  yaml.replace(new RegExp(`(${after.source}[^}]*?(?:port: |127\\.0\\.0\\.1:))\\d+`, 'u'), `$1${NOBODY}`);

const BAD: readonly Bad[] = [
  {
    what: 'an unknown tenant',
    args: ['nobody/main', ...RANGE],
    status: 2,
    code: 'TENANT_UNKNOWN',
    says: /nobody\/main/u,
  },
  {
    what: 'SQL for a tenant',
    args: [`x'; DROP TABLE director.scores; --/main`, ...RANGE],
    status: 2,
    code: 'TENANT_UNKNOWN',
    says: /refill survey/u,
  },
  { what: 'an empty range', args: range('2026-01-05', '2026-01-05'), status: 2, code: 'RANGE_INVALID', says: /empty/u },
  {
    what: 'a reversed range',
    args: range('2026-01-13', '2026-01-05'),
    status: 2,
    code: 'RANGE_INVALID',
    says: /reversed/u,
  },
  {
    what: 'a range without zone',
    args: range('2026-01-05T00:00:00', '2026-01-13'),
    status: 2,
    code: 'RANGE_INVALID',
    says: /zone/u,
  },
  {
    what: 'SQL for a date',
    args: range(`2026-01-05' OR '1'='1`, '2026-01-13'),
    status: 2,
    code: 'RANGE_INVALID',
    says: /zone/u,
  },
  {
    what: 'SQL for a table',
    args: ['acme/main', ...RANGE, '--tables', 'score; DROP TABLE score'],
    status: 2,
    code: 'TABLE_UNKNOWN',
    says: /DROP TABLE score/u,
  },
  {
    what: 'an unknown dataset',
    args: ['acme/main', ...RANGE, '--dataset', 'x'],
    status: 2,
    code: 'DATASET_UNKNOWN',
    says: /x/u,
  },
  {
    what: 'a typo in the configuration',
    change: (yaml) => yaml.replace('tenants:', 'tennants:'),
    status: 2,
    code: 'CONFIG_INVALID',
    says: /refill\.config\.yaml:6:\d+: .*tennants.*did you mean `tenants`/u,
  },
  {
    what: 'a password in clear',
    change: (yaml) => yaml.replace('env:PG_PASSWORD', LITERAL),
    status: 2,
    code: 'CONFIG_SECRET_LITERAL',
    says: /env:NAME/u,
  },
  {
    what: 'a reference that leads to nothing',
    change: (yaml) => yaml.replace('env:PG_PASSWORD', 'env:NO_SUCH_VARIABLE'),
    status: 2,
    code: 'CONFIG_SECRET_MISSING',
    says: /NO_SUCH_VARIABLE/u,
  },
  { what: 'Postgres away', change: port(/postgres:/u), status: 4, code: 'PG_UNREACHABLE', says: /host, port/u },
  { what: 'ClickHouse away', change: port(/clickhouse:/u), status: 4, code: 'CH_UNREACHABLE', says: /URL/u },
  { what: 'the ledger away', change: port(/ledger:/u), status: 4, code: 'LEDGER_UNREACHABLE', says: /ledger/u },
  {
    what: 'a wrong password of Postgres',
    env: { PG_PASSWORD: 'wrong' },
    status: 4,
    code: 'PG_AUTH',
    says: /password/u,
  },
  {
    what: 'a wrong password of ClickHouse',
    env: { CH_PASSWORD: 'wrong' },
    status: 4,
    code: 'CH_AUTH',
    says: /password/u,
  },
];

describe('is refused, and nothing is written:', () => {
  test.each(BAD)('$what', async ({ args, change, env: other, status, code, says }) => {
    const config = await writeConfig(stack, 'ledger', {
      clickhouseUser: 'app',
      ...(change === undefined ? {} : { change }),
    });
    const before = await tenant.everything();
    const answer = await ask(['run', ...(args ?? ['acme/main', ...RANGE]), '--execute'], config, { ...env, ...other });
    expect([answer.status, answer.last]).toMatchObject([
      status,
      { type: 'error', code, message: expect.any(String), hint: expect.stringMatching(/.{20}/u) },
    ]);
    expect(`${String(answer.last['message'])}\n${String(answer.last['hint'])}`).toMatch(says);
    // The same for people, and never a stack or a secret.
    expect(answer.stderr).toContain(`error ${code}: `);
    expect(answer.stderr + answer.stdout).not.toMatch(/ {4}at /u);
    for (const secret of [LITERAL, stack.postgres.password, CH_PASSWORD])
      expect(answer.stderr + answer.stdout).not.toContain(secret);
    expect(await tenant.everything()).toEqual(before);
  });
});

/** What a run needs not wait for in a test. */
const HASTE = 'limits: { clockMarginSeconds: 0.05, graceSeconds: 0.05, mutationPollSeconds: 0.5, attempts: 1 }\n';
const hasty = (clickhouseUser = 'app') =>
  writeConfig(stack, 'ledger', { clickhouseUser, change: (yaml) => yaml + HASTE });

describe('without the right', () => {
  test('to insert and to delete, a run ends and nothing is written', async () => {
    const own = await new UserTenant(stack, 'rights', 'reader').create(fewCards());
    const before = await own.everything();
    const answer = await ask(['run', own.name, ...RANGE, '--execute'], await hasty('reader'), env);
    expect([3, 4]).toContain(answer.status);
    expect(JSON.stringify(answer.last)).toMatch(/"(PREFLIGHT_FAILED|CH_DENIED)"/u);
    expect(JSON.stringify(answer.last)).toMatch(/"hint":".{20}/u);
    expect(await own.everything()).toEqual(before);
  });

  test('to delete, a run is refused before it writes', async () => {
    const own = await new UserTenant(stack, 'rights', 'writer').create(fewCards());
    const before = await own.everything();
    const answer = await ask(['run', own.name, ...RANGE, '--execute'], await hasty('writer'), env);
    expect(await own.everything()).toEqual(before);
    expect([answer.status, answer.last]).toMatchObject([3, { type: 'error', code: 'PREFLIGHT_FAILED' }]);
  });

  // Fails for the same reason.
  test('to delete, doctor says so, with the remedy', async () => {
    const { status, last } = await ask(['doctor'], await hasty('writer'), env);
    expect(last['findings']).toContainEqual({
      check: 'rights',
      level: 'error',
      subject: 'acme_main.score',
      message: 'the user has no right to ALTER DELETE',
      remedy: expect.stringMatching(/^GRANT ALTER DELETE/u),
    });
    expect([status, last['ok']]).toEqual([3, false]);
  });
});

describe('what does not fit', () => {
  test.each<[string, string]>([
    ['a column that is not there', 'DROP COLUMN comment'],
    ['a type that does not fit', 'MODIFY COLUMN comment UInt8'],
  ])('%s is found by plan and by doctor, before any delete', async (what, alter) => {
    const own = await new UserTenant(stack, 'unfit', alter.slice(0, 4)).create(fewCards());
    await own.command(`ALTER TABLE ${own.database}.scorecard DELETE WHERE 1`);
    await own.command(`ALTER TABLE ${own.database}.scorecard ${alter}`);
    const before = await own.everything();
    const config = await hasty();
    const plan = await ask(['plan', own.name, ...RANGE], config, env);
    expect([what, plan.status, plan.last['code']]).toEqual([what, 2, 'DATASET_INVALID']);
    expect(plan.last['message']).toContain('comment');
    const doctor = await ask(['doctor'], config, env);
    expect(doctor.status).toBe(3);
    expect(doctor.last['findings']).toContainEqual(
      expect.objectContaining({ level: 'error', subject: own.name, message: expect.stringContaining('comment') }),
    );
    expect(await own.everything()).toEqual(before);
  });

  test.each<[string, Row, RegExp]>([
    ['a number past its type', { submission_source: 300 }, /submission_source/u],
    ['a negative number', { submission_source: -1 }, /submission_source/u],
    ['a time after the type’s last', { created_at: '2500-01-01T00:00:00Z' }, /created_at/u],
    ['a time before the type’s first', { created_at: '1850-01-01T00:00:00Z' }, /created_at/u],
    ['a time without end', { created_at: 'infinity' }, /created_at/u],
  ])('%s ends the run, with the column, and nothing is written or deleted', async (what, card, says) => {
    const profile = what.replace(/[^a-z]/gu, '');
    const own = await new UserTenant(stack, 'value', profile).create(fewCards(card));
    const before = await own.everything();
    const answer = await ask(['run', own.name, ...RANGE, '--execute'], await hasty(), env);
    expect(answer.status).toBe(4);
    const text = JSON.stringify(answer.last);
    expect(text).toMatch(/"(PG|CH)_VALUE"/u);
    expect(text).toMatch(says);
    expect(text).toMatch(/"hint":".{20}/u);
    expect(await own.everything()).toEqual(before);
  });
});

test('a read-only table is refused before anything is written or deleted, and named', async () => {
  const own = await new UserTenant(stack, 'read', 'only').create(fewCards());
  await own.command(`ALTER TABLE ${own.database}.scorecard MODIFY SETTING table_readonly = 1`);
  const before = await own.everything();
  const answer = await ask(['run', own.name, ...RANGE, '--tables', 'scorecard', '--execute'], await hasty(), env);
  expect([answer.status, answer.last]).toMatchObject([3, { type: 'error', hint: expect.stringMatching(/.{20}/u) }]);
  expect(JSON.stringify(answer.last)).toContain('CH_READ_ONLY');
  expect(await own.everything()).toEqual(before);
});

test('a run that overlaps an unfinished one is refused, and names it', async () => {
  const config = await hasty();
  const killed = spawn(
    process.execPath,
    [await builtCli(), 'run', tenant.name, ...RANGE, '--execute', '--config', config],
    { env: { ...process.env, ...env, REFILL_DEBUG_POINT: 'run-created:kill' }, stdio: 'ignore' },
  );
  expect(await once(killed, 'exit')).toEqual([null, 'SIGKILL']);
  const { last: unfinished } = await ask(['status'], config, env);
  const before = await tenant.everything();
  const part = ['--from', '2026-01-12T23:00:00Z', '--to', '2026-02-01'];
  const answer = await ask(['run', tenant.name, ...part, '--execute'], config, env);
  expect([answer.status, answer.last]).toMatchObject([
    3,
    { type: 'error', code: 'RUN_OVERLAPS', hint: expect.stringMatching(/.{20}/u) },
  ]);
  expect(answer.stderr).toContain(String(unfinished['run']));
  expect(await tenant.everything()).toEqual(before);
  // Once it has ended there is room.
  expect((await ask(['cancel', String(unfinished['run'])], config, env)).status).toBe(0);
  expect((await ask(['run', tenant.name, ...part, '--execute'], config, env)).status).toBe(0);
}, 180_000);

test('names and data with quotes, dots, spaces, unicode, escapes and SQL come through as they are', async () => {
  const nasty = [
    `a\tb\nc\r\nd\\e\\N\\0\\x00\\.`,
    `'; DROP TABLE score; -- "x" \`y\` $$ :from :keys {a:String} %s`,
    'Zoë 你好 🚀 e\u0301 \u202E \u0001\u007F\uFEFF',
    `\\N`,
    `${'x\t'.repeat(500_000)}end`,
  ];
  const comment = nasty.join('|');
  const id = `card '1' "x" \\ \t; DROP TABLE score; -- 🚀`;
  const rows = fewCards(
    { resource_id: id, comment, score: 'NaN' },
    { scorecard_id: id, text_value: comment, numeric_value: 'Infinity', ai_value: '-Infinity' },
  );
  const own = await new UserTenant(stack, `O'Brien "Q" & Co.; DROP DATABASE x --`, `größe.1 🚀 \\N`).create(rows);
  const beside = await tenant.everything();
  const config = await hasty();
  const answer = await ask(['run', own.name, ...RANGE, '--execute'], config, env);
  expect([answer.status, answer.last]).toMatchObject([0, { state: 'succeeded', differences: 0 }]);
  const explained = await ask(['explain', id, '--tenant', own.name], config, env);
  expect([explained.status, explained.last]).toMatchObject([0, { id, verdict: 'present' }]);
  const [card] = await own.select<Row>(
    `SELECT customer_id, profile_id, comment, isNaN(score) AS nan FROM ${own.database}.scorecard WHERE scorecard_id LIKE 'card %'`,
  );
  expect(card).toEqual({
    customer_id: `O'Brien "Q" & Co.; DROP DATABASE x --`,
    profile_id: `größe.1 🚀 \\N`,
    comment,
    nan: 1,
  });
  const [score] = await own.select<Row>(
    `SELECT count() AS n, countIf(isInfinite(numeric_value) AND isInfinite(ai_value)) AS infinite
     FROM ${own.database}.score WHERE scorecard_id LIKE 'card %'`,
  );
  expect(Object.values(score ?? {}).map(Number)).toEqual([2, 2]);
  expect(await tenant.everything()).toEqual(beside);
}, 180_000);
