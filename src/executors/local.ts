import { WindowsAtOnce } from '../domain/at-once.ts';
import { asRefillError, RefillError } from '../domain/errors.ts';
import type { RunEvent } from '../domain/events.ts';
import { createPool, inBoth, type Pool } from '../domain/pool.ts';
import type { Wanted } from '../domain/states.ts';
import { formatTenant } from '../domain/words.ts';
import { type FlowOutcome, runFlow } from '../flow/run.ts';
import { DELETES_AT_ONCE, type FlowContext } from '../flow/steps.ts';
import { debugPoint } from '../steps/debug-points.ts';
import { endElsewhere } from './end-elsewhere.ts';
import type { EventQueue } from './events.ts';
import { keepFailure } from './failure.ts';
import { governorOf, passing } from './governing.ts';
import type { LocalRun, RunAtWork } from './local-run.ts';
import { ProgressTracker } from './progress.ts';
import { endState, resultOf } from './result.ts';
import { retriedSteps } from './retried-steps.ts';
import { Slots } from './slots.ts';
import { ledgerLost, underLock } from './under-lock.ts';
import { watchWanted } from './watch-wanted.ts';

const PROGRESS_MS = 500;

/**
 * The local executor: runs the flow in this process, with the ledger as its checkpoint. Yields what happens; the last
 * event is the result. Throws only where nothing was begun (`RUN_BUSY`), or where the ledger is lost, so that nothing
 * can be recorded any more.
 */
export async function* runLocal(options: LocalRun): AsyncGenerator<RunEvent> {
  const lock = await options.ledger.lockRun(options.run.id, options.actor);
  yield* underLock<RunEvent>(lock, {
    name: 'run',
    force: options.force,
    work: (events, stop) => execute(options, events, stop),
  });
}

async function execute(options: LocalRun, events: EventQueue<RunEvent>, stop: AbortController): Promise<void> {
  const { ledger, plan, run, actor, resumed, place } = options;
  const began = Date.now();
  const [windows, deletes] = await Promise.all([ledger.windows(run.id), ledger.deletes(run.id)]);
  const pool = createPool(plan.limits.windows);
  const alone = options.shared === undefined;
  const shared = options.shared ?? {
    slots: new Slots({
      limits: { ...place.limits, windows: plan.limits.windows },
      actor,
      ledger: () => Promise.resolve(ledger),
    }),
  };
  const work: RunAtWork = {
    ...options,
    events,
    shared,
    alone,
    tracker: new ProgressTracker(run.id, windows, deletes),
    atOnce: alone
      ? new WindowsAtOnce(plan.limits.windows, (n) => pool.resize(n))
      : shared.slots.on(plan.tenant.cluster),
    signal: stop.signal,
  };
  const { id, tenant, strategy, range, executor } = run;
  events.push({ type: 'started', run: id, plan: plan.id, tenant, strategy, range, resumed, executor });
  let ended: FlowEnd;
  try {
    ended = await followFlow(work, pool, stop);
  } finally {
    if (alone) await shared.slots.close();
  }
  const lost = ledgerLost(stop.signal);
  if (lost) throw lost;
  await keepEnd(work, ended, began);
}

/** How the flow of a run ended. */
interface FlowEnd {
  /** Undefined where it threw. */
  readonly outcome: FlowOutcome | undefined;
  /** What it threw. */
  readonly failure: unknown;
  /** What the first of its units failed of. */
  readonly firstFailure: unknown;
}

/** Runs the flow to its end: by itself, as somebody wants it, or as it is stopped. */
async function followFlow(work: RunAtWork, pool: Pool, stop: AbortController): Promise<FlowEnd> {
  const { ledger, run, drain, events, signal } = work;
  let wanted: Wanted = 'run';
  let firstFailure: unknown;
  const ticker = setInterval(() => tick(work), PROGRESS_MS);
  const governor = governorOf(work);
  const left = new AbortController();
  const leave = () => {
    governor.leave();
    left.abort();
  };
  for (const one of [drain, signal]) {
    if (one?.aborted === true) leave();
    one?.addEventListener('abort', leave, { once: true });
  }
  const ended = new AbortController();
  const watch = watchWanted(
    () => ledger.wanted(run.id),
    ended.signal,
    (now) => {
      wanted = now;
      if (now !== 'run') leave();
      if (now === 'cancel') stop.abort(new RefillError('INTERRUPTED', 'the run was cancelled'));
    },
  );
  const context: FlowContext = {
    windows: inBoth(pool, passing(governor, slotsOf(work, left.signal))),
    deletes: createPool(DELETES_AT_ONCE),
    mayBegin: async () => {
      await governor.pass();
      return wanted === 'run' && !signal.aborted && drain?.aborted !== true;
    },
    onFailure: async (unit, error) => {
      firstFailure ??= error;
      // Stopped is not failed: it goes on where it was.
      if (signal.aborted) return;
      const told = await keepFailure(ledger, run.id, unit, asRefillError(error).toJSON());
      if (told) events.push(told);
    },
  };
  let outcome: FlowOutcome | undefined;
  let failure: unknown;
  try {
    await governor.start(ended.signal);
    outcome = await runFlow(retriedSteps(work), context);
  } catch (error) {
    failure = error;
  } finally {
    clearInterval(ticker);
    ended.abort();
    for (const one of [drain, signal]) one?.removeEventListener('abort', leave);
    work.atOnce.left(run.id);
    await watch;
  }
  return { outcome, failure, firstFailure };
}

/** The slots as the run's pool: one that may begin nothing any more waits for none. */
function slotsOf({ plan, run, place, shared, signal }: RunAtWork, leave: AbortSignal): Pool {
  const { cluster } = plan.tenant;
  const request = { cluster, server: place.server, tenant: formatTenant(plan.tenant), run: run.id };
  return shared.slots.shares.pool(request, { signal, leave });
}

/** Tells how far the run is. What a fleet's windows wait for is the fleet's to tell, of all of its tenants together. */
function tick({ plan, shared, alone, tracker, events }: RunAtWork): void {
  if (alone) tracker.wait('slot', shared.slots.waitsOf(plan.tenant.cluster, formatTenant(plan.tenant)));
  events.push(tracker.snapshot());
}

/** Keeps how the run ended, and tells its result. */
async function keepEnd(work: RunAtWork, { outcome, failure, firstFailure }: FlowEnd, began: number): Promise<void> {
  const { ledger, plan, run, actor, events, tracker, signal } = work;
  if (failure !== undefined && !signal.aborted) {
    const details = { ...asRefillError(failure).toJSON() };
    await ledger.audit({ actor, action: 'run-error', subject: run.id, details });
  }
  events.push(tracker.snapshot());
  await debugPoint('run-ending');
  const asked = await ledger.wanted(run.id);
  const over = asked !== 'cancel' || (await endElsewhere(work, events, tracker));
  const ending = { outcome, failure, stopped: signal.aborted, wanted: over ? asked : ('pause' as const) };
  const result = await resultOf({
    ledger,
    run: run.id,
    tables: plan.tables.length,
    ended: endState(ending),
    failure: failure ?? firstFailure,
    seconds: run.seconds + (Date.now() - began) / 1000,
  });
  await ledger.setRunState(run.id, result.state, actor, {
    seconds: (Date.now() - began) / 1000,
    ...(result.error ? { error: result.error } : {}),
  });
  events.push(result);
}
