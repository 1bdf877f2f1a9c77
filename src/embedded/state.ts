import { existsSync } from 'node:fs';
import { mkdir, open, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { z } from 'zod';

import { RefillError } from '../domain/errors.ts';
import { isRunning, refOf } from './process.ts';

const Process = z.object({ pid: z.number(), started: z.string() });
const State = z.object({
  version: z.literal(1),
  postgres: z.object({ port: z.number(), data: z.string(), process: Process.exactOptional() }),
  clickhouse: z.object({ http: z.number(), tcp: z.number(), process: Process.exactOptional() }),
});

/** `state.json`: what a directory's stack was, so that it can be found, ended and started again. */
export type StackState = z.infer<typeof State>;

export async function readState(dir: string): Promise<StackState | undefined> {
  const file = join(dir, 'state.json');
  if (!existsSync(file)) return undefined;
  try {
    return State.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (cause) {
    throw new RefillError('EMBEDDED_FAILED', `${file} cannot be read`, { cause });
  }
}

export async function writeState(dir: string, state: StackState): Promise<void> {
  await writeWhole(join(dir, 'state.json'), state);
}

/** Written whole or not at all: a torn state would leave servers that nobody finds. */
export async function writeWhole(file: string, state: unknown): Promise<void> {
  const next = `${file}.${process.pid}`;
  await writeFile(next, `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o644 });
  await rename(next, file);
}

const LOCK_PATIENCE_MS = 120_000;

/** Runs `work` while no other start or stop of this directory does. A lock whose holder is gone is no lock. */
export async function withLock<T>(dir: string, work: () => Promise<T>): Promise<T> {
  await mkdir(dir, { recursive: true });
  const file = join(dir, 'lock');
  const deadline = Date.now() + LOCK_PATIENCE_MS;
  while (!(await takeLock(file))) {
    const holder = await lockHolder(file);
    if (holder === 'gone') await rm(file, { force: true });
    else if (Date.now() > deadline) {
      throw new RefillError('EMBEDDED_FAILED', `another process is starting or stopping the servers in ${dir}`);
    } else await sleep(50);
  }
  try {
    return await work();
  } finally {
    await rm(file, { force: true });
  }
}

async function takeLock(file: string): Promise<boolean> {
  const handle = await open(file, 'wx', 0o600).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'EEXIST') return undefined;
    throw error;
  });
  if (handle === undefined) return false;
  await handle.writeFile(JSON.stringify(refOf(process.pid)));
  await handle.close();
  return true;
}

async function lockHolder(file: string): Promise<'gone' | 'busy'> {
  const text = await readFile(file, 'utf8').catch(() => '');
  // Empty for the moment between making and writing it, or for ever where the holder died in that moment; then the
  // patience runs out and the message names the directory.
  if (text === '') return 'busy';
  return isRunning(Process.parse(JSON.parse(text))) ? 'busy' : 'gone';
}
