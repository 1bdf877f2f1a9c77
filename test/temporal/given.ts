import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { promisify } from 'node:util';
import { expect, inject, onTestFinished } from 'vitest';
import type { RefillConfig } from '../../src/config/config.ts';
import { createRefill } from '../../src/create-refill.ts';
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
  /** Starts a worker as a user does, and waits until it takes work. */
  worker(env?: NodeJS.ProcessEnv): Promise<Program>;
  /** Runs the `temporal` command line as an operator does, and returns what it prints. */
  operator(...args: readonly string[]): Promise<string>;
  /** Starts the command line with this configuration. */
  refillCli(...args: readonly string[]): Promise<Program>;
}

/** @param address Of a Temporal server that the test has to itself. Default: the one of all tests. */
async function overTemporal(local: RefillConfig, address?: string): Promise<OverTemporal> {
  const server = inject('temporal');
  const taskQueue = `t-${randomBytes(4).toString('hex')}`;
  const namespace = server?.namespace ?? 'default';
  const temporal = { address: address ?? server?.address ?? '', namespace, tls: false, taskQueue };
  const config: RefillConfig = { ...local, executor: 'temporal', temporal };
  const refill = createRefill(config);
  onTestFinished(() => refill.close());
  const file = await configFile(config);
  return {
    config,
    refill,
    taskQueue,
    worker: (env = {}) => startWorker(config, env),
    operator: async (...args) => {
      const at = ['--address', temporal.address, '--namespace', namespace];
      return (await promisify(execFile)(temporalBinary() ?? 'temporal', [...args, ...at])).stdout;
    },
    refillCli: (...args) => start([...args, '--config', file]),
  };
}

export type TemporalTenant = TestTenant & OverTemporal;

export async function temporalTenant(
  options: TestTenantOptions & { readonly address?: string } = {},
): Promise<TemporalTenant> {
  const t = await createTenant(options);
  return { ...t, ...(await overTemporal(t.config, options.address)) };
}

export async function temporalFleet(options: TestFleetOptions): Promise<TestFleet & OverTemporal> {
  const fleet = await createFleet(options);
  return { ...fleet, ...(await overTemporal(fleet.config)) };
}

/** Starts a worker as a user does, and waits until it takes work. */
export async function startWorker(
  config: RefillConfig,
  env: NodeJS.ProcessEnv = {},
  more: readonly string[] = [],
): Promise<Program> {
  const worker = await start(['worker', ...more, '--config', await configFile(config), '--json'], env);
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
