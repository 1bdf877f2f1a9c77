import type { ProofWindow } from './accounts.ts';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DeleteKind, kindOf } from '../domain/delete-kind.ts';
import { bypassedTables } from '../domain/dependents.ts';
import { asRefillError, RefillError } from '../domain/errors.ts';
import type { Plan } from '../domain/plan.ts';
import { versionInstant } from '../domain/versions.ts';
import { KEYS_NAMED } from '../domain/verified.ts';
import type { Instant, Range } from '../domain/words.ts';
import type { Steps, Work } from '../flow/steps.ts';
import type { Actor, AttemptRecord, Ledger, WindowRecord } from '../ledger/ledger.ts';
import type { Snapshot } from '../source/postgres.ts';
import { type Cut, cutOfFailures, cutOfPace, cutWindow, failuresOf } from './cut-window.ts';
import { dropStaging, dropStagingOf, stagingName } from './bypass.ts';
import { debugPoint } from './debug-points.ts';
import { endQueries } from './end-queries.ts';
import { writeDelegated } from './delegated-window.ts';
import { awaitDelete, deleteCondition, submitDelete } from './delete.ts';
import { awaitCleared, clearWindow } from './delete-now.ts';
import { refuseExpired } from './expired.ts';
import { refuseMoved } from './moved.ts';
import { type Proven, type ProveOptions, proveInPasses } from './prove.ts';
import { findLostRows } from './prove-written.ts';
import { writeWindow } from './reindex.ts';
import { rehearseOrCut } from './rehearse-or-cut.ts';
import { refuseResets, refuseResetsBy } from './resets.ts';
import { createRunVersions } from './run-versions.ts';
import { barrierOf, epochOf, refuseStandstill, snapshotSince } from './source-time.ts';
import { stillAsSeen } from './still-ours.ts';
import { awaitRefused } from './send-mutation.ts';
import type { SentStatements } from '../target/deadline.ts';
import { collapses } from '../target/tables.ts';
import { rebuildOf } from './dependents.ts';
import { rebuildView } from './rebuild.ts';
import { refuseReplacedRows } from './replaced.ts';
import { sweep } from './sweep.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** What a run's steps tell while they work. */
export interface StepReports {
  readonly onRows: (window: number, table: string, rows: number) => void;
  readonly onWritten: (window: WindowRecord, rows: number) => void;
  /** Whether a window is rehearsed now. */
  readonly onRehearsal: (window: number, now: boolean) => void;
  /** A window was cut into these instead of being written. */
  readonly onCut: (window: WindowRecord, parts: readonly WindowRecord[]) => void;
  readonly onDelete: (
    del: Range & { readonly id: number },
    state: 'submitted' | 'assigned' | 'finished' | 'proven',
    rows: number,
  ) => void;
  /** What a unit waits for now; null when it goes on. */
  readonly onWait: (unit: string, reason: string | null) => void;
  /** What a person should know although the work goes on. */
  readonly onNotice: (message: string) => void;
}

export interface RunStepsOptions {
  readonly bench: Workbench;
  readonly ledger: Ledger;
  readonly run: string;
  readonly plan: Plan;
  /** Who is at work, for the audit. */
  readonly actor: Actor;
  readonly signal: AbortSignal;
  readonly reports: StepReports;
  /**
   * Does something as the only program that sends deletes of the run, within a step that needs it in rare cases only.
   * Default: at once, as the executor has the run to itself.
   */
  readonly alone?: (task: () => Promise<void>) => Promise<void>;
}

/** The steps of one run, over its workbench and the ledger. Neither order nor retries are here. */
export function createRunSteps({
  bench,
  ledger,
  run,
  plan,
  actor,
  signal,
  reports,
  alone = (task) => task(),
}: RunStepsOptions): Steps {
  const { limits, strategy } = plan;
  const bypassed = bypassedTables(plan.dependents);
  const versions = createRunVersions(ledger, run, plan);

  const deleteOf = async (id: number) => {
    const [found] = await ledger.deletes(run, id);
    if (!found) throw new RefillError('BUG', `run ${run} has no delete ${id}`);
    return found;
  };

  /** The kinds that the plan has chosen for a delete, by table. */
  function kindsOf(del: number): (table: string) => DeleteKind {
    const planned = plan.deletes.find(({ id }) => id === del)?.tables ?? [];
    return (name) => kindOf(planned.find(({ table }) => table === name) ?? {});
  }

  /** A window with the source's sums that were kept when it was written. */
  async function withSums(w: WindowRecord): Promise<ProofWindow> {
    const { snapshot, tables } = await ledger.sums(run, w.id);
    return { id: w.id, from: w.from, to: w.to, snapshot: versionInstant(snapshot), sums: tables };
  }

  const keptWindows = async (del: number) => Promise.all((await ledger.windows(run, { delete: del })).map(withSums));

  /** Rows that the plan counted for a delete, by table. */
  function plannedRowsOf(del: number): (table: string) => number {
    const planned = plan.deletes.find(({ id }) => id === del)?.tables ?? [];
    return (name) => planned.find(({ table }) => table === name)?.rows ?? 0;
  }

  /** Proves a delete's windows by the sums that were kept when they were written. */
  async function proveKept(del: number, options: Omit<ProveOptions, 'known'>): Promise<Proven> {
    const windows = await ledger.windows(run, { delete: del });
    const sumsOf = (some: readonly WindowRecord[]) => Promise.all(some.map(withSums));
    return proveInPasses(bench, windows, sumsOf, { ...options, outside: plan.range });
  }

  /** Kept as well: whoever follows the run from elsewhere reads it there. */
  async function notice(message: string): Promise<void> {
    reports.onNotice(message);
    await ledger.audit({ actor, action: 'run.notice', subject: run, details: { message } });
  }

  const sent: SentStatements = {
    seconds: limits.statementSeconds,
    before: async (mark, seconds) => {
      const id = await ledger.keepSent(mark, seconds);
      return () => ledger.answerSent(id);
    },
    onTheWay: (mark) => ledger.secondsOnTheWay(mark),
  };

  const waiting = (unit: string) => ({
    sent,
    limits,
    signal,
    onWait: (reason: string | null) => reports.onWait(unit, reason),
    onNotice: notice,
  });

  /**
   * Ends what earlier attempts of a window still have at work, and removes what they have left where a purge writes it
   * again: also before it is cut, as only its first part keeps them.
   */
  async function clearEarlier(window: WindowRecord, earlier: readonly AttemptRecord[]): Promise<void> {
    await endQueries(
      bench,
      earlier.filter((a) => a.state !== 'done').flatMap((a) => Object.values(a.queries)),
      signal,
    );
    // Before anything is cleared: a killed attempt may still be adding parts.
    await dropStaging(
      bench,
      earlier.flatMap((a) => [...bypassed].map((table) => stagingName(run, window.id, a.attempt, table))),
    );
    if (strategy === 'purge') await clearLeft(window, earlier);
  }

  /**
   * Removes half of a window that no later try completes. After a purge, it would be all that readers see. In a `replace`, a
   * merge may have put the attempt's rows in place of the old ones already: removing them would remove both.
   */
  async function clearWhatStandsAlone(window: WindowRecord, earlier: readonly AttemptRecord[]): Promise<void> {
    const apart = bench.tables.filter(({ target }) => strategy === 'purge' || !collapses(target));
    if (apart.length > 0) await clearLeft(window, earlier, apart);
  }

  /** Removes what attempts of a window have left. */
  async function clearLeft(
    window: WindowRecord,
    earlier: readonly AttemptRecord[],
    tables: readonly BenchTable[] = bench.tables,
  ): Promise<void> {
    if (earlier.length === 0) return;
    const versions = earlier.map((a) => a.version);
    await clearWindow({ ...bench, tables }, run, window, versions, {
      ...waiting(`window ${window.id}`),
      stillOurs: stillAsSeen(ledger, run, window, earlier),
    });
  }

  /**
   * Keeps why an attempt failed, and returns the window's attempts; undefined where there is nothing to keep: it never
   * began, the run is stopped, or the ledger has it otherwise.
   */
  async function keepFailed(
    window: number,
    attempt: AttemptRecord | undefined,
    thrown: unknown,
  ): Promise<readonly AttemptRecord[] | undefined> {
    if (attempt === undefined || signal.aborted) return undefined;
    try {
      await ledger.failAttempt(run, window, attempt.attempt, asRefillError(thrown).toJSON(), false);
      return await ledger.attempts(run, { window });
    } catch {
      // What it failed of counts more than that this could not be kept.
      return undefined;
    }
  }

  async function windowOf(id: number): Promise<WindowRecord> {
    const [window] = await ledger.windows(run, { window: id });
    if (!window) throw new RefillError('BUG', `run ${run} has no window ${id}`);
    return window;
  }

  const isCut = (window: WindowRecord, to: Instant | undefined): to is Instant => to !== undefined && window.to < to;

  /** Cut before, and the answer was lost: the first of its halves has its number. */
  async function cutBefore(window: WindowRecord, to: Instant): Promise<readonly WindowRecord[]> {
    const parts = await partsOf(window, to);
    reports.onCut(window, parts);
    return parts;
  }

  /** What a standby has to have replayed for a delete's windows; asked once, as later is more than is needed. */
  const barriers = new Map<number, Promise<string>>();

  /** Opens a window's snapshot: after the run's epoch, and where a purge has deleted rows, after that. */
  async function openAfter(del: number, unit: string): Promise<Snapshot> {
    const snapshot = await snapshotSince(bench, await versions.epoch(), waiting(unit));
    if (strategy !== 'purge' || !snapshot.standby) return snapshot;
    await snapshot.close();
    const barrier = barriers.get(del) ?? barrierOf(bench, limits);
    barriers.set(del, barrier);
    return snapshotSince(bench, await barrier, waiting(unit));
  }

  async function partsOf({ from, delete: del }: WindowRecord, to: Instant): Promise<readonly WindowRecord[]> {
    return (await ledger.windows(run, { delete: del })).filter((w) => w.from >= from && w.to <= to);
  }

  async function cutInto(window: WindowRecord, cut: Cut): Promise<readonly WindowRecord[]> {
    const parts = await cutWindow(ledger, run, window, cut);
    reports.onCut(window, parts);
    await notice(cut.notice);
    return parts;
  }

  return {
    async begin(): Promise<Work> {
      if (strategy === 'purge' && !bench.reindexer) await refuseStandstill(bench, waiting('source'));
      const now = await epochOf(bench, limits);
      const epoch = await ledger.setEpoch(run, now.epoch);
      await debugPoint('epoch-kept');
      // Those of other runs, which may have been for the same rows.
      await awaitRefused('refill ', waiting('begin'));
      reports.onWait('begin', null);
      // Old rows are those before the epoch, new ones those of a snapshot: between the two lies what clocks are apart.
      if (epoch === now.epoch) await refuseResets(bench, plan.range);
      if (epoch === now.epoch && !now.passed) await sleep(limits.clockMarginSeconds * 1000, undefined, { signal });
      return { strategy, windows: await ledger.windows(run), deletes: await ledger.deletes(run) };
    },

    async rehearseWindow(id, to) {
      const window = await windowOf(id);
      if (isCut(window, to)) return cutBefore(window, to);
      // What a user's workflow derives is not ours to write.
      if (window.rehearsed || bench.reindexer) return [];
      reports.onRehearsal(id, true);
      try {
        const cut = await rehearseOrCut({
          bench,
          ledger,
          run,
          window,
          signal,
          onRows: (table, rows) => reports.onRows(id, table, rows),
        });
        return cut ? await cutInto(window, cut) : [];
      } finally {
        reports.onRehearsal(id, false);
      }
    },

    async writeWindow(id, to) {
      const window = await windowOf(id);
      if (isCut(window, to)) return cutBefore(window, to);
      // Asked once more for what is done: the answer was lost.
      if (window.state === 'done' || window.state === 'written') {
        reports.onWritten(window, window.sourceRows);
        return [];
      }
      if (bench.reindexer) {
        const { attempt, ...written } = await writeDelegated({
          bench,
          paced: bench.reindexer,
          ledger,
          run,
          plan,
          window,
          waiting: waiting(`window ${id}`),
          onRows: (rows) => reports.onRows(id, bench.tables[0]?.definition.name ?? '', rows),
        });
        await ledger.finishAttempt(run, id, attempt, written);
        await debugPoint('window-written');
        reports.onWait(`window ${id}`, null);
        reports.onWritten(window, written.rows);
        return [];
      }
      const earlier = await ledger.attempts(run, { window: id });
      await clearEarlier(window, earlier);
      const cut = cutOfFailures(window, failuresOf(earlier)) ?? cutOfPace(window, await ledger.paces(run), limits);
      if (cut) return cutInto(window, cut);
      let attempt: AttemptRecord | undefined;
      const keepAttempt = async (version: string) => {
        attempt = await ledger.startAttempt(run, id, version, (number) =>
          Object.fromEntries(
            bench.tables.map(({ definition: { name } }) => [name, `refill-${run}-w${id}-${name}-a${number}`]),
          ),
        );
        if (strategy === 'purge' && earlier.length > 0) await awaitCleared(bench, run, id, waiting(`window ${id}`));
        return attempt.queries;
      };
      try {
        const written = await writeWindow(bench, window, {
          open: () => openAfter(window.delete, `window ${id}`),
          keepAttempt,
          stillOurs: () => ledger.checkAttempt(run, id, attempt?.attempt ?? 0),
          signal,
          stagingOf: (table) => (bypassed.has(table) ? stagingName(run, id, attempt?.attempt ?? 0, table) : null),
          onRows: (table, rows) => reports.onRows(id, table, rows),
        });
        await ledger.finishAttempt(run, id, attempt?.attempt ?? 0, written);
        await debugPoint('window-written');
        reports.onWritten(window, written.rows);
        return [];
      } catch (thrown) {
        const now = await keepFailed(id, attempt, thrown);
        const cut = now && cutOfFailures(window, failuresOf(now));
        if (!cut) {
          if (now && asRefillError(thrown).code === 'CH_VIEW_FAILED') await clearWhatStandsAlone(window, now);
          throw thrown;
        }
        await clearEarlier(window, now);
        return cutInto(window, cut);
      }
    },

    async submitDelete(id) {
      const del = await deleteOf(id);
      const own = await versions.ofDelete(id);
      if (del.state === 'pending') reports.onDelete(del, 'submitted', 0);
      // Before anything is sent: what has changed its part since the plan would be lost.
      if ((await ledger.mutations(run, id)).length === 0) {
        // What `replace` has written is there to be asked; a purge has rehearsed it.
        if (strategy === 'replace') await refuseExpired(bench, del, () => null);
        for (const table of bench.tables) await refuseResetsBy(bench, table, deleteCondition(bench, table, del, own));
        await refuseMoved(bench, await ledger.windows(run, { delete: id }), {
          ...waiting(`delete ${id}`),
          range: plan.range,
        });
      }
      // One that had nothing to delete is finished without a mutation.
      if (del.state === 'pending' || del.state === 'submitted' || del.state === 'assigned')
        await submitDelete(bench, ledger, run, del, own, {
          ...waiting(`delete ${id}`),
          kindOf: kindsOf(id),
          plannedRows: plannedRowsOf(id),
        });
      reports.onWait(`delete ${id}`, null);
      reports.onDelete(del, 'assigned', await rowsOf(id));
    },

    async awaitDelete(id) {
      const del = await deleteOf(id);
      await awaitDelete(bench, ledger, run, del, await versions.ofDelete(id), {
        ...waiting(`delete ${id}`),
        epoch: await versions.epoch(),
        kindOf: kindsOf(id),
        alone,
      });
      reports.onWait(`delete ${id}`, null);
      reports.onDelete(await deleteOf(id), 'finished', await rowsOf(id));
    },

    async proveWritten(id) {
      const since = await versions.ofDelete(id);
      const unit = `delete ${id}`;
      reports.onWait(unit, 'the proof of what was written');
      const missing = since ? await findLostRows(bench, await keptWindows(id), since, waiting(unit)) : [];
      reports.onWait(unit, null);
      await debugPoint('rows-proven');
      if (missing.length === 0) return;
      const keys = missing.slice(0, KEYS_NAMED).map(({ table, key }) => ({ table, key }));
      const error = new RefillError(
        'PROOF_FAILED',
        `${missing.length} rows that were written are not in the target, so nothing was deleted`,
        { details: { keys } },
      );
      for (const w of await ledger.windows(run, { delete: id })) {
        const lost = missing.some((d) => d.time !== null && d.time >= w.from && d.time < w.to);
        if (lost) await ledger.failWindow(run, w.id, error.toJSON());
      }
      throw error;
    },

    async proveDelete(id) {
      const del = await deleteOf(id);
      const unit = `delete ${id}`;
      const rows = await rowsOf(id);
      if (del.state !== 'proven') {
        reports.onWait(unit, 'the proof');
        const { proofs, drift } = await proveKept(id, waiting(unit));
        await ledger.proveDelete(run, id, proofs, drift, rows);
        await debugPoint('delete-proven');
      }
      reports.onWait(unit, null);
      reports.onDelete(del, 'proven', rows);
    },

    async sweep() {
      reports.onWait('sweep', 'the last look over the range');
      const rows = await sweep(bench, {
        ...waiting('sweep'),
        ledger,
        run,
        plan,
        epoch: await versions.epoch(),
        looks: limits.looks,
      });
      if (!bench.reindexer)
        await refuseReplacedRows(
          bench,
          plan,
          await ledger.windows(run),
          (some) => Promise.all(some.map(withSums)),
          waiting('sweep'),
        );
      if (bypassed.size > 0) await dropStagingOf(bench, run);
      await rebuildViews();
      await ledger.audit({ actor, action: 'run.sweep', subject: run, details: { deleted: rows } });
      await debugPoint('range-swept');
      reports.onWait('sweep', null);
      if (rows > 0)
        await notice(
          `${rows} rows with versions from before the run came into its range after their part of it was deleted; they are deleted now`,
        );
    },
  };

  /** Once the rows are proven: what the views make of them. */
  async function rebuildViews(): Promise<void> {
    for (const [index, one] of plan.dependents.entries()) {
      if (one.action !== 'rebuild') continue;
      reports.onWait('sweep', `the rebuild of ${one.name}`);
      const options = { ...waiting('sweep'), run, number: index + 1 };
      const written = await rebuildView(bench, await rebuildOf(bench, one), plan.range, options);
      await ledger.audit({ actor, action: 'run.rebuild', subject: run, details: { view: one.name, written } });
    }
  }

  async function rowsOf(del: number): Promise<number> {
    return (await ledger.mutations(run, del)).reduce((n, m) => n + (m.rows ?? 0), 0);
  }
}
