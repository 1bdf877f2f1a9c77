import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse } from 'yaml';

import type { EmbeddedInfo } from '../../src/embedded/info.ts';
import { isRunning, refOf, type ProcessRef } from '../../src/embedded/process.ts';
import { embeddedInfo, removeEmbedded, startEmbedded, stopEmbedded } from '../../src/embedded/stack.ts';

const START_TIMEOUT_MS = 60_000;

async function clickhouse(info: EmbeddedInfo, sql: string, parameters = ''): Promise<string> {
  const response = await fetch(`${info.clickhouse.http}/?${parameters}`, { method: 'POST', body: sql });
  return (await response.text()).trim();
}

async function postgres(info: EmbeddedInfo, sql: string): Promise<Record<string, unknown>[]> {
  const client = new Client({ connectionString: info.postgres.url });
  await client.connect();
  try {
    return (await client.query<Record<string, unknown>>({ text: sql })).rows;
  } finally {
    await client.end();
  }
}

function processesOf(info: EmbeddedInfo): ProcessRef[] {
  const refs = [refOf(info.pids.postgres), refOf(info.pids.clickhouse)].filter((ref) => ref !== undefined);
  expect(refs).toHaveLength(2);
  return refs;
}

async function eventuallyGone(refs: readonly ProcessRef[]): Promise<boolean> {
  for (let i = 0; i < 200; i++) {
    if (!refs.some((ref) => isRunning(ref))) return true;
    await sleep(50);
  }
  return false;
}

describe('a stack', () => {
  // As `mkdtemp` makes it: mode 700, so that as root the user of Postgres cannot enter it until we allow that.
  const dir = mkdtempSync(join(tmpdir(), 'refill-embedded-'));
  let info: EmbeddedInfo;

  beforeAll(async () => {
    info = await startEmbedded({
      dir,
      attached: true,
      temporary: true,
      clickhouseUsers: [{ name: 'reader', password: 'a password', grants: ['GRANT SELECT, INSERT ON *.*'] }],
    });
    await postgres(info, 'CREATE TABLE kept AS SELECT 42 AS answer');
    await clickhouse(info, 'CREATE DATABASE kept');
    await clickhouse(info, 'CREATE TABLE kept.t (a UInt8) ENGINE = ReplacingMergeTree ORDER BY a');
    await clickhouse(info, 'INSERT INTO kept.t VALUES (42)');
  }, START_TIMEOUT_MS);
  afterAll(async () => {
    await removeEmbedded(dir);
    expect(existsSync(dir)).toBe(false);
  });

  const expectData = async (of: EmbeddedInfo) => {
    expect(await postgres(of, 'SELECT answer FROM kept')).toEqual([{ answer: 42 }]);
    expect(await clickhouse(of, 'SELECT a FROM kept.t')).toBe('42');
  };

  test('is found again, and a second start changes nothing', async () => {
    expect(await embeddedInfo(dir)).toEqual(info);
    expect(await startEmbedded({ dir })).toEqual(info);
    await expectData(info);
  });

  test('keeps its password in a file that only its owner reads, and nowhere else', () => {
    const secret = join(dir, 'secrets', 'postgres');
    expect(statSync(secret).mode & 0o777).toBe(0o600);
    expect(readFileSync(secret, 'utf8').trim()).toBe(info.postgres.password);
    for (const file of ['state.json', 'refill.config.yaml', 'logs/postgres.log']) {
      expect(readFileSync(join(dir, file), 'utf8')).not.toContain(info.postgres.password);
    }
  });

  test('Postgres asks for the password, keeps its promises and works in UTC', async () => {
    const wrong = { ...info, postgres: { ...info.postgres, url: info.postgres.url.replace(/:[^:@]+@/u, ':wrong@') } };
    await expect(postgres(wrong, 'SELECT 1')).rejects.toThrow(/password authentication failed/u);
    const [settings] = await postgres(
      info,
      `SELECT current_setting('synchronous_commit') AS commit, current_setting('fsync') AS fsync,
        current_setting('timezone') AS zone, current_setting('server_encoding') AS encoding,
        current_setting('data_checksums') AS checksums, current_database() AS db`,
    );
    expect(settings).toEqual({
      commit: 'on',
      fsync: 'on',
      zone: 'UTC',
      encoding: 'UTF8',
      checksums: 'on',
      db: 'refill',
    });
  });

  test('the engine is a cluster of one, queues its mutations and logs its queries', async () => {
    await clickhouse(info, `CREATE TABLE kept.t_d AS kept.t ENGINE = Distributed('conversations', 'kept', 't')`);
    expect(await clickhouse(info, 'SELECT a FROM kept.t_d')).toBe('42');
    expect(await clickhouse(info, `SELECT count() FROM clusterAllReplicas('conversations', kept.t)`)).toBe('1');
    expect(await clickhouse(info, `SELECT getSetting('mutations_sync'), timezone()`)).toBe('0\tUTC');
    await clickhouse(info, 'SYSTEM FLUSH LOGS');
    expect(Number(await clickhouse(info, 'SELECT count() FROM system.query_log'))).toBeGreaterThan(0);
    expect(Number(await clickhouse(info, `SELECT count() FROM system.part_log WHERE database = 'kept'`))).toBe(1);
  });

  test('a user with fewer rights cannot delete, and a wrong password is refused', async () => {
    const user = 'user=reader&password=a+password';
    expect(await clickhouse(info, 'SELECT a FROM kept.t', user)).toBe('42');
    expect(await clickhouse(info, 'ALTER TABLE kept.t DELETE WHERE 1', user)).toMatch(/Not enough privileges/u);
    expect(await clickhouse(info, 'SELECT 1', 'user=reader&password=wrong')).toMatch(/Authentication failed/u);
    await expectData(info);
  });

  test.each(['postgres', 'clickhouse'] as const)(
    'comes back with its data after kill -9 of %s',
    async (server) => {
      const before = await embeddedInfo(dir);
      process.kill(before?.pids[server] ?? 0, 'SIGKILL');
      // At once, while the killed process may still be dying.
      const after = await startEmbedded({ dir, attached: true });
      const other = server === 'postgres' ? 'clickhouse' : 'postgres';
      expect(after.pids[server]).not.toBe(before?.pids[server]);
      expect(after.pids[other]).toBe(before?.pids[other]);
      expect({ ...after, pids: 0 }).toEqual({ ...before, pids: 0 });
      await expectData(after);
      await clickhouse(after, 'SYSTEM FLUSH LOGS');
    },
    START_TIMEOUT_MS,
  );

  test(
    'stops and starts again on the same ports, and writes its configuration again',
    async () => {
      const before = processesOf((await embeddedInfo(dir)) ?? info);
      expect(await stopEmbedded(dir)).toEqual({ stopped: ['postgres', 'clickhouse'] });
      expect(before.some((ref) => isRunning(ref))).toBe(false);
      expect(await embeddedInfo(dir)).toBeUndefined();
      expect(await stopEmbedded(dir)).toEqual({ stopped: [] });

      rmSync(info.config);
      const after = await startEmbedded({ dir, attached: true });
      expect({ ...after, pids: 0 }).toEqual({ ...info, pids: 0 });
      await expectData(after);
      expect(parse(readFileSync(after.config, 'utf8'))).toMatchObject({
        ledger: { port: after.postgres.port, password: `file:${join(dir, 'secrets', 'postgres')}`, database: 'refill' },
        clusters: { local: { clickhouse: { urls: [after.clickhouse.http], cluster: 'conversations' } } },
      });
    },
    START_TIMEOUT_MS,
  );

  test(
    'moves to other ports where they are taken, and changes only them in a configuration of somebody’s own',
    async () => {
      await stopEmbedded(dir);
      const own = readFileSync(info.config, 'utf8').replace(/^.*\n/u, '# my own\n');
      writeFileSync(info.config, own.replace('[scorecards]', '[scorecards, ./mine.ts]'));
      const blocker = spawn(process.execPath, [
        '-e',
        `for (const p of [${info.postgres.port}, ${new URL(info.clickhouse.http).port}])
           require('node:net').createServer().listen(p, '127.0.0.1', () => console.log('ready'));
         process.stdin.on('end', () => process.exit()).resume();`,
      ]);
      await new Promise((resolve) => blocker.stdout.once('data', resolve));
      try {
        const moved = await startEmbedded({ dir, attached: true });
        expect(moved.postgres.port).not.toBe(info.postgres.port);
        expect(moved.clickhouse.http).not.toBe(info.clickhouse.http);
        await expectData(moved);
        const text = readFileSync(moved.config, 'utf8');
        expect(text).toMatch(/^# my own\n/u);
        expect(parse(text)).toMatchObject({
          ledger: { port: moved.postgres.port },
          clusters: {
            local: { postgres: { port: moved.postgres.port }, clickhouse: { urls: [moved.clickhouse.http] } },
          },
          datasets: ['scorecards', './mine.ts'],
        });
      } finally {
        blocker.stdin.end();
      }
    },
    START_TIMEOUT_MS,
  );
});

test(
  'two stacks live side by side, and stopping one leaves the other',
  async () => {
    const dirs = ['a', 'b'].map((name) => mkdtempSync(join(tmpdir(), `refill-embedded-${name}-`)));
    const [a, b] = await Promise.all(dirs.map((dir) => startEmbedded({ dir, attached: true, temporary: true })));
    if (a === undefined || b === undefined) throw new Error('unreachable');
    await postgres(a, 'CREATE TABLE only_in_a ()');
    await stopEmbedded(a.dir);
    expect(await postgres(b, `SELECT to_regclass('only_in_a') AS it`)).toEqual([{ it: null }]);
    expect(await clickhouse(b, 'SELECT 1')).toBe('1');
    await Promise.all(dirs.map((dir) => removeEmbedded(dir)));
  },
  START_TIMEOUT_MS,
);

test(
  'starts at the same time in one directory give one stack',
  async () => {
    const dir = mkdtempSync(join(tmpdir(), 'refill-embedded-race-'));
    const [a, b] = await Promise.all([
      startEmbedded({ dir, attached: true, temporary: true }),
      startEmbedded({ dir, attached: true, temporary: true }),
    ]);
    expect(a).toEqual(b);
    await removeEmbedded(dir);
  },
  START_TIMEOUT_MS,
);

test.skipIf(process.getuid?.() !== 0)(
  'as root, Postgres’s data is where its user can reach it, and is removed with the rest',
  async () => {
    // As under /root: nobody else may pass through the parent, and it is not ours to change.
    const parent = mkdtempSync(join(tmpdir(), 'refill-embedded-private-'));
    const dir = join(parent, 'stack');
    const info = await startEmbedded({ dir, attached: true, temporary: true });
    expect(await postgres(info, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
    const [row] = await postgres(info, `SELECT current_setting('data_directory') AS data`);
    const data = String(row?.['data']);
    expect(data.startsWith(parent)).toBe(false);
    expect(statSync(data).uid).not.toBe(0);
    expect(statSync(parent).mode & 0o777).toBe(0o700);
    await removeEmbedded(dir);
    expect([existsSync(data), existsSync(dir)]).toEqual([false, false]);
    rmSync(parent, { recursive: true });
  },
  START_TIMEOUT_MS,
);

test(
  'nothing is left running after kill -9 of the owner',
  async () => {
    const dir = mkdtempSync(join(tmpdir(), 'refill-embedded-owner-'));
    const owner = spawn(process.execPath, [join(import.meta.dirname, 'owner.mjs'), dir], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const text = await new Promise<string>((resolve) => owner.stdout.once('data', (data) => resolve(String(data))));
    expect(text).toContain('started');
    const info = await embeddedInfo(dir);
    if (info === undefined) throw new Error('the stack of the owner is not up');
    const refs = processesOf(info);
    owner.kill('SIGKILL');
    expect(await eventuallyGone(refs)).toBe(true);
    // A temporary stack's directory goes too.
    for (let i = 0; i < 100 && existsSync(dir); i++) await sleep(50);
    expect(existsSync(dir)).toBe(false);
  },
  START_TIMEOUT_MS,
);

describe('a guarded stack', () => {
  const dir = mkdtempSync(join(tmpdir(), 'refill-guarded-'));
  let info: EmbeddedInfo;
  beforeAll(async () => {
    info = await startEmbedded({ dir, attached: true, temporary: true, guarded: true });
  }, START_TIMEOUT_MS);
  afterAll(() => removeEmbedded(dir));

  const ask = async (sql: string, headers: Record<string, string> = {}, parameters = '') => {
    const response = await fetch(`${info.clickhouse.http}/?${parameters}`, { method: 'POST', body: sql, headers });
    return { status: response.status, headers: response.headers, text: (await response.text()).trim() };
  };
  const basic = (user: string, password: string) => ({
    authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
  });
  const own = (sql: string) => ask(sql, basic(info.clickhouse.user, info.clickhouse.password));

  test('answers its user, and nobody else', async () => {
    expect(await own('SELECT currentUser()')).toMatchObject({ status: 200, text: 'refill' });
    const { user, password } = info.clickhouse;
    for (const refused of [
      await ask('SELECT 1'),
      await ask('SELECT 1', {}, 'user=default'),
      await ask('SELECT 1', basic('default', '')),
      await ask('SELECT 1', basic(user, 'wrong')),
      // The engine's own entry point is `default`, and whoever names it beside another header is not let in.
      await ask('SELECT 1', basic(user, 'wrong'), 'user=default'),
      await ask('SELECT 1', { 'x-clickhouse-user': 'default' }),
      await ask('SELECT 1', {}, `user=${user}&password=${password}`),
    ])
      expect(refused).toMatchObject({ status: 401, text: expect.stringContaining('516') });
    await expect(fetch(`http://127.0.0.1:${info.clickhouse.tcp}/`)).rejects.toThrow('fetch failed');
  });

  test('refuses a page of another origin', async () => {
    const origin = { origin: 'https://page.example' };
    expect((await ask('SELECT 1', origin)).status).toBe(401);
    const preflight = await fetch(info.clickhouse.http, {
      method: 'OPTIONS',
      headers: {
        ...origin,
        'access-control-request-method': 'POST',
        'access-control-request-headers': 'authorization',
      },
    });
    expect(preflight.status).toBe(401);
    expect([...preflight.headers.keys()].filter((name) => name.startsWith('access-control'))).toEqual([]);
  });

  test('reads and writes no file for a statement', async () => {
    const written = join(dir, 'written.tsv');
    for (const sql of [
      "SELECT * FROM file('/etc/passwd', 'LineAsString', 's String')",
      'SELECT * FROM `/etc/passwd`',
      "SELECT * FROM url('file:///etc/passwd', 'LineAsString', 's String')",
      `INSERT INTO FUNCTION file('${written}', 'TSV', 's String') VALUES ('x')`,
      "CREATE TABLE default.f (s String) ENGINE = File('LineAsString', '/etc/passwd')",
      "CREATE DATABASE f ENGINE = Filesystem('/etc')",
      `BACKUP DATABASE default TO File('${written}')`,
      `SELECT 1 INTO OUTFILE '${written}'`,
    ])
      expect([sql, (await own(sql)).text]).toEqual([sql, expect.stringMatching(/^Code: (?:358|497)/u)]);
    expect(existsSync(written)).toBe(false);
  });

  test('does what a database is for, through a Distributed table too', async () => {
    for (const sql of [
      'CREATE DATABASE d',
      'CREATE TABLE d.t (a UInt8) ENGINE = ReplacingMergeTree ORDER BY a',
      "CREATE TABLE d.t_d AS d.t ENGINE = Distributed('conversations', 'd', 't', a)",
      'INSERT INTO d.t_d VALUES (1), (2)',
      'ALTER TABLE d.t DELETE WHERE a = 1 SETTINGS mutations_sync = 1',
    ])
      expect(await own(sql)).toMatchObject({ status: 200, text: '' });
    expect((await own("SELECT sum(a) FROM clusterAllReplicas('conversations', d.t_d)")).text).toBe('2');
  });

  test('keeps its password, configuration and logs from others, and the file of `refill up` refers to it', () => {
    const { password, user } = info.clickhouse;
    const config = readFileSync(info.config, 'utf8');
    expect(parse(config)).toMatchObject({
      clusters: { local: { clickhouse: { user, password: `file:${join(dir, 'secrets', 'clickhouse')}` } } },
    });
    expect(config).not.toContain(password);
    for (const file of [
      ['secrets', 'clickhouse'],
      ['clickhouse', 'config.xml'],
      ['clickhouse', 'users.xml'],
      ['logs', 'clickhouse.log'],
      ['logs', 'clickhouse.error.log'],
    ])
      expect([file, statSync(join(dir, ...file)).mode & 0o077]).toEqual([file, 0]);
    expect(readFileSync(join(dir, 'clickhouse', 'users.xml'), 'utf8')).not.toContain(password);
  });

  test('stays guarded when it is started again without being asked to', async () => {
    await stopEmbedded(dir);
    info = await startEmbedded({ dir, attached: true, temporary: true });
    expect(await own('SELECT sum(a) FROM d.t')).toMatchObject({ status: 200, text: '2' });
    expect((await ask('SELECT 1')).status).toBe(401);
  });
});
