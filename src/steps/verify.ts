import type { ProofWindow } from './accounts.ts';
import { RefillError } from '../domain/errors.ts';
import type { VerifyResult } from '../domain/events.ts';
import type { Limits } from '../domain/limits.ts';
import type { Range } from '../domain/words.ts';
import { differences, reasonsOf, verifiedTables } from '../domain/verified.ts';
import { cutWindows } from '../domain/windows.ts';
import type { Actor, Ledger } from '../ledger/ledger.ts';
import { createPool, type Pool } from '../domain/pool.ts';
import { countByHour } from '../target/count.ts';
import { debugPoint } from './debug-points.ts';
import { checkRange } from './preflight.ts';
import { proveInPasses } from './prove.ts';
import { windowSums } from './window-sums.ts';
import { unprovenOf, type Workbench } from './workbench.ts';

export interface VerifyOptions {
  readonly range: Range;
  readonly limits: Limits;
  readonly ledger: Ledger;
  readonly actor: Actor;
  readonly signal: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Verifies a range, keeps the proofs and every differing key in the ledger, and says what was found. */
export async function verify(bench: Workbench, options: VerifyOptions): Promise<VerifyResult> {
  const { range, limits, ledger, actor, signal } = options;
  const subject = { run: null, tenant: bench.tenant, dataset: bench.dataset.name, range, unproven: unprovenOf(bench) };
  checkRange(bench, range);
  const id = await ledger.startVerification(subject, actor);
  const windows = await verifyWindows(bench, range, limits);
  let done = 0;
  const sumsOf = sumTogether(bench, createPool(limits.windows), signal, () => {
    options.onProgress?.((done += 1), windows.length);
  });
  const { proofs, drift } = await proveInPasses(bench, windows, sumsOf, { limits, signal, range }, async (found) => {
    await ledger.addProofs(id, found.proofs, found.drift);
    await debugPoint('verification-kept');
  });
  const tables = verifiedTables(proofs, drift);
  const ok = differences(tables) === 0;
  await ledger.finishVerification(id, ok);
  const snapshot = proofs.map((p) => p.snapshot).sort()[0];
  if (snapshot === undefined) throw new RefillError('BUG', 'a verification without a window');
  return {
    verification: id,
    ok,
    snapshot,
    tenant: { customer: bench.tenant.customer, profile: bench.tenant.profile },
    range,
    tables,
    unproven: unprovenOf(bench),
    reasons: reasonsOf(drift),
  };
}

/**
 * Windows are cut by the target's rows, which are cheap to count. Where the target lacks what the source has they come out
 * larger than aimed at, which costs time; a month is the largest.
 */
async function verifyWindows(bench: Workbench, range: Range, limits: Limits): Promise<readonly Range[]> {
  const hours = new Map<number, number>();
  for (const table of bench.tables) {
    for (const { hour, rows } of await countByHour(bench.target, table, bench.tenant, range)) {
      hours.set(hour, (hours.get(hour) ?? 0) + rows);
    }
  }
  return cutWindows(range, hours, limits.windowRows, 'month');
}

/** The source's sums of windows, some at once. When one fails no other is begun, and those at work are waited for. */
function sumTogether(bench: Workbench, pool: Pool, signal: AbortSignal, onSummed: () => void) {
  return async (windows: readonly Range[]): Promise<readonly ProofWindow[]> => {
    const failed = new AbortController();
    const going = AbortSignal.any([signal, failed.signal]);
    const sumOne = async (window: Range): Promise<ProofWindow> => {
      going.throwIfAborted();
      try {
        const summed = { id: null, from: window.from, to: window.to, ...(await windowSums(bench, window)) };
        onSummed();
        return summed;
      } catch (error) {
        // Before its place in the pool is given to the next one.
        failed.abort(error);
        throw error;
      }
    };
    const settled = await Promise.allSettled(windows.map((window) => pool.run(() => sumOne(window))));
    return settled.map((one) => {
      if (one.status === 'rejected') throw one.reason;
      return one.value;
    });
  };
}
