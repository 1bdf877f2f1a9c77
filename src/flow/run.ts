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

/** Delete, wait until rows written from then on are safe, write, wait for the delete's end, verify. */
async function purge(
  steps: Steps,
  context: FlowContext,
  del: FlowDelete,
  windows: readonly FlowWindow[],
): Promise<DeleteOutcome> {
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
  const outcomes = await all(
    context,
    windows
      .filter((w) => w.state !== 'written' && w.state !== 'done')
      .map((window) => (own) => writeOrCut(steps, own, window)),
  );
  if (outcomes.includes('failed')) return 'failed';
  return outcomes.includes('left') ? 'left' : 'proven';
}

/** What a window was cut into is written when its own place in the pool is free again: each part asks for one. */
async function writeOrCut(steps: Steps, context: FlowContext, window: FlowWindow): Promise<DeleteOutcome> {
  const outcome = await context.windows.run(() => writeWindow(steps, context, window), { window: window.id });
  return typeof outcome === 'string' ? outcome : writeWindows(steps, context, outcome);
}

async function writeWindow(
  steps: Steps,
  context: FlowContext,
  window: FlowWindow,
): Promise<DeleteOutcome | readonly FlowWindow[]> {
  if (window.state === 'failed') return 'failed';
  if (!(await context.mayBegin())) return 'left';
  try {
    const parts = await steps.writeWindow(window.id, window.to);
    return parts.length === 0 ? 'proven' : parts;
  } catch (error) {
    await context.onFailure({ window: window.id }, error);
    return 'failed';
  }
}
