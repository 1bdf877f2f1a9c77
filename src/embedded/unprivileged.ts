import { constants, existsSync, readFileSync } from 'node:fs';
import { chmod, chown, cp, lstat, mkdir, rename, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';

import { RefillError } from '../domain/errors.ts';
import type { PostgresPackage } from './packages.ts';

/**
 * Postgres refuses to run as root, and root's checkouts and directories are often under /root, which nobody else may
 * enter. So as root Postgres runs as an unprivileged user, from a copy of the binaries that this user can reach where
 * it cannot reach ours, and with its data beside them where it cannot reach the stack's directory.
 */
export interface Account {
  readonly uid: number;
  readonly gid: number;
}

const WORLD_READABLE = 0o755;
/** Where root keeps what the unprivileged user has to reach, the first that can be made; /tmp may not outlive a boot. */
const SHARED_CACHES = ['/var/cache/refill', join(tmpdir(), 'refill-root')];
const SHARED_DATA = ['/var/lib/refill', join(tmpdir(), 'refill-root')];

/** The user that Postgres has to run as, or undefined where it can run as we do. */
export function unprivilegedAccount(): Account | undefined {
  if (process.getuid?.() !== 0) return undefined;
  const accounts = new Map<string, Account>();
  // getpwuid() is not to be had in Node, and initdb wants a user with a name: so one that is listed here.
  const passwd = existsSync('/etc/passwd') ? readFileSync('/etc/passwd', 'utf8') : '';
  for (const line of passwd.split('\n')) {
    const [name = '', , uid, gid] = line.split(':');
    if (Number(uid) > 0) accounts.set(name, { uid: Number(uid), gid: Number(gid) });
  }
  const account = accounts.get('postgres') ?? accounts.get('nobody') ?? [...accounts.values()][0];
  if (account === undefined) {
    throw new RefillError('EMBEDDED_FAILED', 'Postgres does not run as root, and /etc/passwd names no other user', {
      hint: 'Run this command as another user, or add one (`useradd --system postgres`).',
    });
  }
  return account;
}

/** Whether `account` may pass through every directory down to `path`, `path` included where it is one. */
export async function canReach(account: Account, path: string): Promise<boolean> {
  for (let at = resolve(path); ; at = dirname(at)) {
    const found = await stat(at).catch(() => undefined);
    if (found?.isDirectory() === true) {
      const shift = found.uid === account.uid ? 6 : found.gid === account.gid ? 3 : 0;
      if (((found.mode >> shift) & 0o1) === 0) return false;
    }
    if (at === dirname(at)) return true;
  }
}

/** Copies that are being made, by name: the servers of a fleet start at once, and one copy is enough. */
const copying = new Map<string, Promise<string>>();

/** A folder with `bin`, `lib` and `share` that `account` can run: the package's own, or a copy of it. */
export async function reachableBinaries(source: PostgresPackage, account: Account | undefined): Promise<string> {
  if (account === undefined || (await canReach(account, join(source.root, 'bin')))) return source.root;
  const running = copying.get(source.name);
  if (running !== undefined) return await running;
  const copied = copyBinaries(source, account).finally(() => copying.delete(source.name));
  copying.set(source.name, copied);
  return await copied;
}

async function copyBinaries(source: PostgresPackage, account: Account): Promise<string> {
  const base = await firstUsable(SHARED_CACHES, account);
  const copy = join(base, source.name);
  if (await isRootsOwn(copy)) return copy;
  const making = `${copy}.${process.pid}`;
  await rm(making, { recursive: true, force: true });
  await cp(source.root, making, { recursive: true, verbatimSymlinks: true, mode: constants.COPYFILE_FICLONE });
  await chmod(making, WORLD_READABLE);
  // Renamed when whole: another start may look for it, or make it, at this moment.
  await rename(making, copy).catch(async (cause: unknown) => {
    await rm(making, { recursive: true, force: true });
    if (!(await isRootsOwn(copy))) throw cause;
  });
  return copy;
}

/** Where the data of a new Postgres goes: in `dir`, or where `account` can reach it if it cannot reach `dir`. */
export async function placeData(dir: string, account: Account | undefined): Promise<string> {
  const inside = join(dir, 'postgres');
  if (account === undefined) return inside;
  await letPass(dir);
  if (await canReach(account, dir)) return inside;
  const base = await firstUsable(SHARED_DATA, account);
  return join(base, `postgres-${crypto.randomUUID()}`);
}

/** As root: lets others pass through `dir`, which is ours and holds no file that they may read. No more than that. */
export async function letPass(dir: string): Promise<void> {
  if (process.getuid?.() !== 0) return;
  const { mode, uid } = await stat(dir);
  if (uid === 0) await chmod(dir, (mode & 0o7777) | 0o111);
}

/** Makes a directory that `account` owns and nobody else enters. */
export async function makePrivate(path: string, account: Account | undefined): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 });
  if (account !== undefined) await chown(path, account.uid, account.gid);
  await chmod(path, 0o700);
}

async function firstUsable(bases: readonly string[], account: Account): Promise<string> {
  for (const base of bases) {
    try {
      await mkdir(base, { recursive: true, mode: WORLD_READABLE });
      // A folder in /tmp with our name may be somebody else's, who could then change what runs.
      if (!(await isRootsOwn(base))) continue;
      // The umask has its say in mkdir.
      await chmod(base, WORLD_READABLE);
      if (await canReach(account, base)) return base;
    } catch {
      continue;
    }
  }
  throw new RefillError('EMBEDDED_FAILED', `no directory that Postgres can use as another user than root`, {
    hint: `Run as another user, or make one of these writable: ${bases.join(', ')}.`,
  });
}

async function isRootsOwn(path: string): Promise<boolean> {
  const found = await lstat(path).catch(() => undefined);
  return found !== undefined && found.isDirectory() && found.uid === 0 && (found.mode & 0o022) === 0;
}
