import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { expect, inject, onTestFinished } from 'vitest';
import type { RefillConfig, TemporalConfig } from '../../src/config/config.ts';
import { createRefill } from '../../src/create-refill.ts';
import { signal } from '../../src/embedded/process.ts';
import { startTemporal, stopTemporal, type TemporalOptions } from '../../src/embedded/temporal.ts';
import { temporalBinary } from '../../src/embedded/temporal-binary.ts';
import type { Refill } from '../../src/refill.ts';
import { configFile, type Program, start } from '../faults/program.ts';
import { createFleet, type TestFleet, type TestFleetOptions } from '../fleet/support.ts';
import { createTenant, type TestTenant, type TestTenantOptions } from '../support/tenant.ts';

/** Whether there is a Temporal server to test with; under CI there always is one. */
export const noTemporal = (): boolean => inject('temporal') === null;

/** A configuration whose runs are done by Temporal, on task queues of its own. */
export interface OverTemporal {
  readonly config: RefillConfig;
  readonly refill: Refill;
  /** Beginning of the task queues' names. */
  readonly taskQueue: string;
  /**
   * Starts a worker as a user does, and waits until it takes work.
   *
   * @param entry Of another build of the program.
   */
  worker(env?: NodeJS.ProcessEnv, entry?: string): Promise<Program>;
  /** Runs the `temporal` command line as an operator does, and returns what it prints. */
  operator(...args: readonly string[]): Promise<string>;
  /** Starts the command line with this configuration. */
  refillCli(...args: readonly string[]): Promise<Program>;
}

/** What is not as in other tests. */
export interface Different {
  /** Of the Temporal server: its address, certificates, a key, a codec. */
  readonly temporal?: Partial<TemporalConfig>;
  /** Of the rest: a way to a server that breaks, for one. */
  readonly config?: (config: RefillConfig) => RefillConfig;
}

async function overTemporal(local: RefillConfig, { temporal, config: change }: Different): Promise<OverTemporal> {
  const server = inject('temporal') ?? { address: '', namespace: 'default' };
  const taskQueue = `t-${randomBytes(4).toString('hex')}`;
  const own: TemporalConfig = { ...server, taskQueue, ...temporal };
  const config: RefillConfig = { ...(change?.(local) ?? local), executor: 'temporal', temporal: own };
  const refill = createRefill(config);
  onTestFinished(() => refill.close());
  const file = await configFile(config);
  return {
    config,
    refill,
    taskQueue,
    worker: (env = {}, entry) => startWorker(config, env, [], entry),
    operator: (...args) => operator(own, ...args),
    refillCli: (...args) => start([...args, '--config', file]),
  };
}

/** Runs the `temporal` command line on a server. */
export async function operator(
  { address, namespace }: Pick<TemporalConfig, 'address' | 'namespace'>,
  ...args: readonly string[]
): Promise<string> {
  const at = ['--address', address, '--namespace', namespace];
  return (await promisify(execFile)(temporalBinary() ?? 'temporal', [...args, ...at])).stdout;
}

/** What happened in a workflow, one JSON text an event, with its payloads in it. */
export async function eventsOf(t: OverTemporal, workflow: string): Promise<readonly string[]> {
  const show = ['workflow', 'show', '--workflow-id', workflow, '--output', 'json'];
  const { events }: { events: readonly object[] } = JSON.parse(await t.operator(...show));
  const readable = (key: string, value: unknown) =>
    key === 'data' && typeof value === 'string' ? Buffer.from(value, 'base64').toString() : value;
  return events.map((event) => JSON.stringify(event, readable));
}

export type TemporalTenant = TestTenant & OverTemporal;

export async function temporalTenant(options: TestTenantOptions & Different = {}): Promise<TemporalTenant> {
  const t = await createTenant(options);
  return { ...t, ...(await overTemporal(t.config, options)) };
}

export async function temporalFleet(options: TestFleetOptions & Different): Promise<TestFleet & OverTemporal> {
  const fleet = await createFleet(options);
  return { ...fleet, ...(await overTemporal(fleet.config, options)) };
}

/** Starts a worker as a user does, and waits until it takes work. */
export async function startWorker(
  config: RefillConfig,
  env: NodeJS.ProcessEnv = {},
  more: readonly string[] = [],
  entry?: string,
): Promise<Program> {
  const worker = await start(['worker', ...more, '--config', await configFile(config), '--json'], env, entry);
  await ready(worker);
  return worker;
}

/** Waits until a worker has said that it takes work. */
function ready({ child, end }: Program): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = '';
    child.stdout?.on('data', (chunk: string) => {
      text += chunk;
      if (text.includes('"ready"')) resolve();
    });
    void end.then(({ stdout, stderr }) => reject(new Error(`the worker has ended: ${stdout}${stderr}`)));
  });
}

/** Waits until a run of the tenant has a window in this state. */
export async function untilWindow(t: OverTemporal, state: string): Promise<void> {
  const look = async () => (await t.refill.status().catch(() => null))?.windows.some((w) => w.state === state);
  await expect
    .poll(look, { timeout: 90_000 })
    .toBe(true)
    .catch(async (error: unknown) => {
      // What it was at instead is what a reader wants to know.
      const { run, windows, deletes } = await t.refill.status();
      const states = [...windows, ...deletes].map((unit) => unit.state);
      throw new Error(`run ${run.state}, units ${states.join(', ')}: ${run.error?.message ?? ''}`, { cause: error });
    });
}

/** A Temporal server that a test has to itself, and that ends with it. */
export interface OwnTemporal {
  readonly address: string;
  readonly namespace: string;
  kill(): void;
  /** Starts it again at the same address, with what it knew. */
  startAgain(): Promise<void>;
}

/** @param dynamicConfig Of that server, where it is to be another one than it is by itself. */
export async function ownTemporal(dynamicConfig: TemporalOptions['dynamicConfig'] = {}): Promise<OwnTemporal> {
  const dir = await mkdtemp(join(tmpdir(), 'refill-own-temporal-'));
  const namespace = 'ingestion';
  let server = await startTemporal({ dir, namespace, attached: true, dynamicConfig });
  onTestFinished(async () => {
    await stopTemporal(server);
    await rm(dir, { recursive: true, force: true });
  });
  const { address } = server;
  return {
    address,
    namespace,
    kill: () => void signal(server.process, 'SIGKILL'),
    startAgain: async () => {
      server = await startTemporal({
        dir,
        namespace,
        attached: true,
        dynamicConfig,
        port: Number(address.split(':')[1]),
      });
    },
  };
}
