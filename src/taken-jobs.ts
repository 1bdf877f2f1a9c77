import type { Backfills } from './backfills.ts';
import { RefillError, errorOf } from './domain/errors.ts';
import type { RunEvent, RunResult } from './domain/events.ts';
import type { Environment } from './environment.ts';
import { type TakenBeat, type TakenJob, type TakenPlan, unknownTenant } from './executors/temporal/shared/taken.ts';
import type { TakenJobs } from './executors/temporal/taken-activities.ts';
import type { Runs } from './runs.ts';

type Executing = Parameters<TakenJobs['execute']>[1];

/** What the workflows of users that were taken over do: plans and runs, as from the command line. */
export function createTakenJobs(environment: Environment, runs: Runs, backfills: Backfills): TakenJobs {
  const plan = async (job: TakenJob): Promise<TakenPlan> => {
    if (job.of === 'backfill') {
      const scorer = job.request.scorer ?? (await onlyScorer(environment));
      const { id, items } = await backfills.plan({ ...job.request, scorer });
      return { kind: 'backfill', id, confirmRows: null, total: items };
    }
    const made =
      job.of === 'ids'
        ? await runs.planIds(job.request)
        : await runs.plan(await environment.workbench(job.request), job.request);
    return { kind: 'plan', id: made.id, confirmRows: job.confirmRows, total: made.counts[0]?.source ?? 0 };
  };
  /** The run of a plan, where an attempt before has begun one. */
  const runOf = async (id: string) =>
    (await (await environment.ledger()).runs({ limit: 1000 })).find((run) => run.plan === id);
  return {
    plan: (type, job) =>
      plan(job).catch((error: unknown) => {
        if (error instanceof RefillError && error.code === 'TENANT_UNKNOWN')
          throw unknownTenant(type, job.request.tenant);
        throw error;
      }),
    async execute(of, { signal, onBeat }) {
      if (of.kind === 'backfill') return executeBackfill(backfills, of, { signal, onBeat });
      const begun = await runOf(of.id);
      // In this worker: it is an activity of a workflow already.
      const executor = 'local' as const;
      const options = {
        executor,
        force: signal,
        recount: false,
        ...(of.confirmRows === null ? {} : { confirmRows: of.confirmRows }),
      };
      if (begun?.state === 'succeeded') return { run: begun.id, state: begun.state };
      const unfinished = begun?.state === 'running' || begun?.state === 'paused';
      const events =
        begun === undefined
          ? runs.run(of.id, options)
          : unfinished
            ? runs.resume(begun.id, options)
            : runs.retry(begun.id, options);
      return ended(events, of, onBeat);
    },
    async cancel({ kind, id }) {
      const begun = kind === 'plan' ? await runOf(id) : undefined;
      if (begun?.state === 'running' || begun?.state === 'paused') await runs.ask(begun.id, 'cancel');
    },
  };
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

async function ended(
  events: AsyncIterable<RunEvent>,
  { id, total }: TakenPlan,
  onBeat: (beat: TakenBeat) => void,
): Promise<Readonly<Record<string, unknown>>> {
  let result: RunResult | undefined;
  for await (const event of events) {
    if (event.type === 'result') result = event;
    if (event.type !== 'progress') continue;
    const { run, rowsWritten, rowsTotal, doing } = event;
    const done = rowsTotal === 0 ? 0 : Math.min(total, Math.floor((total * rowsWritten) / rowsTotal));
    onBeat({
      State: { ReindexedConversations: done, FailedConversations: 0, TotalConversationCount: total },
      Refill: { plan: id, run, rowsWritten, rowsTotal, doing },
    });
  }
  if (result === undefined) throw new RefillError('BUG', 'a run ended without a result');
  const { run, state, differences, rowsDeleted, rowsWritten, error } = result;
  if (state === 'succeeded') return { plan: id, run, state, rowsDeleted, rowsWritten };
  if (error) throw errorOf(error);
  throw new RefillError('REINDEX_UNPROVEN', `run ${run} is ${state}, with ${differences} differences`, {
    details: { run, state, differences },
  });
}

async function executeBackfill(
  backfills: Backfills,
  { id, total }: TakenPlan,
  { signal, onBeat }: Executing,
): Promise<Readonly<Record<string, unknown>>> {
  for await (const event of backfills.run(id, { force: signal })) {
    if (event.type === 'backfill-progress') {
      const { judged, unjudged } = event.tally;
      onBeat({
        State: {
          ReindexedConversations: judged,
          FailedConversations: unjudged,
          TotalConversationCount: total,
        },
        Refill: { backfill: id, ...event.tally },
      });
    }
    if (event.type !== 'backfill-result') continue;
    const { state, tally, before, after, run, error } = event;
    if (error) throw errorOf(error);
    if (state === 'paused') throw new RefillError('INTERRUPTED', `backfill ${id} was stopped`);
    return { backfill: id, state, tally, before, after, run };
  }
  throw new RefillError('BUG', 'a backfill ended without a result');
}
