import { RefillError } from '../../domain/errors.ts';
import type { VerifyResult } from '../../domain/events.ts';
import type { Limits } from '../../domain/limits.ts';
import type { Plan } from '../../domain/plan.ts';
import type { Actor, Ledger, RunRecord } from '../../ledger/ledger.ts';
import { checkPlan } from '../../steps/plan.ts';
import type { Workbench } from '../../steps/workbench.ts';
import type { VerifyOptions } from '../../steps/verify.ts';
import type { Governed } from '../local-run.ts';
import type { VerifyRequest } from './shared/verify.ts';

/** What a worker's activities need of the configuration's servers. */
export interface WorkerEnvironment {
  readonly actor: Actor;
  readonly limits: Limits;
  /** The Postgres server of a cluster: windows of all clusters on it share its slots. */
  serverOf(cluster: string): Promise<string>;
  ledger(): Promise<Ledger>;
  workbenchOf(plan: Plan): Promise<Workbench>;
  governed(plan: Plan): Promise<Governed>;
  /** What a request means by the configuration alone; no cluster where the tenant has to be looked for on several. */
  named(request: VerifyRequest): Promise<{ readonly dataset: string; readonly cluster?: string }>;
  verify(
    request: VerifyRequest,
    options: Pick<VerifyOptions, 'signal' | 'onProgress'>,
  ): Promise<VerifyResult & { readonly cluster: string }>;
}

/** A run with what its steps need, opened once for all of its activities on this worker. */
export interface OpenedRun {
  readonly ledger: Ledger;
  readonly plan: Plan;
  readonly bench: Workbench;
}

/** Runs that are kept open. A plan of many windows is some megabytes. */
const KEPT = 20;

export class OpenedRuns {
  readonly #environment: WorkerEnvironment;
  readonly #opened = new Map<string, Promise<OpenedRun>>();

  constructor(environment: WorkerEnvironment) {
    this.#environment = environment;
  }

  async get(run: string): Promise<OpenedRun> {
    const opened = this.#opened.get(run) ?? this.#open(run);
    // The one used last is the last to go.
    this.#opened.delete(run);
    this.#opened.set(run, opened);
    const [oldest] = this.#opened.keys();
    if (this.#opened.size > KEPT && oldest !== undefined) this.#opened.delete(oldest);
    return opened.catch((error: unknown) => {
      this.#opened.delete(run);
      throw error;
    });
  }

  async #open(id: string): Promise<OpenedRun> {
    const ledger = await this.#environment.ledger();
    const run = await ledger.run(id);
    refuseLocal(run);
    const plan = await ledger.plan(run.plan);
    const bench = await this.#environment.workbenchOf(plan);
    // Its worker's configuration and dataset may be others than those of the program that began the run.
    await checkPlan(bench, plan, false);
    return { ledger, plan, bench };
  }

  forget(run: string): void {
    this.#opened.delete(run);
  }
}

/** A run of the local executor has its own program: two would work on it at once. */
export function refuseLocal(run: Pick<RunRecord, 'id' | 'executor'>): void {
  if (run.executor === 'temporal') return;
  throw new RefillError('RUN_STATE', `run ${run.id} was begun by the local executor, and goes on with that`, {
    hint: `Go on with it where its servers can be reached: refill resume ${run.id}`,
  });
}
