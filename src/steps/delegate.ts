import { setTimeout as sleep } from 'node:timers/promises';
import { RefillError } from '../domain/errors.ts';
import { halve } from '../domain/halve.ts';
import type { Limits } from '../domain/limits.ts';
import type { Pool } from '../domain/pool.ts';
import type { Reindexer, ReindexerState, ReindexerUnit } from '../domain/reindexer.ts';
import type { Range } from '../domain/words.ts';
import type { RunVersions } from '../target/count.ts';
import { debugPoint } from './debug-points.ts';
import { halvesOf } from './end-delegated.ts';
import { prove } from './prove.ts';
import type { Written } from './reindex.ts';
import { windowSums } from './window-sums.ts';
import type { Workbench } from './workbench.ts';

/** What deriving through the users' workflow needs, once a window's attempt is kept. */
export interface DelegateOptions {
  readonly reindexer: Reindexer;
  /** Shared by all windows of the program. */
  readonly pool: Pool;
  readonly limits: Limits;
  readonly signal: AbortSignal;
  /** What tells rows that the attempt's workflows write; absent where tables have no version. */
  readonly since: RunVersions | undefined;
  /** Conversations that were done, of how many, by the heartbeat. */
  readonly onProgress: (done: number, total: number) => void;
  readonly onWait: (reason: string) => void;
  readonly onNotice: (message: string) => Promise<void>;
  /** How long a unit took that was started here, and for how large a part of the window. */
  readonly onUnit: (unit: ReindexerUnit, seconds: number) => void;
  /** A unit failed for what may be its size. */
  readonly onTooLarge: (unit: ReindexerUnit) => void;
}

/**
 * Has the users' workflow derive a window's units, one after another. Each is started by the id that the ledger holds, or
 * adopted where it was started before. How a workflow ended is not believed: where it failed, and the target has all rows
 * of the unit all the same, the unit is done; where rows are missing, it is cut in two, unless somebody has ended it. A
 * program that stops leaves them at work, and they are adopted by the next one; those of a run that is cancelled are ended
 * by `endDelegated`.
 *
 * @throws RefillError `REINDEXER_FAILED` where a unit lacks rows that cannot be cut further, or that somebody has ended.
 */
export async function delegateUnits(
  bench: Workbench,
  units: readonly ReindexerUnit[],
  options: DelegateOptions,
): Promise<void> {
  for (const unit of units) await deriveUnit(bench, unit, options);
}

/** Halving stops here: what fails 64 times smaller does not fail for its size. */
const MOST_HALVINGS = 6;

async function deriveUnit(
  bench: Workbench,
  unit: ReindexerUnit,
  options: DelegateOptions,
  halvings = 0,
): Promise<void> {
  options.signal.throwIfAborted();
  const { reindexer, signal } = options;
  const { status, state, seconds } = await options.pool.run(() => follow(bench, unit, options), {
    signal,
    onWait: () => options.onWait(`one of the ${reindexer.atOnce} workflows that its re-indexer bears at once`),
  });
  if (state === 'completed') {
    if (seconds !== null) options.onUnit(unit, seconds);
    return;
  }
  if (await holdsAll(bench, unit, options)) {
    await options.onNotice(`workflow ${unit.workflow} is ${status}, and its rows are all there: it counts as done`);
    return;
  }
  // Who has ended it did not mean that its parts should be done.
  if (state === 'ended')
    throw new RefillError(
      'REINDEXER_FAILED',
      `workflow ${unit.workflow} was ended by somebody (${status}), and rows of ${unit.from} to ${unit.to} are missing`,
      { details: { workflow: unit.workflow, status } },
    );
  const halved = halvings < MOST_HALVINGS ? halve(unit) : null;
  if (!halved)
    throw new RefillError(
      'REINDEXER_FAILED',
      `workflow ${unit.workflow} is ${status}, and rows of ${unit.from} to ${unit.to} are missing`,
      { details: { workflow: unit.workflow, status } },
    );
  options.onTooLarge(unit);
  const cut = halved.windows[0].to;
  await options.onNotice(
    `workflow ${unit.workflow} is ${status}, and rows are missing: its range is cut in two at ${cut}`,
  );
  if (halved.notice !== null) await options.onNotice(halved.notice);
  const ids = halvesOf(unit.workflow);
  for (const [index, range] of halved.windows.entries())
    await deriveUnit(bench, { ...range, workflow: ids[index] ?? unit.workflow }, options, halvings + 1);
}

interface FollowedUnit extends ReindexerState {
  /** That it took from its start; null where that is not known, as of one that was adopted. */
  readonly seconds: number | null;
}

/** Starts or adopts a workflow, and looks at it until it has ended, through its retries and continuations. */
async function follow(
  bench: Workbench,
  unit: ReindexerUnit,
  { reindexer, signal, onWait, onProgress }: DelegateOptions,
): Promise<FollowedUnit> {
  // It may have waited for its turn for long.
  signal.throwIfAborted();
  const began = Date.now();
  const own = await reindexer.start(bench.tenant, unit);
  await debugPoint('reindexer-started');
  const elapsed = () => (own ? (Date.now() - began) / 1000 : null);
  for (;;) {
    const now = await reindexer.look(unit.workflow);
    if (now.state !== 'running') return { ...now, seconds: elapsed() };
    onWait(`workflow ${unit.workflow}: ${progressWords(now, elapsed())}`);
    if (now.progress) onProgress(now.progress.done, now.progress.total);
    await sleep(reindexer.pollSeconds * 1000, undefined, { signal });
  }
}

function progressWords({ status, progress }: ReindexerState, seconds: number | null): string {
  if (!progress) return status.toLowerCase();
  const { done, total, failed } = progress;
  const rate = seconds !== null && seconds > 0 ? `, ${(done / seconds).toFixed(1)} a second` : '';
  return `${done} of ${total} conversations${failed > 0 ? `, ${failed} failed` : ''}${rate}`;
}

/** Whether the target has every source row of a range, by the proof that also decides in the end. */
async function holdsAll(bench: Workbench, range: Range, options: DelegateOptions): Promise<boolean> {
  const written = await sourceOf(bench, range);
  const window = { ...range, id: null, snapshot: new Date().toISOString(), sums: written.sums };
  const { limits, signal, since } = options;
  const { drift } = await prove(bench, [window], { limits, signal, ...(since ? { since } : {}) });
  return !drift.some(({ kind }) => kind === 'missing' || kind === 'stale');
}

/** The source's side of a window's proof, of a snapshot that is taken when its workflows have ended. */
export async function sourceOf(bench: Workbench, range: Range): Promise<Written> {
  const { sums } = await windowSums(bench, range);
  return { rows: sums.reduce((n, s) => n + s.rows, 0), sums };
}
