import { execFile, spawn } from 'node:child_process';
import { mkdir, readdir, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const STAMP = join(ROOT, 'dist', '.built-for-tests');
const LOCK = join(ROOT, 'node_modules', '.refill-build');
/** A build takes some seconds; a lock that is older was left by a process that was killed. */
const LOCK_STALE_MS = 180_000;

async function newestSource(): Promise<number> {
  const entries = await readdir(join(ROOT, 'src'), { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const times = await Promise.all(files.map(async (file) => (await stat(file)).mtimeMs));
  return Math.max(...times);
}

async function builtAt(): Promise<number> {
  return await stat(STAMP).then(
    ({ mtimeMs }) => mtimeMs,
    () => 0,
  );
}

/** Builds dist when src is newer, once for all test files at work; returns the path of the command line's entry. */
export async function builtCli(): Promise<string> {
  const entry = join(ROOT, 'dist', 'cli', 'main.js');
  while ((await builtAt()) < (await newestSource())) {
    const locked = await mkdir(LOCK).then(
      () => true,
      () => false,
    );
    if (!locked) {
      const age = await stat(LOCK).then(
        ({ mtimeMs }) => Date.now() - mtimeMs,
        () => 0,
      );
      if (age > LOCK_STALE_MS) await rm(LOCK, { recursive: true, force: true });
      await sleep(200);
      continue;
    }
    try {
      const begun = new Date();
      const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
      // A type error is `npm run typecheck`'s to fail on: tsc writes the program all the same, and tests say what it does.
      await promisify(execFile)(process.execPath, [tsc, '-p', 'tsconfig.build.json'], { cwd: ROOT }).catch(
        (error: Error & { stdout?: string }) => console.error(`the build has errors:\n${error.stdout ?? ''}`),
      );
      await promisify(execFile)(process.execPath, [join(ROOT, 'scripts/bundle-workflows.mjs')], { cwd: ROOT });
      await writeFile(STAMP, '');
      // Of when it began: a file that was saved meanwhile may not be in it.
      await utimes(STAMP, begun, begun);
    } finally {
      await rm(LOCK, { recursive: true, force: true });
    }
  }
  return entry;
}

export interface Ended {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Starts the command line as a user does, and waits for its end. */
export async function refill(
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<Ended> {
  const entry = await builtCli();
  return await new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [entry, ...args], {
      cwd: options.cwd ?? ROOT,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
    child.once('error', reject);
    child.once('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
}

/** Runs a line in bash, with the command line as `$REFILL`. */
export async function bash(
  line: string,
  env: NodeJS.ProcessEnv = {},
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const entry = await builtCli();
  return await promisify(execFile)('bash', ['-c', line], {
    cwd: ROOT,
    env: { ...process.env, REFILL: `${process.execPath} ${entry}`, ...env },
  });
}
