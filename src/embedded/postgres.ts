import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statfsSync } from 'node:fs';
import { chown, mkdir, open, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { DatabaseError } from 'pg';

import { RefillError } from '../domain/errors.ts';
import { clientConfig, PgClient } from '../postgres/client.ts';
import { LEDGER_DATABASE, LOOPBACK, POSTGRES_USER } from './info.ts';
import { serverEnvironment, type Launch } from './launcher.ts';
import { postgresPackage } from './packages.ts';
import { isRunning, refOf, type ProcessRef } from './process.ts';
import { logTail } from './tail.ts';
import { makePrivate, placeData, reachableBinaries, unprivilegedAccount, type Account } from './unprivileged.ts';

export interface PostgresPlace {
  /** The data directory, in the stack's directory or, as root, perhaps elsewhere. */
  readonly data: string;
  readonly log: string;
  readonly passwordFile: string;
}

export interface PostgresServer {
  readonly process: ProcessRef;
  readonly password: string;
}

/** Where the password of the Postgres of `dir` is. */
export function passwordFile(dir: string): string {
  return join(dir, 'secrets', 'postgres');
}

/** Where the Postgres of `dir` is or will be; `known` is what was remembered from its last start. */
export async function postgresPlace(dir: string, known: string | undefined): Promise<PostgresPlace> {
  const data = known ?? (await placeData(dir, unprivilegedAccount()));
  return { data, log: join(dir, 'logs', 'postgres.log'), passwordFile: passwordFile(dir) };
}

/** Starts Postgres on `port`, making its data directory and its password the first time, and waits until it answers. */
export async function startPostgres(
  dir: string,
  place: PostgresPlace,
  port: number,
  launch: Launch,
  timeoutMs: number,
): Promise<PostgresServer> {
  const initialised = existsSync(join(place.data, 'PG_VERSION'));
  const account = initialised ? await ownerOf(place.data) : unprivilegedAccount();
  const binaries = await reachableBinaries(postgresPackage(), account);
  const password = await ensurePassword(place.passwordFile);
  if (!initialised) await initialise(dir, place, binaries, password, account);
  await removeMisleadingLock(place.data);
  await writeFile(join(place.data, 'postgresql.conf'), settings(port), { mode: 0o644 });
  const server = await launch({
    file: join(binaries, 'bin', 'postgres'),
    args: ['-D', place.data],
    cwd: '/',
    log: place.log,
    ...account,
  });
  await waitUntilReady(server, place, port, password, timeoutMs);
  return { process: server, password };
}

/** Who owns the data has to run the server; nobody to be named where that is us. */
async function ownerOf(data: string): Promise<Account | undefined> {
  const { uid, gid } = await stat(data);
  if (uid === process.getuid?.()) return undefined;
  if (process.getuid?.() === 0) return { uid, gid };
  throw new RefillError('EMBEDDED_FAILED', `${data} belongs to another user, who has to start it`);
}

/** The password in a file, which is made with a new one where there is none. */
export async function ensurePassword(file: string): Promise<string> {
  if (existsSync(file)) return (await readFile(file, 'utf8')).trim();
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  const password = randomBytes(24).toString('base64url');
  await writeFile(file, `${password}\n`, { mode: 0o600, flag: 'wx' });
  return password;
}

async function initialise(
  dir: string,
  place: PostgresPlace,
  binaries: string,
  password: string,
  account: Account | undefined,
): Promise<void> {
  // What an initdb that was killed has left; there is no PG_VERSION, so no data.
  await rm(place.data, { recursive: true, force: true });
  await makePrivate(place.data, account);
  // initdb reads the password as its own user, and ours is not for others; next to the data it can be read.
  const copy = `${place.data}.password-${process.pid}`;
  await writeFile(copy, `${password}\n`, { mode: 0o600 });
  try {
    if (account !== undefined) await chown(copy, account.uid, account.gid);
    const args = ['-D', place.data, '-U', POSTGRES_USER, `--pwfile=${copy}`, '--encoding=UTF8', '--locale=C'];
    // No sync: a machine that fails in this second has an empty database to lose.
    await runInitdb(join(binaries, 'bin', 'initdb'), [...args, '--auth=scram-sha-256', '--no-sync'], place, account);
  } finally {
    await rm(copy, { force: true });
  }
  if (!place.data.startsWith(dir)) {
    await writeFile(join(dir, 'postgres-is-elsewhere'), `${place.data}\n`, { mode: 0o644 });
  }
}

async function runInitdb(
  file: string,
  args: readonly string[],
  place: PostgresPlace,
  account: Account | undefined,
): Promise<void> {
  const log = await open(place.log, 'a', 0o600);
  try {
    const child = spawn(file, args, {
      cwd: '/',
      stdio: ['ignore', log.fd, log.fd],
      env: serverEnvironment(),
      ...account,
    });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', resolve);
    });
    if (code !== 0) throw new Error(`initdb ended with ${code}`);
  } catch (cause) {
    await rm(place.data, { recursive: true, force: true });
    throw new RefillError('EMBEDDED_FAILED', `Postgres could not be initialised; its log is ${place.log}`, {
      cause,
      details: { log: logTail(place.log) },
    });
  } finally {
    await log.close();
  }
}

/**
 * After `kill -9` and a reboot, postmaster.pid may name a pid that is by now somebody else's, and Postgres refuses to
 * start. Where the pid is free, or is a Postgres, Postgres itself knows better what to do with the file.
 */
async function removeMisleadingLock(data: string): Promise<void> {
  const file = join(data, 'postmaster.pid');
  const pid = Number((await readFile(file, 'utf8').catch(() => '')).split('\n')[0]);
  if (!(pid > 0) || refOf(pid) === undefined) return;
  const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => undefined);
  if (command !== undefined && !command.split('\0').includes(data)) await rm(file, { force: true });
}

/** The whole of postgresql.conf. fsync and synchronous_commit stay on: the ledger's promises rest on them. */
function settings(port: number): string {
  // Containers often have 64 MB of /dev/shm, which one parallel hash join fills.
  const sharedMemory = shmBytes() < 1_000_000_000 ? 'mmap' : 'posix';
  return `# Written by Refill at every start: changes here do not last.
listen_addresses = '${LOOPBACK}'
port = ${port}
unix_socket_directories = ''
max_connections = 200
password_encryption = 'scram-sha-256'
shared_buffers = ${totalmem() < 3_000_000_000 ? '64MB' : '256MB'}
dynamic_shared_memory_type = ${sharedMemory}
work_mem = 32MB
maintenance_work_mem = 256MB
# Nothing replicates from here, and a table that is filled in the transaction that made it needs no log.
wal_level = minimal
max_wal_senders = 0
max_wal_size = 2GB
checkpoint_timeout = 15min
# Sample data is small: compiling a query costs more than running it.
jit = off
timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
log_line_prefix = '%m [%p] %d '
log_checkpoints = off
`;
}

function shmBytes(): number {
  try {
    const { bsize, bavail } = statfsSync('/dev/shm');
    return bsize * bavail;
  } catch {
    return 0;
  }
}

/** Whether this server answers; waits for one that is starting, and says false for one that has ended or just does. */
export async function postgresAnswers(
  server: ProcessRef,
  place: PostgresPlace,
  port: number,
  timeoutMs: number,
): Promise<boolean> {
  try {
    await waitUntilReady(server, place, port, readPassword(place), timeoutMs);
    return true;
  } catch (error) {
    if (!isRunning(server)) return false;
    throw error;
  }
}

async function waitUntilReady(
  server: ProcessRef,
  place: PostgresPlace,
  port: number,
  password: string,
  timeoutMs: number,
): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  let last: unknown;
  while (isRunning(server) && Date.now() < deadline) {
    try {
      await ensureLedgerDatabase(port, password);
      return;
    } catch (error) {
      // A wrong password does not get better: the secret and the data are of different stacks.
      if (error instanceof DatabaseError && error.code === '28P01') {
        throw new RefillError('EMBEDDED_FAILED', `Postgres refuses the password in ${place.passwordFile}`);
      }
      last = error;
      await sleep(20);
    }
  }
  const what = isRunning(server) ? `did not answer in ${timeoutMs} ms` : 'ended at once';
  throw new RefillError('EMBEDDED_FAILED', `Postgres ${what}; its log is ${place.log}`, {
    cause: last,
    details: { log: logTail(place.log) },
  });
}

async function ensureLedgerDatabase(port: number, password: string): Promise<void> {
  const place = { host: LOOPBACK, port, user: POSTGRES_USER, password, database: 'postgres', tls: 'disable' } as const;
  const client = new PgClient(clientConfig(place));
  // A server that goes down while we wait is told by the loop, not by an unhandled event.
  client.on('error', () => undefined);
  try {
    await client.connect();
    const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [LEDGER_DATABASE]);
    if (rowCount === 0) await client.query(`CREATE DATABASE ${LEDGER_DATABASE}`);
  } finally {
    await client.end().catch(() => undefined);
  }
}

/** The password of a stack that was started before. */
export function readPassword(place: Pick<PostgresPlace, 'passwordFile'>): string {
  return readFileSync(place.passwordFile, 'utf8').trim();
}
