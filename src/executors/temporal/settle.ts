import { asRefillError, type ErrorRecord, RefillError } from '../../domain/errors.ts';
import type { Actor, FleetRecord, Ledger, RunRecord } from '../../ledger/ledger.ts';
import { type TemporalClient, workflowEnded } from './client.ts';
import { workflowId } from './shared/names.ts';

/** A run or a fleet, beside its workflow. */
export interface Subject {
  readonly ledger: Ledger;
  readonly id: string;
  readonly workflow: string;
  /** As the ledger has it now. */
  readonly state: () => Promise<string>;
  readonly fail: (error: ErrorRecord) => Promise<void>;
}

export function runSubject(ledger: Ledger, { id, workflow }: RunRecord, actor: Actor): Subject {
  return {
    ledger,
    id,
    workflow: workflow ?? workflowId(id),
    state: async () => (await ledger.run(id)).state,
    fail: (error) => ledger.setRunState(id, 'failed', actor, { error }),
  };
}

export function fleetSubject(ledger: Ledger, { id, workflow }: FleetRecord, actor: Actor): Subject {
  return {
    ledger,
    id,
    workflow: workflow ?? workflowId(id),
    state: async () => (await ledger.fleet(id)).state,
    fail: (error) => ledger.setFleetState(id, 'failed', actor, { error }),
  };
}

/**
 * Whether a workflow is at work. What is `running` without one was ended from outside, as by `temporal workflow terminate`:
 * it is failed then, and `retry` goes on. One that failed itself, and could not keep why, says it.
 */
export async function settle(client: TemporalClient, subject: Subject): Promise<boolean> {
  const described = await client.describe(subject.workflow);
  if (described?.status.name === 'RUNNING') return true;
  // It may have kept its end since.
  if ((await wasEnded(subject, described?.closeTime)) && (await subject.state()) === 'running') {
    const error =
      described?.status.name === 'FAILED'
        ? await client.failureOf(subject.workflow, described.runId)
        : workflowEnded(subject.workflow);
    await subject.fail(error.toJSON());
  }
  return false;
}

/**
 * Settles a subject, unless Temporal does not answer: that tells nothing. A state that the ledger could not save is an
 * error, because the subject would look as if it were running.
 */
export async function settleIfReachable(open: () => Promise<TemporalClient>, subject: Subject): Promise<void> {
  try {
    await settle(await open(), subject);
  } catch (error) {
    const { code, source } = asRefillError(error);
    if (source === 'ledger' || code === 'BUG') throw error;
  }
}

/** Whether it has ended; where Temporal does not answer, the ledger alone tells. */
export async function hasEnded(client: TemporalClient, subject: Subject): Promise<boolean> {
  try {
    return !(await settle(client, subject));
  } catch (error) {
    if (error instanceof RefillError && error.code === 'TEMPORAL_UNREACHABLE')
      return (await subject.state()) !== 'running';
    throw error;
  }
}

/** What workers write while they are at it: one that is not told yet that its workflow was ended may write it later. */
const OF_WORKERS: readonly string[] = ['run.notice', 'run.sweep', 'run-error'];
const ENTRIES = 100;

/**
 * Whether a workflow has ended after the last thing that was asked of its run or fleet. One that is not there yet, or
 * whose end is that of an earlier try, is just being started; where that was broken off, `resume` starts it.
 */
async function wasEnded({ ledger, id }: Subject, closed: Date | undefined): Promise<boolean> {
  const entries = await ledger.auditEntries({ subject: id, limit: ENTRIES });
  const last = entries.find(({ action }) => !OF_WORKERS.includes(action));
  return closed !== undefined && (last === undefined || Date.parse(last.at) <= closed.getTime());
}
