import type { Plan } from '../domain/plan.ts';
import { versionBefore } from '../domain/versions.ts';
import type { AttemptRecord, Ledger, WindowRecord } from '../ledger/ledger.ts';
import { serverClock } from '../source/postgres.ts';
import type { AwaitOptions } from './await-mutation.ts';
import { delegateUnits, sourceOf } from './delegate.ts';
import { awaitCleared, clearWindow } from './delete-now.ts';
import { endWorkflow } from './end-delegated.ts';
import type { Written } from './reindex.ts';
import { stillAsSeen } from './still-ours.ts';
import { keptUnits, type PacedReindexer, unitsToKeep } from './units.ts';
import type { Workbench } from './workbench.ts';

/** What a window that the users' workflow derives needs of its run. */
export interface DelegatedWindow {
  readonly bench: Workbench;
  readonly paced: PacedReindexer;
  readonly ledger: Ledger;
  readonly run: string;
  readonly plan: Pick<Plan, 'strategy' | 'limits'>;
  readonly window: WindowRecord;
  readonly waiting: Required<Omit<AwaitOptions, 'before' | 'stillOurs'>>;
  /** Called with the rows that are derived so far, as far as the workflow's own numbers tell. */
  readonly onRows: (rows: number) => void;
}

/**
 * Has a window derived by the users' workflow. Ids are chosen and kept before anything is started: an attempt that was
 * interrupted goes on with exactly the workflows that it has started, which worked on meanwhile.
 *
 * @returns The attempt, and the source's side of the proof, of a snapshot after the workflows' end.
 */
export async function writeDelegated(of: DelegatedWindow): Promise<Written & { readonly attempt: number }> {
  const { bench, paced, plan, window, waiting } = of;
  const earlier = await of.ledger.attempts(of.run, { window: window.id });
  const attempt = earlier.find(({ state }) => state === 'started') ?? (await begin(of, earlier));
  const units = keptUnits(attempt.queries);
  const rowsOf = (from: string, to: string) =>
    (window.sourceRows * (Date.parse(to) - Date.parse(from))) / (Date.parse(window.to) - Date.parse(window.from));
  const epoch = versionBefore(attempt.version, plan.limits.clockMarginSeconds);
  const versioned = bench.tables.every(({ versionPrecision }) => versionPrecision !== null);
  await delegateUnits(bench, units, {
    reindexer: paced.reindexer,
    pool: paced.pool,
    limits: plan.limits,
    signal: waiting.signal,
    since: versioned ? { epoch, current: [], superseded: [] } : undefined,
    onProgress: (done, total) =>
      of.onRows(total === 0 ? 0 : Math.round((window.sourceRows * done) / total / units.length)),
    onWait: waiting.onWait,
    onNotice: waiting.onNotice,
    onUnit: (unit, seconds) => paced.took(rowsOf(unit.from, unit.to), seconds),
    onTooLarge: (unit) => paced.tooLarge(rowsOf(unit.from, unit.to)),
  });
  return { ...(await sourceOf(bench, window)), attempt: attempt.attempt };
}

async function begin(of: DelegatedWindow, earlier: readonly AttemptRecord[]): Promise<AttemptRecord> {
  const { bench, paced, ledger, run, plan, window, waiting } = of;
  const { reindexer } = paced;
  // What an earlier attempt has left at work is ended: two would write the same window.
  for (const { workflow } of earlier.flatMap(({ queries }) => keptUnits(queries)))
    await endWorkflow(reindexer, workflow, waiting);
  // The rows of an earlier attempt have versions that nobody knows: all of the window goes.
  const clears = plan.strategy === 'purge' && earlier.length > 0;
  if (clears)
    await clearWindow(bench, run, window, 'whole', {
      ...waiting,
      stillOurs: stillAsSeen(ledger, run, window, earlier),
    });
  const parts = paced.cut(window);
  const attempt = await ledger.startAttempt(run, window.id, await serverClock(bench.source), (number) =>
    unitsToKeep(
      parts.map((range, index) => ({
        ...range,
        workflow: reindexer.workflowId(bench.tenant, `${run}-w${window.id}-a${number}-u${index + 1}`),
      })),
    ),
  );
  if (clears) await awaitCleared(bench, run, window.id, waiting);
  return attempt;
}
