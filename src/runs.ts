import { refuseBlast } from './domain/blast.ts';
import { RefillError } from './domain/errors.ts';
import type { RunEvent } from './domain/events.ts';
import { MOST_IDS } from './dataset/narrow.ts';
import type { Plan, Warning } from './domain/plan.ts';
import type { IdsRequest, PlanRequest } from './domain/requests.ts';
import { type RunState, UNFINISHED_RUN_STATES } from './domain/states.ts';
import type { Environment } from './environment.ts';
import type { TenantRunOptions } from './executors/fleet.ts';
import { runTemporal } from './executors/temporal/follow.ts';
import { runSubject, settleIfReachable } from './executors/temporal/settle.ts';
import { workflowId } from './executors/temporal/shared/names.ts';
import type { LocalRun } from './executors/local-run.ts';
import { runLocal } from './executors/local.ts';
import { newId } from './ledger/ids.ts';
import type { Ledger, RunRecord } from './ledger/ledger.ts';
import { whereIdle } from './ledger/lock.ts';
import type { CancelWaiting, RunDetails, RunOptions } from './refill.ts';
import { debugPoint } from './steps/debug-points.ts';
import { endDelegated } from './steps/end-delegated.ts';
import { locateIds } from './steps/ids.ts';
import { checkPlan, makePlan } from './steps/plan.ts';
import { refuseErrors } from './steps/preflight.ts';
import type { Workbench } from './steps/workbench.ts';

type Options = RunOptions & Partial<TenantRunOptions>;

/** Plans and runs of one tenant, from their beginning to their end. */
export class Runs {
  readonly #environment: Environment;

  constructor(environment: Environment) {
    this.#environment = environment;
  }

  /** Makes and saves a tenant's plan. */
  async plan(
    bench: Workbench,
    request: Omit<PlanRequest, 'tenant'> & {
      /** Not every tenant of a fleet has what its request names. */
      readonly ofFleet?: boolean;
    },
    warnings: readonly Warning[] = [],
  ): Promise<Plan> {
    const { actor } = this.#environment;
    const ledger = await this.#environment.ledger();
    const plan = await makePlan(bench, {
      id: newId('p'),
      createdBy: `${actor.user}@${actor.host}`,
      range: request.range,
      strategy: request.strategy,
      limits: (await this.#environment.config()).limits,
      rate: await ledger.measuredRate(bench.tenant.cluster, bench.dataset.name),
      findings: await refuseErrors(bench),
      only: request.only,
      dependents: request.dependents,
      ofFleet: request.ofFleet,
      warnings,
    });
    await ledger.savePlan(plan, actor);
    return plan;
  }

  /** Makes and saves a plan of some rows, by their ids. */
  async planIds({ ids, ...request }: IdsRequest): Promise<Plan> {
    if (ids.length === 0 || ids.length > MOST_IDS)
      throw new RefillError('USAGE', `${ids.length} ids were given; a plan takes 1 to ${MOST_IDS}`, {
        hint: 'Make several plans, or plan their range.',
      });
    const only = { ids: [...new Set(ids)] };
    const bench = await this.#environment.workbench({ ...request, only });
    const { range, warnings } = await locateIds(bench, only.ids);
    return this.plan(bench, { ...request, range, only }, warnings);
  }

  /** Executes a saved plan, refused where it was, or where it deletes more than may be deleted unasked. */
  async *run(id: string, options: Options = {}): AsyncGenerator<RunEvent> {
    const [ledger, { limits }] = await Promise.all([this.#environment.ledger(), this.#environment.config()]);
    const plan = await ledger.plan(id);
    await refuseBegun(ledger, plan.id);
    refuseBlast({ id: plan.id, rowsToDelete: plan.cost.rowsToDelete }, limits.blastRows, options.confirmRows);
    yield* this.#begin(plan, options);
  }

  /** The same of a plan whose reach was approved already, as that of a fleet's tenant is with the fleet. */
  async *runApproved(id: string, options: Options): AsyncGenerator<RunEvent> {
    const ledger = await this.#environment.ledger();
    yield* this.#begin(await ledger.plan(id), options);
  }

  async *#begin(plan: Plan, options: Options): AsyncGenerator<RunEvent> {
    const { actor } = this.#environment;
    const ledger = await this.#environment.ledger();
    const bench = await this.#environment.workbenchOf(plan);
    await refuseErrors(bench);
    await checkPlan(bench, plan, options.recount !== false).catch(async (error: unknown) => {
      const [run] = await ledger.runs({ plan: plan.id, limit: 1 });
      throw run && error instanceof RefillError && error.code === 'PLAN_DRIFTED' ? drifted(error, run) : error;
    });
    const executor = options.executor ?? (await this.#environment.config()).executor ?? 'local';
    // Before the run is made: without a server it would be one that nobody works on.
    if (executor === 'temporal') await this.#environment.temporal(plan.tenant.cluster);
    const run = await ledger.createRun(plan, actor, executor === 'temporal' ? workflowId : undefined);
    await debugPoint('run-created');
    const governed = await this.#environment.governed(plan);
    yield* this.#execute({ ledger, bench, plan, run, actor, resumed: false, governed, ...options });
  }

  /** By the executor that the run was begun with. */
  async *#execute(run: Omit<LocalRun, 'place'>): AsyncGenerator<RunEvent> {
    if (run.run.executor === 'local') yield* runLocal({ ...run, place: await this.#environment.placeOf(run.plan) });
    else yield* runTemporal({ ...run, client: await this.#environment.temporal(run.run.tenant.cluster) });
  }

  /** A run as it is: one whose workflow was ended from outside is failed. A server that does not answer tells nothing. */
  async #settled(run: RunRecord): Promise<RunRecord> {
    if (run.executor === 'local' || run.state !== 'running') return run;
    const ledger = await this.#environment.ledger();
    const { actor } = this.#environment;
    await settleIfReachable(() => this.#environment.temporal(run.tenant.cluster), runSubject(ledger, run, actor));
    return ledger.run(run.id);
  }

  async *resume(id?: string, options: Options = {}): AsyncGenerator<RunEvent> {
    const { actor } = this.#environment;
    const ledger = await this.#environment.ledger();
    const run = await this.#choose(id, ['running', 'paused'], 'to resume');
    if (run.state !== 'running' && run.state !== 'paused') {
      throw new RefillError('RUN_STATE', `run ${run.id} is ${run.state}, so there is nothing to resume`, {
        hint:
          run.state === 'succeeded'
            ? 'It is done.'
            : `Run \`refill retry ${run.id} --execute\`: it repeats what is not proven and keeps what is.`,
      });
    }
    const prepared = await this.#prepare(ledger, run);
    if (run.holder === null || run.executor === 'temporal') {
      await ledger.request(run.id, 'run', actor);
      if (run.state === 'paused') await ledger.setRunState(run.id, 'running', actor);
    }
    yield* this.#execute({ ledger, ...prepared, run, actor, resumed: true, ...options });
  }

  async *retry(id?: string, options: Options = {}): AsyncGenerator<RunEvent> {
    const { actor } = this.#environment;
    const ledger = await this.#environment.ledger();
    const run = await this.#settled(await this.#choose(id, ['failed', 'cancelled', 'differences'], 'to retry'));
    // Checked before the run is made running again: a refusal leaves it as it was.
    const prepared = await this.#prepare(ledger, run);
    await ledger.retry(run.id, actor);
    const again = await ledger.run(run.id);
    yield* this.#execute({ ledger, ...prepared, run: again, actor, resumed: true, ...options });
  }

  /** What a run goes on with, checked as at its beginning, but for the counts: it has changed those itself. */
  async #prepare(ledger: Ledger, run: RunRecord): Promise<Pick<LocalRun, 'plan' | 'bench' | 'governed'>> {
    const plan = await ledger.plan(run.plan);
    const bench = await this.#environment.workbenchOf(plan);
    await refuseErrors(bench);
    await checkPlan(bench, plan, false);
    return { plan, bench, governed: await this.#environment.governed(plan) };
  }

  /** Asks a run to pause or to end; where nobody is at work on it who could see that, it is done here. */
  async ask(id: string | undefined, wanted: 'pause' | 'cancel', waiting: CancelWaiting = {}): Promise<RunRecord> {
    const { actor } = this.#environment;
    const ledger = await this.#environment.ledger();
    const run = await this.#choose(id, ['running', 'paused'], `to ${wanted}`);
    if (run.state !== 'running' && run.state !== 'paused')
      throw new RefillError('RUN_STATE', `run ${run.id} is ${run.state} already`);
    await ledger.request(run.id, wanted, actor);
    if (run.executor === 'temporal') {
      await this.#tell(run, wanted, waiting);
      return ledger.run(run.id);
    }
    if (run.holder === null)
      await whereIdle(ledger.lockRun(run.id, actor), async () => this.#end(await ledger.run(run.id), wanted, waiting));
    return ledger.run(run.id);
  }

  /** Tells a run's workflow what is wanted of it; where none is at work, it is done here. */
  async #tell(run: RunRecord, wanted: 'pause' | 'cancel', waiting: CancelWaiting): Promise<void> {
    const [ledger, client] = await Promise.all([
      this.#environment.ledger(),
      this.#environment.temporal(run.tenant.cluster),
    ]);
    const workflow = run.workflow ?? workflowId(run.id);
    await client.tell(workflow, wanted);
    if ((await client.state(workflow)) !== 'running') await this.#end(await ledger.run(run.id), wanted, waiting);
  }

  /** Pauses or ends a run that nobody is at work on; what it has left at work in the users' workflows is ended first. */
  async #end({ id, plan, state }: RunRecord, wanted: 'pause' | 'cancel', waiting: CancelWaiting): Promise<void> {
    const { actor } = this.#environment;
    const ledger = await this.#environment.ledger();
    if (wanted === 'pause' && state === 'running') await ledger.setRunState(id, 'paused', actor);
    if (wanted === 'pause' || !UNFINISHED_RUN_STATES.includes(state)) return;
    const saved = await ledger.plan(plan);
    if (saved.reindexer) {
      const bench = await this.#environment.workbenchOf(saved);
      await endDelegated(bench, ledger, id, {
        signal: new AbortController().signal,
        onWait: () => undefined,
        ...waiting,
      });
    }
    await ledger.setRunState(id, 'cancelled', actor);
  }

  /** A run by its id; without one the only run in some states. */
  async #choose(id: string | undefined, states: readonly RunState[], what: string): Promise<RunRecord> {
    const ledger = await this.#environment.ledger();
    if (id !== undefined) return ledger.run(id);
    const found = await ledger.runs({ states, limit: 2 });
    const [run, another] = found;
    if (!run) throw new RefillError('RUN_UNKNOWN', `there is no run ${what}`);
    if (another) {
      // Those of a fleet are mostly meant together.
      const fleet = (await ledger.fleetOf(run.plan)) ?? (await ledger.fleetOf(another.plan));
      throw new RefillError('RUN_UNKNOWN', `there are several runs ${what}: ${found.map((r) => r.id).join(', ')}, …`, {
        hint: fleet === null ? 'Name one of them.' : `Name one of them, or the fleet ${fleet}.`,
      });
    }
    return run;
  }

  /** Everything about a run; the newest one when not named. */
  async status(id?: string): Promise<RunDetails> {
    const ledger = await this.#environment.ledger();
    const found = id === undefined ? (await ledger.runs({ limit: 1 }))[0] : await ledger.run(id);
    if (!found) throw new RefillError('RUN_UNKNOWN', 'there is no run yet', { hint: '`refill plan …` begins one.' });
    const run = await this.#settled(found);
    const [plan, fleet, windows, deletes, proofs, drift, audit] = await Promise.all([
      ledger.plan(run.plan),
      ledger.fleetOf(run.plan),
      ledger.windows(run.id),
      ledger.deletes(run.id),
      ledger.proofs(run.id),
      ledger.drift(run.id, { limit: 1000 }),
      ledger.auditEntries({ subject: run.id, limit: 100 }),
    ]);
    return { run, plan, fleet, windows, deletes, proofs, drift, audit };
  }
}

/**
 * A plan whose run has succeeded would delete and derive again what is proven. One whose run is unfinished is continued
 * by that run: the counts have changed because of it.
 */
async function refuseBegun(ledger: Ledger, plan: string): Promise<void> {
  const [unfinished] = await ledger.runs({ plan, states: UNFINISHED_RUN_STATES, limit: 1 });
  if (unfinished) throw begun(unfinished);
  const [run] = await ledger.runs({ plan, states: ['succeeded'], limit: 1 });
  if (!run) return;
  throw new RefillError('PLAN_EXECUTED', `plan ${plan} was executed by run ${run.id}, which succeeded`, {
    hint: `Look at it: \`refill report ${run.id}\`. To derive the range once more, make a new plan.`,
    details: { run: run.id },
  });
}

/** The error for a plan whose run was interrupted, is paused or is in progress. */
function begun({ id, plan, state, holder, executor }: RunRecord): RefillError {
  const inProgress = state === 'running' && (holder !== null || executor === 'temporal');
  const how = state === 'paused' ? 'is paused' : inProgress ? 'is in progress' : 'was interrupted';
  return new RefillError('RUN_STATE', `run ${id} of plan ${plan} ${how}`, {
    hint: inProgress
      ? `Watch it: \`refill status ${id}\`.`
      : `Continue it: \`refill resume ${id}\`. Proven windows are kept.`,
    details: { run: id, state },
  });
}

/** A plan that has drifted because a run of it has changed the rows names that run. */
function drifted(error: RefillError, { id, state }: RunRecord): RefillError {
  return new RefillError(error.code, error.message, {
    hint: `Run ${id} of this plan ended as ${state} and has changed these counts. Continue it: \`refill retry ${id} --execute\`. Or make a new plan.`,
    details: { ...error.details, run: id },
    cause: error,
  });
}
