import { setTimeout as sleep } from 'node:timers/promises';
import { RefillError } from '../domain/errors.ts';
import type { Limits } from '../domain/limits.ts';
import { versionBefore } from '../domain/versions.ts';
import { dataTime, openSnapshot, serverClock, type Snapshot, withSnapshot } from '../source/postgres.ts';
import type { Workbench } from './workbench.ts';

export interface SourceWait {
  readonly limits: Pick<Limits, 'outageMinutes' | 'clockMarginSeconds'>;
  readonly signal: AbortSignal;
  /** Called with what is waited for; null when it is there. */
  readonly onWait: (reason: string | null) => void;
}

const LOOK_MS = 500;

/**
 * The instant that separates old rows from a run's own, whose versions are the times of snapshots. On a primary it is now,
 * and the first snapshot has to be later than that by what clocks are apart. On a standby versions are the times of
 * commits that it has replayed, which do not advance while the primary is idle: so the epoch itself lies before what is
 * replayed now, by as much.
 *
 * @returns `passed`: the margin is within it.
 */
export async function epochOf(
  bench: Workbench,
  { clockMarginSeconds }: Pick<Limits, 'clockMarginSeconds'>,
): Promise<{ readonly epoch: string; readonly passed: boolean }> {
  // What a user's workflow writes has versions of its own clock, whatever our source is.
  if (bench.reindexer) return { epoch: await serverClock(bench.source), passed: false };
  const { time, standby } = await dataTime(bench.source);
  return standby ? { epoch: versionBefore(time, clockMarginSeconds), passed: true } : { epoch: time, passed: false };
}

/**
 * An instant that a standby has to have replayed before rows that are deleted now can be written again: what was in the
 * target until now was committed before it.
 */
export const barrierOf = async (bench: Workbench, limits: Pick<Limits, 'clockMarginSeconds'>): Promise<string> =>
  versionBefore(await serverClock(bench.source), -limits.clockMarginSeconds);

/**
 * Opens a snapshot that sees everything that was committed up to an instant, and waits for a standby that has not
 * replayed it. From an older one a purge would lose rows, and a version from before the epoch would be taken for old.
 *
 * @throws RefillError `PG_STANDBY_BEHIND` after `limits.outageMinutes`.
 */
export async function snapshotSince(bench: Workbench, needed: string, wait: SourceWait): Promise<Snapshot> {
  const deadline = Date.now() + wait.limits.outageMinutes * 60_000;
  for (let waited = false; ; waited = true) {
    wait.signal.throwIfAborted();
    const snapshot = await openSnapshot(bench.source);
    if (snapshot.time >= needed) {
      if (waited) wait.onWait(null);
      return snapshot;
    }
    await snapshot.close();
    const behind = `the source has replayed commits up to ${snapshot.time}, and ${needed} is needed`;
    if (Date.now() > deadline) throw new RefillError('PG_STANDBY_BEHIND', behind);
    wait.onWait(behind);
    await sleep(LOOK_MS, undefined, { signal: wait.signal });
  }
}

/**
 * Shows, before a purge deletes anything, that the source will see what is committed until then: a standby whose primary
 * is idle, or that does not replay, would leave the range empty.
 *
 * @throws RefillError `PG_STANDBY_BEHIND`
 */
export async function refuseStandstill(bench: Workbench, wait: SourceWait): Promise<void> {
  if (!(await withSnapshot(bench.source, ({ standby }) => Promise.resolve(standby)))) return;
  const snapshot = await snapshotSince(bench, await barrierOf(bench, wait.limits), wait);
  await snapshot.close();
}
