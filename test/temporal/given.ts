import { randomBytes } from 'node:crypto';
import { inject, onTestFinished } from 'vitest';
import { createRefill } from '../../src/create-refill.ts';
import type { Limits } from '../../src/domain/limits.ts';
import type { Refill } from '../../src/refill.ts';
import { configFile, type Program, start } from '../faults/program.ts';
import { createTenant, type TestTenant, type TestTenantOptions } from '../support/tenant.ts';

/** Whether there is a Temporal server to test with; under CI there always is one. */
export const noTemporal = (): boolean => inject('temporal') === null;

/** A tenant whose runs are done by Temporal, on task queues of its own. */
export interface TemporalTenant extends TestTenant {
  readonly file: string;
  /** Starts a worker as a user does, and waits until it takes work. */
  worker(env?: NodeJS.ProcessEnv): Promise<Program>;
  /** Starts the command line with this configuration. */
  refillCli(...args: readonly string[]): Promise<Program>;
}

export async function temporalTenant(
  options: TestTenantOptions & { readonly address?: string; readonly limits?: Partial<Limits> } = {},
): Promise<TemporalTenant> {
  const t = await createTenant(options);
  const server = inject('temporal');
  const temporal = {
    address: options.address ?? server?.address ?? '',
    namespace: server?.namespace ?? 'default',
    tls: false,
    taskQueue: `t-${randomBytes(4).toString('hex')}`,
  };
  const config = { ...t.config, executor: 'temporal', temporal } as const;
  const refill: Refill = createRefill(config);
  onTestFinished(() => refill.close());
  const file = await configFile(config);
  return {
    ...t,
    config,
    refill,
    file,
    worker: async (env = {}) => {
      const worker = await start(['worker', '--config', file, '--json'], env);
      await ready(worker);
      return worker;
    },
    refillCli: (...args) => start([...args, '--config', file]),
  };
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
