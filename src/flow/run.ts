import { all } from './all.ts';
import type { FlowContext, FlowDelete, FlowWindow, Steps, Work } from './steps.ts';

/** How a run ended, as far as the flow knows: what differs is in the ledger. */
export interface FlowOutcome {
  /** Deletes that are proven now. */
  readonly proven: number;
  /** Deletes that failed, themselves or one of their windows. */
  readonly failed: number;
  /** Deletes that were not begun or not ended, as the run may not go on; 1 where it is the last look that is left. */
  readonly left: number;
}

type DeleteOutcome = keyof FlowOutcome;

/**
 * A run: delete by delete, its windows side by side, and a sweep over the whole range when all of them are proven. What is
 * done already is left out, so that a run that was interrupted goes on where it was. It imports neither a database nor a
 * clock.
 */
export async function runFlow(steps: Steps, context: FlowContext): Promise<FlowOutcome> {
  const work = await steps.begin();
  const outcomes = await all(
    context,
    work.deletes.map((del) => (own) => own.deletes.run(() => runDelete(steps, own, work, del))),
  );
  const count = (outcome: DeleteOutcome) => outcomes.filter((o) => o === outcome).length;
  const outcome = { proven: count('proven'), failed: count('failed'), left: count('left') };
  if (outcome.failed > 0 || outcome.left > 0 || work.more === true) return outcome;
  if (!(await context.mayBegin())) return { ...outcome, left: 1 };
  await steps.sweep();
  return outcome;
}

async function runDelete(steps: Steps, context: FlowContext, work: Work, del: FlowDelete): Promise<DeleteOutcome> {
  if (del.state === 'proven' || del.state === 'failed') return del.state;
  if (!(await context.mayBegin())) return 'left';
  const windows = work.windows.filter((w) => w.delete === del.id);
  try {
    return work.strategy === 'purge'
      ? await purge(steps, context, del, windows)
      : await replace(steps, context, del, windows);
  } catch (error) {
    await context.onFailure({ delete: del.id }, error);
    return 'failed';
  }
}

/** Show that all can be written, delete, wait until rows written from then on are safe, write, wait for the delete's end, verify. */
async function purge(
  steps: Steps,
  context: FlowContext,
  del: FlowDelete,
  planned: readonly FlowWindow[],
): Promise<DeleteOutcome> {
  let windows = planned;
  if (del.state === 'pending') {
    const rehearsed = await rehearseWindows(steps, context, windows);
    if (rehearsed.outcome !== 'proven') return rehearsed.outcome;
    if (del.unrehearsed === true || !(await context.mayBegin())) return 'left';
    ({ windows } = rehearsed);
  }
  await steps.submitDelete(del.id);
  const written = await writeWindows(steps, context, windows);
  if (written !== 'proven') return written;
  if (del.cut === true) return 'left';
  await steps.awaitDelete(del.id);
  await steps.proveDelete(del.id);
  return 'proven';
}

/** Write, prove that nothing is missing, delete what is older, wait, verify. Readers never miss a row. */
async function replace(
  steps: Steps,
  context: FlowContext,
  del: FlowDelete,
  windows: readonly FlowWindow[],
): Promise<DeleteOutcome> {
  const written = await writeWindows(steps, context, windows);
  if (written !== 'proven') return written;
  if (del.cut === true) return 'left';
  if (del.state === 'pending') {
    await steps.proveWritten(del.id);
    // A pause between the proof and the delete loses the proof, which is cheap; a delete that was begun is ended.
    if (!(await context.mayBegin())) return 'left';
  }
  await steps.submitDelete(del.id);
  await steps.awaitDelete(del.id);
  await steps.proveDelete(del.id);
  return 'proven';
}

async function writeWindows(
  steps: Steps,
  context: FlowContext,
  windows: readonly FlowWindow[],
): Promise<DeleteOutcome> {
  const unwritten = windows.filter((w) => w.state !== 'written' && w.state !== 'done');
  return (await eachWindow(context, unwritten, (window) => steps.writeWindow(window.id, window.to))).outcome;
}

async function rehearseWindows(steps: Steps, context: FlowContext, windows: readonly FlowWindow[]): Promise<Passed> {
  const due = windows.filter((w) => w.rehearsed !== true);
  const passed = await eachWindow(context, due, (window) => steps.rehearseWindow(window.id, window.to));
  return { ...passed, windows: [...windows.filter((w) => w.rehearsed === true), ...passed.windows] };
}

/** What became of windows. */
interface Passed {
  readonly outcome: DeleteOutcome;
  /** The windows, with those that were cut replaced by what they were cut into. */
  readonly windows: readonly FlowWindow[];
}

/** Does a step of each window that returns what it was cut into instead, if it was. */
type WindowStep = (window: FlowWindow) => Promise<readonly FlowWindow[]>;

async function eachWindow(context: FlowContext, windows: readonly FlowWindow[], step: WindowStep): Promise<Passed> {
  const passed = await all(
    context,
    windows.map((window) => (own) => doOrCut(own, window, step)),
  );
  const outcomes = passed.map(({ outcome }) => outcome);
  return {
    outcome: outcomes.includes('failed') ? 'failed' : outcomes.includes('left') ? 'left' : 'proven',
    windows: passed.flatMap((one) => one.windows),
  };
}

/** What a window was cut into is done when its own place in the pool is free again: each half asks for one. */
async function doOrCut(context: FlowContext, window: FlowWindow, step: WindowStep): Promise<Passed> {
  const outcome = await context.windows.run(() => doWindow(context, window, step), { window: window.id });
  return typeof outcome === 'string' ? { outcome, windows: [window] } : eachWindow(context, outcome, step);
}

async function doWindow(
  context: FlowContext,
  window: FlowWindow,
  step: WindowStep,
): Promise<DeleteOutcome | readonly FlowWindow[]> {
  if (window.state === 'failed') return 'failed';
  if (!(await context.mayBegin())) return 'left';
  try {
    const halves = await step(window);
    return halves.length === 0 ? 'proven' : halves;
  } catch (error) {
    await context.onFailure({ window: window.id }, error);
    return 'failed';
  }
}
