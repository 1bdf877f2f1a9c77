import { end, isRunning, type ProcessRef } from '../../src/embedded/process.ts';
import type { Server } from './cluster.ts';

/** How a server is started, and when it is up. */
export interface ServerStart {
  /** What it needs on disk, and the process. */
  launch(): Promise<ProcessRef>;
  /** Resolves when it answers, throws when it has ended or takes too long. */
  ready(process: ProcessRef): Promise<void>;
}

export class LaunchedServer implements Server {
  readonly #start: ServerStart;
  #process: ProcessRef | undefined;

  constructor(start: ServerStart) {
    this.#start = start;
  }

  get pid(): number | undefined {
    return this.#process !== undefined && isRunning(this.#process) ? this.#process.pid : undefined;
  }

  async start(): Promise<void> {
    if (this.#process === undefined || !isRunning(this.#process)) this.#process = await this.#start.launch();
    await this.#start.ready(this.#process);
  }

  async stop(): Promise<void> {
    await this.#end([
      ['SIGTERM', 10_000],
      ['SIGKILL', 5000],
    ]);
  }

  async kill(): Promise<void> {
    await this.#end([['SIGKILL', 5000]]);
  }

  async #end(signals: Parameters<typeof end>[1]): Promise<void> {
    if (this.#process === undefined || (await end(this.#process, signals))) return;
    throw new Error(`process ${this.#process.pid} of the cluster does not end`);
  }
}
