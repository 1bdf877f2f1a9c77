import { Context } from '@temporalio/activity';
import type { ErrorCode } from '../../domain/catalogue.ts';
import { asRefillError, RefillError } from '../../domain/errors.ts';
import type { Limits } from '../../domain/limits.ts';
import { withRetries } from '../retry.ts';
import { HANDED_BACK_AT_MOST } from './even-handed.ts';
import { toFailure } from './shared/failure.ts';

/** How often an activity tells that it is alive, and what it is at. */
const BEAT_MS = 2000;
const MINUTE_MS = 60_000;

/** What a heartbeat tells: followers and operators read it. */
export interface Beat {
  readonly v: 1;
  /** What is worked on: `window 3`, `delete 1`. */
  unit: string;
  /** Rows read of the window so far, and those that the plan expects; null where it is no window. */
  rows: number | null;
  rowsTotal: number | null;
  /** Where it is. */
  cursor: { readonly window: number; readonly table: string } | null;
  /** What it waits for; null while it works. */
  waits: string | null;
  /** What slows or holds its run on this worker; null where nothing does, not there where it was not asked. */
  governed?: string | null;
  /** What a person should know; the last one. */
  notice: string | null;
}

/** An activity at work. */
export interface Desk {
  /** Aborted when the workflow is cancelled, when the worker shuts down, and when another worker was given the work. */
  readonly signal: AbortSignal;
  /** Told at the next heartbeat. */
  readonly beat: Beat;
  /** Ends the work for a reason of its own, as where a lock was lost. */
  readonly stop: (reason: RefillError) => void;
}

/**
 * Does the work of an activity of ours: as `keptAlive` does, with what it is at in its heartbeats.
 */
export async function attend<T>(
  unit: string,
  limits: RetryLimits,
  work: (desk: Desk) => Promise<T>,
  onRetry: (error: RefillError) => void = () => undefined,
): Promise<T> {
  const beat: Beat = { v: 1, unit, rows: null, rowsTotal: null, cursor: null, waits: null, notice: null };
  return await keptAlive({
    limits,
    beat: () => ({ ...beat }),
    work: (signal, stop) => {
      beat.waits = null;
      return work({ signal, beat, stop });
    },
    onRetry: (error, seconds) => {
      onRetry(error);
      beat.waits = `${error.source} (${error.code}), tried again in ${seconds} s`;
      beat.notice = `${unit}: ${error.message}; tried again in ${seconds} s`;
    },
  });
}

type RetryLimits = Pick<Limits, 'attempts' | 'outageMinutes'>;

/** Work of an activity, and what is told of it. */
export interface Attended<T> {
  readonly limits: RetryLimits;
  /** What the next heartbeat tells. */
  readonly beat: () => object;
  readonly work: (signal: AbortSignal, stop: Desk['stop']) => Promise<T>;
  readonly onRetry: (error: RefillError, seconds: number) => void;
}

/**
 * Does the work of an activity: it is tried again as the catalogue says, tells every 2 s that it is alive, and stops soon
 * after its signal. What it throws is Temporal's to judge by shared/failure.ts.
 */
export async function keptAlive<T>({ limits, beat, work, onRetry }: Attended<T>): Promise<T> {
  const context = Context.current();
  const stop = new AbortController();
  const signal = AbortSignal.any([context.cancellationSignal, stop.signal]);
  const tell = () => context.heartbeat(beat());
  tell();
  const ticker = setInterval(tell, BEAT_MS);
  try {
    return await withRetries(
      {
        limits,
        signal,
        onRetry: (error, seconds) => {
          onRetry(error, seconds);
          tell();
        },
      },
      () => work(signal, (reason) => stop.abort(reason)),
    );
  } catch (thrown) {
    throw endOf(context, { limits, beat }, stop.signal, thrown);
  } finally {
    clearInterval(ticker);
  }
}

/** What an activity ends with: what stopped it comes before what the stop has led to. */
function endOf(context: Context, told: Told, stopped: AbortSignal, thrown: unknown): unknown {
  if (stopped.aborted) return toFailure(stopped.reason);
  if (!context.cancellationSignal.aborted)
    return offered(context, told, thrown) ? toFailure(thrown, 'again') : toFailure(again(context, thrown));
  if (context.cancellationDetails?.cancelRequested === true) return context.cancellationSignal.reason;
  // The worker shuts down, or was thought dead: another one begins it again.
  return toFailure(new RefillError('INTERRUPTED', 'the worker gave its work back'));
}

/**
 * What says more of this worker than of its unit: its configuration, its passwords, what it knows of the ledger. Another
 * worker may be well.
 */
const OF_WORKERS: readonly ErrorCode[] = [
  'LEDGER_FAILED',
  'PG_AUTH',
  'CH_AUTH',
  'CONFIG_MISSING',
  'CONFIG_INVALID',
  'CONFIG_SECRET_LITERAL',
  'CONFIG_SECRET_MISSING',
  'DATASET_UNKNOWN',
];

/** Where no server that is away is waited for, another worker gets its chance all the same. */
const LEAST_MINUTES = 1;

type Told = Pick<Attended<unknown>, 'limits' | 'beat'>;

/**
 * Whether what was met is offered to other workers, until no worker could do it for as long as a server that is away is
 * waited for. Since when that is goes from one attempt to the next in its last heartbeat: that of a worker that could do
 * it says nothing of it, so that hours of its work do not count. The times are the server's, as workers' clocks differ.
 */
function offered(context: Context, { limits, beat }: Told, thrown: unknown): boolean {
  const error = asRefillError(thrown);
  if (!OF_WORKERS.includes(error.code)) return false;
  const { heartbeatDetails, currentAttemptScheduledTimestampMs: now } = context.info;
  const since = unableSince(heartbeatDetails) ?? now;
  context.heartbeat({ ...beat(), unable: { since, message: error.message } });
  return now - since < (limits.outageMinutes || LEAST_MINUTES) * MINUTE_MS;
}

function unableSince(told: unknown): number | null {
  if (typeof told !== 'object' || told === null || !('unable' in told)) return null;
  const { unable } = told;
  if (typeof unable !== 'object' || unable === null || !('since' in unable)) return null;
  return typeof unable.since === 'number' ? unable.since : null;
}

/** Attempts in which a state that another worker has changed meanwhile is looked at again; some were handed back. */
const LOOKS = 5 + HANDED_BACK_AT_MOST;

/** A worker that was thought dead may have ended the very unit: then it is looked at once more. */
function again(context: Context, thrown: unknown): unknown {
  const error = asRefillError(thrown);
  if (error.code !== 'RUN_STATE' || context.info.attempt >= LOOKS || context.info.attempt === 1) return error;
  return new RefillError('INTERRUPTED', error.message, { cause: error });
}
