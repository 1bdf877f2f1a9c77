import { RefillError } from '../domain/errors.ts';
import type { VerifyResult } from '../domain/events.ts';
import type { Limits } from '../domain/limits.ts';
import type { Range } from '../domain/words.ts';
import { differences, reasonsOf, verifiedTables } from '../domain/verified.ts';
import type { Drift, TableProof } from '../domain/drift.ts';
import { cutWindows } from '../domain/windows.ts';
import type { Actor, Ledger, SourceSums } from '../ledger/ledger.ts';
import { withSnapshot } from '../source/postgres.ts';
import { createPool } from '../domain/pool.ts';
import { namingColumn } from './misfit.ts';
import { countByHour } from '../target/count.ts';
import { checkRange } from './preflight.ts';
import { driftId, type ProofWindow, prove } from './prove.ts';
import { sourceSums } from './reindex.ts';
import type { Workbench } from './workbench.ts';

export interface VerifyOptions {
  readonly range: Range;
  readonly limits: Limits;
  readonly ledger: Ledger;
  readonly actor: Actor;
  readonly signal: AbortSignal;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Windows whose target rows are summed in one pass: what the pass returns is a thousand rows for each. */
const WINDOWS_A_PASS = 64;

/** Verifies a range, keeps the proofs and every differing key in the ledger, and says what was found. */
export async function verify(bench: Workbench, options: VerifyOptions): Promise<VerifyResult> {
  const { range, limits, ledger, actor, signal } = options;
  const subject = { run: null, tenant: bench.tenant, dataset: bench.dataset.name, range };
  checkRange(bench, range);
  const id = await ledger.startVerification(subject, actor);
  const windows = await verifyWindows(bench, range, limits);
  const proofs: TableProof[] = [];
  const drift: Drift[] = [];
  const known = new Set<string>();
  let done = 0;
  const pool = createPool(limits.windows);
  for (let at = 0; at < windows.length; at += WINDOWS_A_PASS) {
    const some = windows.slice(at, at + WINDOWS_A_PASS);
    const summed = await Promise.all(
      some.map((window) =>
        pool.run(async () => {
          signal.throwIfAborted();
          const proof = await sumWindow(bench, window);
          options.onProgress?.((done += 1), windows.length);
          return proof;
        }),
      ),
    );
    const found = await prove(bench, summed, { limits, signal, range, known });
    for (const d of found.drift) known.add(driftId(d));
    await ledger.addProofs(id, found.proofs, found.drift);
    proofs.push(...found.proofs);
    drift.push(...found.drift);
  }
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
    reasons: reasonsOf(drift),
  };
}

/**
 * Windows are cut by the target's rows, which are cheap to count. Where the target lacks what the source has they come out
 * larger than aimed at, which costs time and no memory; a month is the largest.
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

async function sumWindow(bench: Workbench, window: Range): Promise<ProofWindow> {
  return withSnapshot(bench.source, async (snapshot) => {
    const sums: SourceSums[] = [];
    for (const table of bench.tables) {
      sums.push(await namingColumn(bench, table, window, () => sourceSums(bench, table, snapshot, window)));
    }
    return {
      id: null,
      from: window.from,
      to: window.to,
      snapshot: `${snapshot.time.replace(' ', 'T').slice(0, 23)}Z`,
      sums,
    };
  });
}
