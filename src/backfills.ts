import type { BackfillEvent, BackfillPlan, BackfillRequest, BackfillState, BackfillTally } from './domain/backfill.ts';
import { addTallies, NOTHING_DONE, widened } from './domain/backfill.ts';
import { RefillError } from './domain/errors.ts';
import type { Plan } from './domain/plan.ts';
import type { Scorer } from './domain/scorer.ts';
import { UNFINISHED_RUN_STATES } from './domain/states.ts';
import { HOUR_MS, instant, ms } from './domain/windows.ts';
import type { Range } from './domain/words.ts';
import { resolveSecret } from './config/secrets.ts';
import type { Environment } from './environment.ts';
import { type Reindexing, runLocalBackfill } from './executors/backfill.ts';
import type { ReindexEnd } from './flow/backfill.ts';
import { newId } from './ledger/ids.ts';
import type { BackfillRecord } from './ledger/ledger.ts';
import { whereIdle } from './ledger/lock.ts';
import type { BackfillReport, CancelWaiting, RunOptions } from './refill.ts';
import type { Runs } from './runs.ts';
import { openScorer } from './scorers/open.ts';
import { type ChunkOptions, createChunks } from './steps/backfill/chunk.ts';
import { checkBackfill, planBackfill } from './steps/backfill/plan.ts';
import { findTenant, tenantOf } from './steps/tenants.ts';

type Options = Pick<RunOptions, 'drain' | 'force'>;

/** Items that could not be judged, and entries of the audit, that a report names. */
const REPORTED = 1000;

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
    yield* this.#execute(id, ['planned', 'running', 'paused', 'failed'], options);
  }

  async *resume(id: string, options: Options = {}): AsyncGenerator<BackfillEvent> {
    yield* this.#execute(id, ['running', 'paused'], options);
  }

  async *retry(id: string, options: Options = {}): AsyncGenerator<BackfillEvent> {
    yield* this.#execute(id, ['failed', 'cancelled'], options);
  }

  async *#execute(id: string, from: readonly BackfillState[], options: Options): AsyncGenerator<BackfillEvent> {
    const ledger = await this.#environment.ledger();
    const { plan, state } = await ledger.backfill(id);
    if (!from.includes(state))
      throw new RefillError('RUN_STATE', `backfill ${plan.id} is ${state}`, { hint: NEXT[state](plan.id) });
    const { limits } = await this.#environment.config();
    yield* runLocalBackfill({
      ...(await this.#prepare(plan)),
      ...options,
      ledger,
      limits,
      actor: this.#environment.actor,
      reindexing: {
        run: (record, how) => this.#reindex(record, how),
        ask: (record, wanted) => this.#askReindex(record, wanted),
      },
    });
  }

  /** Asks a backfill to pause or to end; where nobody is at work on it who could see that, it is done here. */
  async ask(id: string, wanted: 'pause' | 'cancel', waiting: CancelWaiting = {}): Promise<BackfillRecord> {
    const { actor } = this.#environment;
    const ledger = await this.#environment.ledger();
    const record = await ledger.backfill(id);
    await ledger.requestBackfill(record.id, wanted, actor);
    if (record.holder === null)
      await whereIdle(ledger.lockBackfill(record.id, actor), async () => {
        await this.#askReindex(record, wanted, waiting);
        const { state } = await ledger.backfill(record.id);
        if (wanted === 'cancel' && (state === 'running' || state === 'paused'))
          await ledger.setBackfillState(record.id, 'cancelled', actor);
        else if (state === 'running') await ledger.setBackfillState(record.id, 'paused', actor);
      });
    return ledger.backfill(record.id);
  }

  async report(id: string): Promise<BackfillReport> {
    const ledger = await this.#environment.ledger();
    const backfill = await ledger.backfill(id);
    const [unjudged, audit, reindex] = await Promise.all([
      ledger.unjudged(backfill.id, REPORTED),
      ledger.auditEntries({ subject: backfill.id, limit: REPORTED }),
      backfill.run === null ? null : this.#runs.status(backfill.run),
    ]);
    return { backfill, unjudged, reindex, audit };
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

  /**
   * Plans and runs the range that was touched, with what earlier backfills touched and nobody has proven: what those wrote
   * is equal by now, and is not written again. Goes on with the run that an earlier try has begun.
   */
  async #reindex(
    record: BackfillRecord,
    { drain, force, onNotice }: Parameters<Reindexing['run']>[1],
  ): Promise<ReindexEnd> {
    const ledger = await this.#environment.ledger();
    const begun = record.run === null ? null : await ledger.run(record.run);
    if (begun?.state === 'succeeded') return 'proven';
    const unproven = begun ? [] : await ledger.unprovenOf(record.plan);
    const touched = unproven.reduce<BackfillRecord['touched']>(widened, record.touched);
    if (!begun && touched === null) return 'proven';
    const options = { drain, force };
    const start = async () => {
      if (begun?.state === 'running' || begun?.state === 'paused') return this.#runs.resume(begun.id, options);
      if (begun) return this.#runs.retry(begun.id, options);
      if (unproven.length > 0)
        onNotice(`${names(unproven)} wrote what is not proven in ClickHouse: it is re-indexed too`);
      const plan = await this.#planReindex(record, touched);
      onNotice(`re-indexing ${plan.range.from} to ${plan.range.to}: plan ${plan.id}`);
      return this.#runs.run(plan.id, { ...options, recount: false });
    };
    for await (const event of await start()) {
      if (event.type === 'notice') onNotice(event.message);
      if (event.type !== 'result') continue;
      if (event.state === 'paused') return 'left';
      return event.state === 'succeeded' ? 'proven' : 'unproven';
    }
    throw new RefillError('BUG', 'a run ended without a result');
  }

  /** Kept before it is run: a run of it is found again, also one that somebody had to confirm by hand. */
  async #planReindex({ id, plan }: BackfillRecord, touched: BackfillRecord['touched']): Promise<Plan> {
    const { customer, profile, cluster } = plan.tenant;
    const range = touched === null ? plan.range : touchedRange(touched);
    const request = { tenant: { customer, profile }, cluster, dataset: plan.dataset, range };
    const made = await this.#runs.plan(await this.#environment.workbench(request), request);
    await (await this.#environment.ledger()).setReindexPlan(id, made.id);
    return made;
  }

  async #askReindex({ run }: BackfillRecord, wanted: 'pause' | 'cancel', waiting: CancelWaiting = {}): Promise<void> {
    if (run === null) return;
    const { state } = await (await this.#environment.ledger()).run(run);
    if (UNFINISHED_RUN_STATES.includes(state)) await this.#runs.ask(run, wanted, waiting);
  }
}

/** What can be done with a backfill that is not to be executed so. */
const NEXT: Readonly<Record<BackfillState, (id: string) => string>> = {
  planned: (id) => `Execute it with: refill backfill ${id} --execute`,
  running: (id) => `\`refill status ${id}\` says who is at work on it; \`refill resume ${id}\` goes on with it.`,
  paused: (id) => `Go on with it: refill resume ${id}`,
  cancelled: (id) => `Run \`refill retry ${id} --execute\`: what was written stays.`,
  failed: (id) => `Continue it: \`refill retry ${id} --execute\`.`,
  incomplete: () => 'Plan another one: what is equal already is not written again.',
  succeeded: () => 'Plan another one: what is equal already is not written again.',
};

/** Backfills that a notice names. */
const NAMED = 5;

function names(backfills: readonly { readonly id: string }[]): string {
  const more = backfills.length > NAMED ? `, and ${backfills.length - NAMED} more` : '';
  return `${backfills
    .slice(0, NAMED)
    .map(({ id }) => id)
    .join(', ')}${more}`;
}

/** Whole hours around what was written: windows begin and end on hours. */
function touchedRange({ first, last }: NonNullable<BackfillRecord['touched']>): Range {
  const hour = (at: number) => instant(at * HOUR_MS);
  return { from: hour(Math.floor(ms(first) / HOUR_MS)), to: hour(Math.floor(ms(last) / HOUR_MS) + 1) };
}
