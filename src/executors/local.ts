import { WindowsAtOnce } from '../domain/at-once.ts';
import { asRefillError, RefillError } from '../domain/errors.ts';
import type { RunEvent } from '../domain/events.ts';
import type { Calendar } from '../domain/calendar-rules.ts';
import type { HealthLimits } from '../domain/indicators.ts';
import type { Plan } from '../domain/plan.ts';
import type { Wanted } from '../domain/states.ts';
import { type FlowOutcome, runFlow } from '../flow/run.ts';
import type { FlowContext, Steps } from '../flow/steps.ts';
import type { Actor, Ledger, RunRecord } from '../ledger/ledger.ts';
import { debugPoint } from '../steps/debug-points.ts';
import { createHealthLook } from '../steps/look-at-health.ts';
import { createRunSteps } from '../steps/run-steps.ts';
import type { Workbench } from '../steps/workbench.ts';
import { endElsewhere } from './end-elsewhere.ts';
import type { EventQueue } from './events.ts';
import { createPool, inBoth, type Pool } from '../domain/pool.ts';
import { keepFailure } from './failure.ts';
import { Governor } from './governor.ts';
import { ProgressTracker } from './progress.ts';
import { endState, resultOf } from './result.ts';
import { isOutage, withRetries } from './retry.ts';
import { ledgerLost, underLock } from './under-lock.ts';
import { watchWanted } from './watch-wanted.ts';

export interface LocalRun {
  readonly ledger: Ledger;
  readonly bench: Workbench;
  readonly plan: Plan;
  readonly run: RunRecord;
  readonly actor: Actor;
  readonly resumed: boolean;
  /** Aborting drains: no new window or delete is begun. */
  readonly drain?: AbortSignal;
  /** Aborting stops at once. */
  readonly force?: AbortSignal;
  /** What it shares with other runs of its cluster. */
  readonly shared?: SharedWindows;
  readonly governed: Governed;
}

/** What slows or holds a run. */
export interface Governed {
  readonly health: HealthLimits;
  /** Null: always open. */
  readonly calendar: Calendar | null;
}

/** The windows of a cluster, for a run that is not alone there. */
export interface SharedWindows {
  /** Where windows are written besides the run's own limit. */
  readonly pool: Pool;
  /** How many of all runs are written at once. */
  readonly atOnce: WindowsAtOnce;
}

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
  const { ledger, plan, run, actor, drain } = options;
  const began = Date.now();
  let wanted: Wanted = 'run';
  const tracker = new ProgressTracker(
    run.id,
    plan.cost.rowsToWrite,
    await ledger.windows(run.id),
    await ledger.deletes(run.id),
  );
  events.push({
    type: 'started',
    run: run.id,
    plan: plan.id,
    tenant: run.tenant,
    strategy: run.strategy,
    range: run.range,
    resumed: options.resumed,
  });

  const ticker = setInterval(() => events.push(tracker.snapshot()), PROGRESS_MS);
  const windows = createPool(plan.limits.windows);
  const atOnce = options.shared?.atOnce ?? new WindowsAtOnce(plan.limits.windows, (n) => windows.resize(n));
  const look = createHealthLook(options.bench, options.governed.health);
  const governor = new Governor({
    look: () => look.look(),
    ...options.governed,
    everySeconds: plan.limits.healthSeconds,
    setByHand: () => ledger.liveLimit(plan.tenant.cluster),
    largest: atOnce.largest,
    onLook: (health, most) => atOnce.told(run.id, health, most),
    secondsLeft: () => tracker.snapshot().secondsLeft,
    onLate: (message) => events.push({ type: 'notice', run: run.id, message }),
    onChange: (reason) => {
      if (tracker.governed(reason) && reason !== null) events.push({ type: 'notice', run: run.id, message: reason });
    },
  });
  const leave = () => governor.leave();
  for (const signal of [drain, stop.signal]) {
    if (signal?.aborted === true) leave();
    signal?.addEventListener('abort', leave, { once: true });
  }
  const ended = new AbortController();
  const watch = watchWanted(
    () => ledger.wanted(run.id),
    ended.signal,
    (now) => {
      wanted = now;
      if (now !== 'run') governor.leave();
      if (now === 'cancel') stop.abort(new RefillError('INTERRUPTED', 'the run was cancelled'));
    },
  );
  let firstFailure: unknown;
  const context: FlowContext = {
    windows: options.shared ? inBoth(windows, passing(governor, options.shared.pool)) : windows,
    deletes: createPool(2),
    mayBegin: async () => {
      await governor.pass();
      return wanted === 'run' && !stop.signal.aborted && drain?.aborted !== true;
    },
    onFailure: async (unit, error) => {
      firstFailure ??= error;
      // Stopped is not failed: it goes on where it was.
      if (stop.signal.aborted) return;
      const told = await keepFailure(ledger, run.id, unit, asRefillError(error).toJSON());
      if (told) events.push(told);
    },
  };
  let outcome: FlowOutcome | undefined;
  let failure: unknown;
  try {
    await governor.start(ended.signal);
    outcome = await runFlow(retriedSteps(options, events, tracker, stop.signal, atOnce), context);
  } catch (error) {
    failure = error;
  } finally {
    clearInterval(ticker);
    ended.abort();
    for (const signal of [drain, stop.signal]) signal?.removeEventListener('abort', leave);
    await watch;
  }
  const lost = ledgerLost(stop.signal);
  if (lost) throw lost;
  if (failure !== undefined && !stop.signal.aborted)
    await ledger.audit({
      actor,
      action: 'run-error',
      subject: run.id,
      details: { ...asRefillError(failure).toJSON() },
    });

  events.push(tracker.snapshot());
  await debugPoint('run-ending');
  const asked = await ledger.wanted(run.id);
  const over = asked !== 'cancel' || (await endElsewhere(options, events, tracker));
  const ending = { outcome, failure, stopped: stop.signal.aborted, wanted: over ? asked : ('pause' as const) };
  const result = await resultOf({
    ledger,
    run: run.id,
    tables: plan.tables.length,
    ended: endState(ending),
    failure: failure ?? firstFailure,
    seconds: (Date.now() - began) / 1000,
  });
  await ledger.setRunState(run.id, result.state, actor, {
    seconds: (Date.now() - began) / 1000,
    ...(result.error ? { error: result.error } : {}),
  });
  events.push(result);
}

/**
 * Waits until the governor lets the run go on before it takes a place that other runs could use. Where the run is held
 * by the time that it has the place, it gives the place back and waits again.
 */
function passing(governor: Governor, shared: Pool): Pool {
  return {
    run: async (task) => {
      for (;;) {
        await governor.pass();
        const done = await shared.run(async () => (governor.holds ? null : { result: await task() }));
        if (done) return done.result;
      }
    },
  };
}

/** The run's steps with retries around each, and with what they tell made into events. */
function retriedSteps(
  options: LocalRun,
  events: EventQueue<RunEvent>,
  tracker: ProgressTracker,
  signal: AbortSignal,
  atOnce: WindowsAtOnce,
): Steps {
  const { bench, ledger, plan, run } = options;
  const begun = new Map<number, number>();
  const steps = createRunSteps({
    bench,
    ledger,
    run: run.id,
    plan,
    actor: options.actor,
    signal,
    reports: {
      onRows: (window, table, rows) => tracker.rows(window, table, rows),
      onWritten: (window, rows) => {
        tracker.windowEnds(window.id, 'written', rows);
        const seconds = (Date.now() - (begun.get(window.id) ?? Date.now())) / 1000;
        events.push({
          type: 'window',
          run: run.id,
          window: window.id,
          from: window.from,
          to: window.to,
          state: 'written',
          rows,
          seconds,
        });
      },
      onCut: (window, parts) => tracker.windowCut(window.id, parts),
      onDelete: (del, state, rows) => {
        if (state === 'proven') tracker.deleteProven(del.id);
        events.push({ type: 'delete', run: run.id, delete: del.id, from: del.from, to: del.to, state, rows });
      },
      onWait: (unit, reason) => tracker.wait(unit, reason),
      onNotice: (message) => events.push({ type: 'notice', run: run.id, message }),
    },
  });
  const retried = <T>(unit: string, task: () => Promise<T>): Promise<T> =>
    withRetries(
      {
        limits: plan.limits,
        signal,
        onRetry: (error, seconds) => {
          if (!isOutage(error)) atOnce.overloaded();
          tracker.wait(unit, `${error.source} (${error.code}), tried again in ${seconds} s`);
          events.push({
            type: 'notice',
            run: run.id,
            message: `${unit}: ${error.message}; tried again in ${seconds} s`,
          });
        },
      },
      async () => {
        tracker.wait(unit, null);
        return task();
      },
    );
  return {
    begin: () => retried('begin', () => steps.begin()),
    async writeWindow(window, to) {
      const parts = await retried(`window ${window}`, async () => {
        begun.set(window, Date.now());
        tracker.windowBegins(window);
        return steps.writeWindow(window, to).catch((error: unknown) => {
          tracker.windowEnds(window, 'failed', 0);
          throw error;
        });
      });
      if (parts.length === 0) atOnce.wentWell();
      return parts;
    },
    submitDelete: (del) => retried(`delete ${del}`, () => steps.submitDelete(del)),
    awaitDelete: (del) => retried(`delete ${del}`, () => steps.awaitDelete(del)),
    proveWritten: (del) => retried(`delete ${del}`, () => steps.proveWritten(del)),
    proveDelete: (del) => retried(`delete ${del}`, () => steps.proveDelete(del)),
    sweep: () => retried('sweep', () => steps.sweep()),
  };
}
