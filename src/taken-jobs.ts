import { setTimeout as sleep } from 'node:timers/promises';
import type { Backfills } from './backfills.ts';
import { RefillError } from './domain/errors.ts';
import { UNFINISHED_RUN_STATES, type Wanted } from './domain/states.ts';
import type { Environment } from './environment.ts';
import {
  type TakenBeat,
  type TakenJob,
  type TakenNews,
  type TakenPlan,
  unknownTenant,
} from './executors/temporal/shared/taken.ts';
import type { TakenEnd, TakenJobs } from './executors/temporal/taken-activities.ts';
import type { BackfillRecord, RunRecord } from './ledger/ledger.ts';
import type { Runs } from './runs.ts';
import { findTenant } from './steps/tenants.ts';

type Executing = Parameters<TakenJobs['execute']>[1];

/** How often it is looked what others do with a run or a backfill. */
const LOOK_MS = 1000;

/** What the workflows of users that were taken over do: plans and runs, as from the command line. */
export function createTakenJobs(environment: Environment, runs: Runs, backfills: Backfills): TakenJobs {
  const subjectOf = (plan: TakenPlan): Subject =>
    plan.kind === 'plan' ? runOf(environment, runs, plan) : backfillOf(environment, backfills, plan);
  return {
    async has(name, tenant) {
      const [cluster, dataset] = await Promise.all([environment.cluster(name), environment.dataset(undefined)]);
      const found = await unlessUnknown(findTenant([cluster], dataset, tenant));
      // Rows that only a target has cannot be derived there.
      return found !== null && found.finding.sourceDatabase !== null;
    },
    async plan(type, job) {
      const planned = await unlessUnknown(planOf(environment, runs, backfills, job));
      if (planned !== null) return planned;
      const { tenant, cluster } = job.request;
      throw unknownTenant(type, tenant, cluster === undefined ? await clusterNames(environment) : [cluster]);
    },
    async execute(plan, { signal, onBeat, onNews }) {
      const subject = subjectOf(plan);
      let last = beatOf({ done: 0, failed: 0, total: plan.total }, { [plan.kind]: plan.id });
      const tell = (beat: TakenBeat) => {
        last = beat;
        onBeat(beat);
      };
      for (;;) {
        signal.throwIfAborted();
        const now = await subject.look();
        if (now.is === 'over') return now.end;
        if (now.news) onNews(now.news);
        if (now.is === 'free') await subject.goOn({ signal, onBeat: tell, onNews }).catch(unlessBusy);
        else {
          onBeat({ ...last, Refill: { ...last.Refill, doing: WAITS[now.is] } });
          await sleep(LOOK_MS, undefined, { signal });
        }
      }
    },
    async cancel(plan, signal) {
      const subject = subjectOf(plan);
      let asked = false;
      for (let now = await subject.look(); now.is !== 'over'; now = await subject.look()) {
        // Whoever is at work on it ends it; where that program is gone, it is done here.
        if (!asked || now.is !== 'taken') {
          const there = await subject.cancel().catch(unlessBusy);
          if (there === false) return;
          asked = true;
        }
        await sleep(LOOK_MS, undefined, { signal });
      }
    },
  };
}

/** Null where there is no such tenant. */
async function unlessUnknown<T>(answer: Promise<T>): Promise<T | null> {
  return await answer.catch((error: unknown) => {
    if (error instanceof RefillError && error.code === 'TENANT_UNKNOWN') return null;
    throw error;
  });
}

const clusterNames = async (environment: Environment) => Object.keys((await environment.config()).clusters);

async function planOf(environment: Environment, runs: Runs, backfills: Backfills, job: TakenJob): Promise<TakenPlan> {
  if (job.of === 'backfill') {
    const scorer = job.request.scorer ?? (await onlyScorer(environment));
    const { id, items, dataset } = await backfills.plan({ ...job.request, scorer });
    return { kind: 'backfill', id, confirmRows: null, total: items, dataset };
  }
  const made =
    job.of === 'ids'
      ? await runs.planIds(job.request)
      : await runs.plan(await environment.workbench(job.request), job.request);
  const { id, dataset, counts } = made;
  return { kind: 'plan', id, confirmRows: job.confirmRows, total: counts[0]?.source ?? 0, dataset };
}

async function onlyScorer(environment: Environment): Promise<string> {
  const names = Object.keys((await environment.config()).scorers ?? {});
  const [name] = names;
  if (name !== undefined && names.length === 1) return name;
  throw new RefillError(
    'PAYLOAD_INVALID',
    `the payload of BackfillScorecards: \`scorer\`: expected one of ${names.join(', ') || 'the configuration’s, which has none'}`,
  );
}

/**
 * How the run or the backfill of a plan stands. `free`: to be begun, or gone on with. `taken`: another program is at work
 * on it, such as a worker that was thought dead, until it notices. `asked`: nobody is, as it was asked to pause or to end.
 */
type Standing =
  | { readonly is: 'free' | 'taken' | 'asked'; readonly news?: TakenNews }
  | { readonly is: 'over'; readonly end: TakenEnd };

const WAITS = {
  taken: 'waiting for another program that is at work on it',
  asked: 'waiting to be resumed: it was asked to pause',
} as const;

/** The run or the backfill of a plan. What is known of it is in the ledger, whoever was at work on it. */
interface Subject {
  look(): Promise<Standing>;
  goOn(options: Executing): Promise<void>;
  /** Asks it to end; false where there is nothing to end. */
  cancel(): Promise<boolean>;
}

function standingOf(
  news: TakenNews,
  { wanted, holder }: { readonly wanted: Wanted; readonly holder: unknown },
): Standing {
  if (holder !== null) return { is: 'taken', news };
  return { is: wanted === 'run' ? 'free' : 'asked', news };
}

/** Another program was quicker. */
async function unlessBusy(error: unknown): Promise<void> {
  if (!(error instanceof RefillError && error.code === 'RUN_BUSY')) throw error;
  await sleep(LOOK_MS);
}

function runOf(environment: Environment, runs: Runs, { id, total, confirmRows }: TakenPlan): Subject {
  const newest = async () => (await (await environment.ledger()).runs({ plan: id, limit: 1 }))[0];
  return {
    async look() {
      const run = await newest();
      if (!run) return { is: 'free' };
      const { state } = run;
      return state === 'running' || state === 'paused'
        ? standingOf({ run: run.id, state }, run)
        : { is: 'over', end: endOfRun(run) };
    },
    async goOn({ signal, onBeat, onNews }) {
      const begun = await newest();
      const common = { force: signal, ...(confirmRows === null ? {} : { confirmRows }) };
      // In this worker: it is an activity of a workflow already.
      const events = begun
        ? runs.resume(begun.id, common)
        : runs.run(id, { ...common, executor: 'local', recount: false });
      for await (const event of events) {
        if (event.type === 'started' || event.type === 'progress') onNews({ run: event.run, state: 'running' });
        if (event.type !== 'progress') continue;
        const { run, rowsWritten, rowsTotal, doing } = event;
        const done = rowsTotal === 0 ? 0 : Math.min(total, Math.floor((total * rowsWritten) / rowsTotal));
        onBeat(beatOf({ done, failed: 0, total }, { plan: id, run, rowsWritten, rowsTotal, doing }));
      }
    },
    async cancel() {
      const run = await newest();
      if (run && UNFINISHED_RUN_STATES.includes(run.state)) await runs.ask(run.id, 'cancel');
      return run !== undefined;
    },
  };
}

function endOfRun({ id, plan, state, differences, rowsDeleted, rowsWritten, error }: RunRecord): TakenEnd {
  if (state === 'succeeded') return { ended: 'well', result: { plan, run: id, state, rowsDeleted, rowsWritten } };
  const unproven = new RefillError(
    'REINDEX_UNPROVEN',
    `run ${id} is ${state}; ${differences === null ? 'nothing of it is proven' : `${differences} rows differ`}`,
    {
      details: { run: id, state, differences },
    },
  );
  return { ended: 'badly', error: error ?? unproven.toJSON() };
}

function backfillOf(environment: Environment, backfills: Backfills, { id, total }: TakenPlan): Subject {
  const record = async () => (await environment.ledger()).backfill(id);
  return {
    async look() {
      const backfill = await record();
      const { state } = backfill;
      if (state === 'planned') return { is: 'free' };
      return state === 'running' || state === 'paused'
        ? standingOf({ run: id, state }, backfill)
        : { is: 'over', end: endOfBackfill(backfill) };
    },
    async goOn({ signal, onBeat, onNews }) {
      for await (const event of backfills.run(id, { force: signal })) {
        if (event.type !== 'backfill-result') onNews({ run: id, state: 'running' });
        if (event.type !== 'backfill-progress') continue;
        const { judged: done, unjudged: failed } = event.tally;
        onBeat(beatOf({ done, failed, total }, { backfill: id, ...event.tally }));
      }
    },
    async cancel() {
      const { state } = await record();
      if (state === 'running' || state === 'paused') await backfills.ask(id, 'cancel');
      return state !== 'planned';
    },
  };
}

function endOfBackfill({ id, state, tally, plan, after, run, error }: BackfillRecord): TakenEnd {
  if (state === 'succeeded' || state === 'incomplete')
    return { ended: 'well', result: { backfill: id, state, tally, before: plan.before, after, run } };
  const other = new RefillError('RUN_STATE', `backfill ${id} is ${state}`, { details: { backfill: id, state } });
  return { ended: 'badly', error: error ?? other.toJSON() };
}

/** The shape that heartbeats have always had, with more beside it. */
function beatOf(
  { done, failed, total }: { readonly done: number; readonly failed: number; readonly total: number },
  more: Readonly<Record<string, unknown>>,
): TakenBeat {
  return {
    State: { ReindexedConversations: done, FailedConversations: failed, TotalConversationCount: total },
    Refill: more,
  };
}
