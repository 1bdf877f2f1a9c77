import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { RefillConfig } from '../../src/config/config.ts';
import { builtCli } from '../cli/built.ts';

export interface ProgramEnd {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Program {
  readonly child: ChildProcess;
  readonly end: Promise<ProgramEnd>;
}

/** Writes a test's configuration where the command line can read it; JSON is YAML too. */
export async function configFile(config: RefillConfig): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'refill-program-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, 'refill.config.yaml');
  await writeFile(file, JSON.stringify({ ...config, datasets: config.datasets.map((d) => d.name) }));
  return file;
}

/** Starts the command line as a user does. It ends with the test at the latest. */
export async function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Program> {
  const child = spawn(process.execPath, [await builtCli(), ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  let [stdout, stderr] = ['', ''];
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  const end = new Promise<ProgramEnd>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (status, signal) => resolve({ status, signal, stdout, stderr }));
  });
  return { child, end };
}
