import { outcomes } from '../domain/dependents.ts';
import { asRefillError, type ErrorRecord } from '../domain/errors.ts';
import type { RunResult } from '../domain/events.ts';
import type { RunState, Wanted } from '../domain/states.ts';
import { differences, KEYS_NAMED, verifiedTables } from '../domain/verified.ts';
import { DRIFT_KINDS } from '../domain/words.ts';
import type { FlowOutcome } from '../flow/run.ts';
import type { Ledger } from '../ledger/ledger.ts';

/** How a run ended, before it is known whether rows differ. */
export type EndState = Exclude<RunState, 'running' | 'differences'>;

/** What the end of a run follows from. */
export interface End {
  /** Undefined where the flow itself threw. */
  readonly outcome: FlowOutcome | undefined;
  /** What the flow threw. */
  readonly failure: unknown;
  /** Whether the work was stopped at once. */
  readonly stopped: boolean;
  readonly wanted: Wanted;
}

/** `succeeded` stands for «everything done»: whether rows differ is looked up afterwards. */
export function endState({ outcome, failure, stopped, wanted }: End): EndState {
  if (outcome && outcome.left === 0 && outcome.failed === 0) return 'succeeded';
  if (wanted === 'cancel') return 'cancelled';
  if (stopped || (outcome && outcome.left > 0 && failure === undefined)) return 'paused';
  return 'failed';
}

/** What the result of a run is made of besides its ledger. */
export interface ResultOptions {
  readonly ledger: Ledger;
  readonly run: string;
  /** Tables of its plan. */
  readonly tables: number;
  readonly ended: EndState;
  /** Why it failed; undefined where the ledger has to tell. */
  readonly failure: unknown;
  /** Seconds that programs were at work on it. */
  readonly seconds: number;
}

/** The result of a run: what its ledger holds, with how it ended. */
export async function resultOf({ ledger, run, ended, failure, ...options }: ResultOptions): Promise<RunResult> {
  const [record, proofs] = await Promise.all([ledger.run(run), ledger.proofs(run)]);
  const { dependents } = await ledger.plan(record.plan);
  const drift = await ledger.drift(run, { limit: KEYS_NAMED * DRIFT_KINDS.length * Math.max(1, options.tables) });
  const tables = verifiedTables(proofs, drift);
  const { unproven } = await ledger.plan(record.plan);
  // Without a proof nothing is known of it, which is not 0.
  const n = proofs.length === 0 ? null : differences(tables);
  const error = ended === 'failed' ? await errorOf(ledger, run, failure) : undefined;
  return {
    type: 'result',
    run,
    state: ended === 'succeeded' && n !== null && n > 0 ? 'differences' : ended,
    differences: n,
    rowsDeleted: record.rowsDeleted,
    rowsDeletedAgain: record.rowsDeletedAgain,
    rowsSent: record.rowsSent,
    rowsSentAgain: record.rowsSentAgain,
    rowsWritten: record.rowsWritten,
    rowsWrittenAgain: record.rowsWrittenAgain,
    seconds: Math.round(options.seconds * 10) / 10,
    tables,
    // The last step rebuilds and proves them: everything is done only then.
    dependents: outcomes(dependents, ended === 'succeeded'),
    unproven,
    ...(error ? { error } : {}),
  };
}

/** Why a run failed. Of a unit that failed in another program it is what the ledger keeps of it. */
async function errorOf(ledger: Ledger, run: string, failure: unknown): Promise<ErrorRecord | undefined> {
  if (failure !== undefined) return asRefillError(failure).toJSON();
  const [windows, deletes] = await Promise.all([ledger.windows(run), ledger.deletes(run)]);
  return [...windows, ...deletes].find((unit) => unit.error)?.error ?? undefined;
}
