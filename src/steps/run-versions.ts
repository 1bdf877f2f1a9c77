import type { Plan } from '../domain/plan.ts';
import { versionBefore } from '../domain/versions.ts';
import type { AttemptRecord, Ledger } from '../ledger/ledger.ts';
import type { RunVersions } from '../target/count.ts';

/** By which versions a run's own rows are told from those that it deletes. */
export interface VersionsOfRun {
  /** Separates old rows from the run's own; empty before the first step. */
  epoch(): Promise<string>;
  /** Which rows in a delete's range are the run's own; undefined where the strategy does not tell them apart. */
  ofDelete(del: number): Promise<RunVersions | undefined>;
}

export function createRunVersions(ledger: Ledger, run: string, plan: Pick<Plan, 'limits' | 'strategy'>): VersionsOfRun {
  const epoch = async () => (await ledger.run(run)).epoch ?? '';

  /**
   * What is old in a delete's range: rows from before the first snapshot of its windows, by the margin for clocks, as a
   * row that was written before a snapshot says nothing that the snapshot does not. The run's own epoch, which lies
   * before all of them, would leave what a live writer wrote twice under two keys while the run was at work, and again
   * after every `retry`.
   */
  async function epochFor(current: readonly AttemptRecord[]): Promise<string> {
    const first = current.map((a) => a.version).sort()[0];
    const ofRun = await epoch();
    if (first === undefined) return ofRun;
    const own = versionBefore(first, plan.limits.clockMarginSeconds);
    return own > ofRun ? own : ofRun;
  }

  return {
    epoch,
    async ofDelete(del) {
      if (plan.strategy !== 'replace') return undefined;
      const attempts = await ledger.attempts(run, { delete: del });
      const newest = newestDone(attempts);
      const current = [...newest.values()];
      return {
        epoch: await epochFor(current),
        current: current.map((a) => a.version),
        superseded: attempts.filter((a) => newest.get(a.window) !== a).map((a) => a.version),
      };
    },
  };
}

/** The newest finished attempt of each window. */
function newestDone(attempts: readonly AttemptRecord[]): Map<number, AttemptRecord> {
  const newest = new Map<number, AttemptRecord>();
  for (const attempt of attempts) {
    if (attempt.state !== 'done') continue;
    const known = newest.get(attempt.window);
    if (!known || known.attempt < attempt.attempt) newest.set(attempt.window, attempt);
  }
  return newest;
}
