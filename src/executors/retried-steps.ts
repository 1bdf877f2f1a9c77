import type { Steps } from '../flow/steps.ts';
import { createRunSteps, type StepReports } from '../steps/run-steps.ts';
import type { RunAtWork } from './local-run.ts';
import { isOutage, withRetries } from './retry.ts';

/** The run's steps with retries around each, and with what they tell made into events. */
export function retriedSteps(work: RunAtWork): Steps {
  const { bench, ledger, plan, run, actor, signal, events, tracker, atOnce } = work;
  const begun = new Map<number, number>();
  const steps = createRunSteps({ bench, ledger, run: run.id, plan, actor, signal, reports: reportsOf(work, begun) });
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
    rehearseWindow: (window, to) => retried(`rehearsal of window ${window}`, () => steps.rehearseWindow(window, to)),
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

/** @param begun When windows were begun, in milliseconds. */
function reportsOf({ run, events, tracker }: RunAtWork, begun: ReadonlyMap<number, number>): StepReports {
  return {
    onRows: (window, table, rows) => tracker.rows(window, table, rows),
    onWritten: ({ id, from, to }, rows) => {
      tracker.windowEnds(id, 'written', rows);
      const seconds = (Date.now() - (begun.get(id) ?? Date.now())) / 1000;
      events.push({ type: 'window', run: run.id, window: id, from, to, state: 'written', rows, seconds });
    },
    onRehearsal: (window, now) => tracker.rehearsal(window, now),
    onCut: (window, parts) => tracker.windowCut(window.id, parts),
    onDelete: ({ id, from, to }, state, rows) => {
      if (state === 'proven') tracker.deleteProven(id);
      events.push({ type: 'delete', run: run.id, delete: id, from, to, state, rows });
    },
    onWait: (unit, reason) => tracker.wait(unit, reason),
    onNotice: (message) => events.push({ type: 'notice', run: run.id, message }),
  };
}
