import { asRefillError, RefillError, errorOf } from '../../domain/errors.ts';
import type { Plan } from '../../domain/plan.ts';
import { UNFINISHED_RUN_STATES } from '../../domain/states.ts';
import type { Ledger, RunRecord } from '../../ledger/ledger.ts';
import { debugPoint } from '../../steps/debug-points.ts';
import { endDelegated } from '../../steps/end-delegated.ts';
import { checkPlan } from '../../steps/plan.ts';
import { refuseErrors } from '../../steps/preflight.ts';
import { createRunSteps, type StepReports } from '../../steps/run-steps.ts';
import { keepFailure } from '../failure.ts';
import { endState, resultOf } from '../result.ts';
import { attend, type Desk } from './attend.ts';
import { type OpenedRuns, refuseLocal, type WorkerEnvironment } from './opened.ts';
import { outcomeInLedger } from './tenant-end.ts';
import type { EndPayload, RefillActivities, TenantEnd } from './shared/activity-types.ts';
import { memberWorkflowId } from './shared/names.ts';
import { Fields } from './shared/fields.ts';
import type { MemberPayload } from './shared/payloads.ts';
import { sliceOf } from './slice.ts';

type LifeActivities = Pick<RefillActivities, 'refillOpen' | 'refillBegin' | 'refillKeepFailure' | 'refillEnd'>;

const SILENT: StepReports = {
  onRows: () => undefined,
  onWritten: () => undefined,
  onRehearsal: () => undefined,
  onCut: () => undefined,
  onDelete: () => undefined,
  onWait: () => undefined,
  onNotice: () => undefined,
};

/**
 * The beginning and the end of a run as activities.
 *
 * @param kept What this worker keeps of runs while they last.
 */
export function createLifeActivities(
  environment: WorkerEnvironment,
  runs: OpenedRuns,
  kept: readonly { forget(run: string): void }[],
): LifeActivities {
  const { actor, limits } = environment;
  return {
    refillOpen: (payload) =>
      attend('begin', limits, async () => {
        const ledger = await environment.ledger();
        await ledger.setMemberError(payload.fleet, payload.order, null);
        return { run: await openMember(ledger, payload) };
      }),

    refillBegin: (payload) =>
      attend('begin', limits, async ({ signal }) => {
        const run = new Fields('refillBegin', payload).text('run');
        const { ledger, plan, bench } = await runs.get(run);
        await takeUp(ledger, await ledger.run(run), environment);
        const steps = createRunSteps({ bench, ledger, run, plan, actor, signal, reports: SILENT });
        const slice = sliceOf(await steps.begin(), payload.slice);
        return { ...slice, windows: plan.limits.windows, wanted: await ledger.wanted(run) };
      }),

    refillKeepFailure: ({ run, unit, error }) =>
      attend('the reason of a failure', limits, async () => {
        await keepFailure(await environment.ledger(), run, unit, error);
      }),

    refillEnd: (payload) =>
      attend('end', limits, async (desk) => {
        const ledger = await environment.ledger();
        if (payload.cancelled || (await ledger.wanted(payload.run)) === 'cancel')
          await endElsewhere(ledger, payload.run, desk);
        const end = await endRun(ledger, environment, payload);
        if (end.state !== 'running') for (const one of kept) one.forget(payload.run);
        return end;
      }),
  };

  /** Ends what a cancelled run has left at work in the users' workflows. */
  async function endElsewhere(ledger: Ledger, run: string, { signal, beat }: Desk): Promise<void> {
    const { plan } = await ledger.run(run);
    if (!(await ledger.plan(plan)).reindexer) return;
    const { bench } = await runs.get(run);
    await endDelegated(bench, ledger, run, {
      signal,
      onWait: (reason) => {
        beat.waits = reason;
      },
    });
  }

  /** Makes the run of a fleet's tenant, or prepares to go on with it; checked as the local executor does. */
  async function openMember(ledger: Ledger, { fleet, order, plan: planId, how }: MemberPayload): Promise<string> {
    const plan = await ledger.plan(planId);
    const bench = await environment.workbenchOf(plan);
    await refuseErrors(bench);
    const [known] = await ledger.members(fleet, order);
    if (known?.run) {
      await checkPlan(bench, plan, false);
      await goOn(ledger, await ledger.run(known.run), how);
      return known.run;
    }
    await checkPlan(bench, plan, true);
    return await createOnce(ledger, plan, () => memberWorkflowId(fleet, order));
  }

  async function goOn(ledger: Ledger, run: RunRecord, how: MemberPayload['how']): Promise<void> {
    refuseLocal(run);
    if (run.state === 'running' || run.state === 'paused') await ledger.request(run.id, 'run', actor);
    else if (how === 'retry' || run.state === 'cancelled') await ledger.retry(run.id, actor);
  }

  /** An answer that was lost is asked for again: then the run is there. */
  async function createOnce(ledger: Ledger, plan: Plan, workflow: (run: string) => string): Promise<string> {
    try {
      const run = await ledger.createRun(plan, actor, workflow);
      await debugPoint('run-created');
      return run.id;
    } catch (thrown) {
      const error = asRefillError(thrown);
      const other = error.details['run'];
      if (error.code !== 'RUN_OVERLAPS' || typeof other !== 'string') throw error;
      const run = await ledger.run(other);
      if (run.plan !== plan.id || run.workflow !== workflow(run.id)) throw error;
      return run.id;
    }
  }
}

/** A run whose workflow begins is `running`, whatever a pause had made it. */
async function takeUp(ledger: Ledger, run: RunRecord, { actor }: WorkerEnvironment): Promise<void> {
  if (!UNFINISHED_RUN_STATES.includes(run.state)) {
    throw new RefillError('RUN_STATE', `run ${run.id} is ${run.state}: there is nothing to go on with`);
  }
  if (run.state === 'paused' && run.wanted === 'run') await ledger.setRunState(run.id, 'running', actor);
}

/** Keeps how a run ended, once; `running` where it goes on. */
async function endRun(ledger: Ledger, { actor }: WorkerEnvironment, payload: EndPayload): Promise<TenantEnd> {
  const { run: id, cancelled, error, seconds } = payload;
  const run = await ledger.run(id);
  // Kept before, and the answer was lost; or ended by somebody else.
  if (run.state !== 'running') return summaryOf(run);
  if (cancelled && run.wanted !== 'cancel') await ledger.request(id, 'cancel', actor);
  const [windows, deletes, wanted] = await Promise.all([ledger.windows(id), ledger.deletes(id), ledger.wanted(id)]);
  const units = outcomeInLedger(run.strategy, windows, deletes, payload.swept ?? true);
  if (error === null && units.left > 0 && wanted === 'run' && payload.goesOn) return summaryOf(run);
  const failure = error === null ? undefined : errorOf(error);
  // Where the flow threw, as its last look does, units that are all proven are not the whole of it.
  const outcome = failure === undefined ? units : undefined;
  if (failure) await ledger.audit({ actor, action: 'run-error', subject: id, details: { ...failure.toJSON() } });
  await debugPoint('run-ending');
  const plan = await ledger.plan(run.plan);
  const result = await resultOf({
    ledger,
    run: id,
    tables: plan.tables.length,
    ended: endState({ outcome, failure, stopped: false, wanted }),
    failure,
    seconds: run.seconds + seconds,
  });
  await ledger.setRunState(id, result.state, actor, { seconds, ...(result.error ? { error: result.error } : {}) });
  return summaryOf(await ledger.run(id));
}

function summaryOf({ id, state, differences, rowsWritten, rowsDeleted, error }: RunRecord): TenantEnd {
  return { run: id, state, differences, rowsWritten, rowsDeleted, error: state === 'failed' ? error : null };
}
