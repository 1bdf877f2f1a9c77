import type { BackfillEvent, BackfillPlan, BackfillRequest, BackfillTally } from './domain/backfill.ts';
import { addTallies, NOTHING_DONE } from './domain/backfill.ts';
import { RefillError } from './domain/errors.ts';
import type { Scorer } from './domain/scorer.ts';
import { HOUR_MS, instant, ms } from './domain/windows.ts';
import type { Range } from './domain/words.ts';
import { resolveSecret } from './config/secrets.ts';
import type { Environment } from './environment.ts';
import { runLocalBackfill } from './executors/backfill.ts';
import { newId } from './ledger/ids.ts';
import type { BackfillRecord } from './ledger/ledger.ts';
import type { RunOptions } from './refill.ts';
import type { Runs } from './runs.ts';
import { openScorer } from './scorers/open.ts';
import { type ChunkOptions, createChunks } from './steps/backfill/chunk.ts';
import { checkBackfill, planBackfill } from './steps/backfill/plan.ts';
import { findTenant, tenantOf } from './steps/tenants.ts';

type Options = Pick<RunOptions, 'drain' | 'force'>;

/** Backfills of one tenant: the only part of Refill that writes to the users' Postgres. */
export class Backfills {
  readonly #environment: Environment;
  readonly #runs: Runs;

  constructor(environment: Environment, runs: Runs) {
    this.#environment = environment;
    this.#runs = runs;
  }

  /** Counts what a backfill would judge, and saves that. The scorer is not asked. */
  async plan(request: BackfillRequest): Promise<BackfillPlan> {
    const { actor } = this.#environment;
    await this.#scorer(request.scorer);
    const dataset = await this.#environment.dataset(request.dataset);
    const clusters = await this.#environment.clusters(request.cluster === undefined ? undefined : [request.cluster]);
    const { cluster, finding } = await findTenant(clusters, dataset, request.tenant);
    const tenant = tenantOf(finding);
    const plan = await planBackfill(cluster.source(tenant.sourceDatabase), request, {
      id: newId('b'),
      createdBy: `${actor.user}@${actor.host}`,
      dataset: dataset.name,
      tenant,
    });
    await (await this.#environment.ledger()).saveBackfill(plan, actor);
    return plan;
  }

  /** Asks the scorer about everything and says what would be written. */
  async rehearse(id: string, options: { readonly signal?: AbortSignal } = {}): Promise<BackfillTally> {
    const { plan } = await (await this.#environment.ledger()).backfill(id);
    const chunks = createChunks({
      ...(await this.#prepare(plan)),
      signal: options.signal ?? new AbortController().signal,
    });
    let tally = NOTHING_DONE;
    for (let chunk = await chunks.next(null, null); chunk !== null; chunk = await chunks.next(chunk.cursor, null))
      tally = addTallies(tally, chunk.tally);
    return tally;
  }

  /** Executes a saved backfill, or goes on with one that was interrupted, paused or failed. */
  async *run(id: string, options: Options = {}): AsyncGenerator<BackfillEvent> {
    const ledger = await this.#environment.ledger();
    const { plan, state } = await ledger.backfill(id);
    if (state === 'succeeded' || state === 'incomplete')
      throw new RefillError('RUN_STATE', `backfill ${plan.id} is ${state}`, {
        hint: 'Plan another one: what is equal already is not written again.',
      });
    const { limits } = await this.#environment.config();
    yield* runLocalBackfill({
      ...(await this.#prepare(plan)),
      ...options,
      ledger,
      limits,
      actor: this.#environment.actor,
      reindex: (record, onEvent, signal) => this.#reindex(record, onEvent, signal),
    });
  }

  /** Everything that judging and writing needs, checked. */
  async #prepare(plan: BackfillPlan): Promise<Omit<ChunkOptions, 'signal'>> {
    const { limits } = await this.#environment.config();
    const cluster = await this.#environment.cluster(plan.tenant.cluster);
    const address = cluster.source(plan.tenant.sourceDatabase);
    const scorer = await this.#scorer(plan.scorer);
    return { plan, address, scorer, template: await checkBackfill(address, plan, limits) };
  }

  async #scorer(name: string): Promise<Scorer> {
    const { scorers = {} } = await this.#environment.config();
    const config = Object.hasOwn(scorers, name) ? scorers[name] : undefined;
    if (config === undefined)
      throw new RefillError(
        'SCORER_UNKNOWN',
        `no scorer ${name} in the configuration; it has ${Object.keys(scorers).join(', ') || 'none'}`,
      );
    return openScorer(name, config, resolveSecret);
  }

  /** Plans and runs the range that was touched; goes on with the run that an earlier try has begun. */
  async #reindex(
    { plan, touched, run: begun }: BackfillRecord,
    onEvent: (message: string) => void,
    signal: AbortSignal,
  ): Promise<{ readonly run: string; readonly proven: boolean } | null> {
    if (touched === null) return null;
    const ledger = await this.#environment.ledger();
    const state = begun === null ? null : (await ledger.run(begun)).state;
    if (begun !== null && state === 'succeeded') return { run: begun, proven: true };
    const options = { force: signal };
    const { customer, profile, cluster } = plan.tenant;
    const start = async () => {
      if (begun !== null && (state === 'running' || state === 'paused')) return this.#runs.resume(begun, options);
      if (begun !== null) return this.#runs.retry(begun, options);
      const request = { tenant: { customer, profile }, cluster, dataset: plan.dataset, range: touchedRange(touched) };
      const { id } = await this.#runs.plan(await this.#environment.workbench(request), request);
      onEvent(`re-indexing ${request.range.from} to ${request.range.to}: plan ${id}`);
      return this.#runs.run(id, { ...options, recount: false });
    };
    for await (const event of await start()) {
      if (event.type === 'started' && event.run !== begun)
        await ledger.setBackfillState(plan.id, 'running', this.#environment.actor, { run: event.run });
      if (event.type === 'notice') onEvent(event.message);
      if (event.type === 'result') return { run: event.run, proven: event.state === 'succeeded' };
    }
    throw new RefillError('BUG', 'a run ended without a result');
  }
}

/** Whole hours around what was written: windows begin and end on hours. */
function touchedRange({ first, last }: NonNullable<BackfillRecord['touched']>): Range {
  const hour = (at: number) => instant(at * HOUR_MS);
  return { from: hour(Math.floor(ms(first) / HOUR_MS)), to: hour(Math.floor(ms(last) / HOUR_MS) + 1) };
}
