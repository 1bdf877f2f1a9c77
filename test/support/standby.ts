import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { chown, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client } from 'pg';
import { postgresPackage } from '../../src/embedded/packages.ts';
import { letPass, reachableBinaries, unprivilegedAccount } from '../../src/embedded/unprivileged.ts';
import { freePort } from '../ledger/postgres.ts';

const USER = 'postgres';
const PASSWORD = 'test-only';

/** A real Postgres of a test file; `data` is its directory. */
export class Server {
  readonly port: number;
  readonly data: string;
  readonly bin: string;
  #child: ChildProcess | undefined;

  constructor(port: number, data: string, bin: string) {
    [this.port, this.data, this.bin] = [port, data, bin];
  }

  get info() {
    return { host: '127.0.0.1', port: this.port, user: USER, password: PASSWORD };
  }

  async start(settings: readonly string[] = []): Promise<void> {
    const set = [
      'listen_addresses=127.0.0.1',
      'unix_socket_directories=',
      `port=${this.port}`,
      'fsync=off',
      ...settings,
    ];
    const args = ['-D', this.data, ...set.flatMap((one) => ['-c', one])];
    this.#child = spawn(join(this.bin, 'postgres'), args, { stdio: 'ignore', cwd: '/', ...unprivilegedAccount() });
    for (let tries = 0; ; tries += 1) {
      try {
        return void (await this.query('SELECT 1'));
      } catch (error) {
        if (tries === 300) throw error;
        await sleep(100);
      }
    }
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null) return;
    child.kill('SIGINT');
    await once(child, 'exit');
  }

  async connect(database = 'postgres'): Promise<Client> {
    const client = new Client({ ...this.info, database });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  async query<Row extends Record<string, unknown>>(sql: string, database?: string): Promise<Row[]> {
    const client = await this.connect(database);
    try {
      return (await client.query<Row>(sql)).rows;
    } finally {
      await client.end();
    }
  }
}

/** A primary and a standby that streams from it. */
export interface Pair {
  readonly primary: Server;
  readonly standby: Server;
  /** Waits until the standby has replayed what the primary has written by now. */
  caughtUp(): Promise<void>;
  remove(): Promise<void>;
}

export async function startPair(): Promise<Pair> {
  const account = unprivilegedAccount();
  const bin = join(await reachableBinaries(postgresPackage(), account), 'bin');
  const dir = await mkdtemp(join(tmpdir(), 'refill-standby-'));
  await letPass(dir);
  const own = async (path: string) => (account ? chown(path, account.uid, account.gid) : undefined);
  const inside = async (name: string) => {
    const path = join(dir, name);
    await mkdir(path, { mode: 0o700 });
    await own(path);
    return path;
  };
  const primary = new Server(await freePort(), await inside('primary'), bin);
  const password = join(dir, 'password');
  await writeFile(password, PASSWORD, { mode: 0o600 });
  await own(password);
  const made = spawnSync(
    join(bin, 'initdb'),
    [
      '-D',
      primary.data,
      '-U',
      USER,
      `--pwfile=${password}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
    ],
    { cwd: '/', ...account },
  );
  if (made.status !== 0) throw new Error(`initdb: ${made.stderr.toString()}`);
  await primary.start(['wal_level=replica', 'max_wal_senders=4', 'wal_keep_size=256MB', 'autovacuum=off']);

  const standby = new Server(await freePort(), join(dir, 'standby'), bin);
  const backup = await primary.connect();
  await backup.query(`SELECT pg_backup_start('standby', true)`);
  spawnSync('cp', ['-a', primary.data, standby.data]);
  const { rows } = await backup.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop()');
  await backup.end();
  await rm(join(standby.data, 'postmaster.pid'), { force: true });
  const conninfo = `host=127.0.0.1 port=${primary.port} user=${USER} password=${PASSWORD}`;
  for (const [name, text] of [
    ['backup_label', rows[0]?.labelfile ?? ''],
    ['standby.signal', ''],
    ['postgresql.auto.conf', `primary_conninfo = '${conninfo}'\n`],
  ] as const) {
    await writeFile(join(standby.data, name), text);
    await own(join(standby.data, name));
  }
  await standby.start();
  return {
    primary,
    standby,
    async caughtUp() {
      const [at] = await primary.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn');
      for (let tries = 0; tries < 300; tries += 1) {
        const [now] = await standby.query<{ there: boolean }>(
          `SELECT pg_last_wal_replay_lsn() >= '${at?.lsn}'::pg_lsn AS there`,
        );
        if (now?.there === true) return;
        await sleep(100);
      }
      throw new Error('the standby does not catch up');
    },
    async remove() {
      await standby.stop();
      await primary.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
