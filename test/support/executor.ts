import { randomBytes } from 'node:crypto';
import { inject, test } from 'vitest';
import type { RefillConfig, TemporalConfig } from '../../src/config/config.ts';
import { createRefill } from '../../src/create-refill.ts';
import type { Executor } from '../../src/domain/executor.ts';
import type { Refill } from '../../src/refill.ts';

/** What does the steps of runs here. `npm run test:executors` runs tests of the core a second time, over Temporal. */
export const EXECUTOR: Executor = process.env['REFILL_TEST_EXECUTOR'] === 'temporal' ? 'temporal' : 'local';

/** Opens Refill with this executor. Over Temporal a worker in this process does the steps, so that debug points are here. */
export function openRefill(config: RefillConfig): Refill {
  return EXECUTOR === 'local' ? createRefill(config) : overTemporal(config);
}

/** The configuration of a program beside `refill`: over Temporal the worker of `refill` does what that program begins. */
export async function configBeside(refill: Refill, config: RefillConfig): Promise<RefillConfig> {
  const known = WORKERS.get(refill);
  if (!known) return config;
  await known.worker.start();
  return { ...config, executor: 'temporal', temporal: known.temporal };
}

const WORKERS = new WeakMap<Refill, { readonly worker: InProcess; readonly temporal: TemporalConfig }>();

/** `test`, for what only the local executor does. Over Temporal it is skipped, and named with what is there instead. */
export const onlyLocal =
  (instead: string) =>
  (name: string, run: () => Promise<void>): void =>
    test.skipIf(EXECUTOR === 'temporal')(EXECUTOR === 'local' ? name : `${name}: over Temporal ${instead}`, run);

/** What begins a run or a fleet, or goes on with one. */
const BEGINNINGS: readonly PropertyKey[] = ['run', 'resume', 'retry', 'runFleet', 'resumeFleet', 'retryFleet'];

function overTemporal(config: RefillConfig): Refill {
  const server = inject('temporal');
  if (server === null) throw new Error('there is no Temporal server to test with: node scripts/temporal.mjs');
  const temporal = { ...server, taskQueue: `e-${randomBytes(4).toString('hex')}` };
  const refill = createRefill({ ...config, executor: 'temporal', temporal });
  const worker = new InProcess(refill);
  const proxy = new Proxy(refill, {
    get: (target, name) => {
      const value: unknown = Reflect.get(target, name);
      if (name === 'close') return () => worker.stop().then(() => target.close());
      if (typeof value !== 'function') return value;
      const own: (...args: unknown[]) => AsyncIterable<unknown> = value.bind(target);
      if (!BEGINNINGS.includes(name)) return own;
      return async function* (...args: unknown[]) {
        await worker.start();
        yield* own(...args);
      };
    },
  });
  WORKERS.set(proxy, { worker, temporal });
  return proxy;
}

/** A worker in this process. Where it is started when the first run is begun, most tests that only look need none. */
export class InProcess {
  readonly #refill: Refill;
  readonly #stop = new AbortController();
  #starting: Promise<void> | undefined;
  #working: Promise<void> | undefined;

  constructor(refill: Refill) {
    this.#refill = refill;
  }

  start(): Promise<void> {
    this.#starting ??= new Promise((resolve, reject) => {
      this.#working = this.#refill.work({ stop: this.#stop.signal, onReady: () => resolve() });
      this.#working.catch(reject);
    });
    return this.#starting;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#working;
  }
}
