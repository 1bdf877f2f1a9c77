import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import type { RefillConfig } from '../../src/config/config.ts';
import type { RunRecord } from '../../src/ledger/ledger.ts';
import { builtCli } from '../cli/built.ts';
import type { TestTenant } from '../support/tenant.ts';

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

/**
 * Starts the command line as a user does. It ends with the test at the latest.
 *
 * @param entry Default: this source, built.
 */
export async function start(args: readonly string[], env: NodeJS.ProcessEnv = {}, entry?: string): Promise<Program> {
  const child = spawn(process.execPath, [entry ?? (await builtCli()), ...args], {
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

/** Runs the command line until a debug point kills it. Where it is never passed, this fails. */
export async function killed(args: readonly string[], point: string): Promise<void> {
  const program = await start([...args, '--json'], { REFILL_DEBUG_POINT: point });
  const { signal, stdout, stderr } = await program.end;
  expect({ signal, stderr }).toEqual({ signal: 'SIGKILL', stderr: '' });
  expect(stdout).not.toContain('"type":"result"');
}

/** The only run, when the ledger has noticed that its program is gone. */
export async function onlyRun(t: TestTenant): Promise<RunRecord> {
  await expect.poll(async () => (await t.refill.runs()).map((run) => run.holder)).toEqual([null]);
  const [run] = await t.refill.runs();
  if (!run) throw new Error('there is no run');
  return run;
}
