import { setTimeout as sleep } from 'node:timers/promises';
import { classify } from '../domain/classify.ts';
import type { Drift, TableProof } from '../domain/drift.ts';
import type { Limits } from '../domain/limits.ts';
import type { DriftKind, Instant, Range } from '../domain/words.ts';
import type { SourceSums } from '../ledger/ledger.ts';
import { type Buckets, keysOfTwoParts, type RunVersions, targetSums } from '../target/count.ts';
import { refuseDisagreement, stateIn } from './agreement.ts';
import { awaitCopies } from './await-copies.ts';
import { type KeyFacts, lookup, LOOKUP_BATCH, lookupSource } from './lookup.ts';
import { findSuspects, refuseTooMany, type Suspects, unequalBuckets } from './suspects.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** A window with the source's side of its proof. */
export interface ProofWindow extends Range {
  /** Its number in the run; null where there is no run. */
  readonly id: number | null;
  /** The snapshot that the sums were made in. */
  readonly snapshot: Instant;
  readonly sums: readonly SourceSums[];
}

export interface ProveOptions {
  readonly limits: Pick<Limits, 'graceSeconds' | 'looks'>;
  readonly signal: AbortSignal;
  /** Only rows that the run's delete will keep count: the proof before a delete. */
  readonly since?: RunVersions;
  /** The whole range that is verified, where the windows are a part of it: a row that moved inside of it is stale. */
  readonly range?: Range;
  /** Keys, as `driftId` writes them, that are named already: a row that moved far is met in two places. */
  readonly known?: ReadonlySet<string>;
  readonly onWait?: (reason: string) => void;
}

/** Which row a difference is about. */
const driftId = ({ table, key }: Pick<Drift, 'table' | 'key'>): string => JSON.stringify([table, key]);

export interface Proven {
  readonly proofs: readonly TableProof[];
  readonly drift: readonly Drift[];
}

/**
 * Windows whose sums are compared in one pass over the target, and held at once: a thousand buckets for each table of
 * each, of both sides.
 */
const WINDOWS_A_PASS = 64;

/**
 * `prove` for any number of windows, some at a time.
 *
 * @param sumsOf Finds or makes the source's side of some of them, in their order.
 * @param onPass Called with what each pass has found.
 */
export async function proveInPasses<W extends Range>(
  bench: Workbench,
  windows: readonly W[],
  sumsOf: (some: readonly W[]) => Promise<readonly ProofWindow[]>,
  options: Omit<ProveOptions, 'known'>,
  onPass: (found: Proven) => Promise<void> = () => Promise.resolve(),
): Promise<Proven> {
  const [proofs, drift]: [TableProof[], Drift[]] = [[], []];
  const known = new Set<string>();
  const range = options.range ?? wholeOf(windows);
  for (const some of batches(windows, WINDOWS_A_PASS)) {
    const found = await prove(bench, await sumsOf(some), { ...options, range, known });
    await onPass(found);
    for (const d of found.drift) known.add(driftId(d));
    refuseTooMany(known.size);
    proofs.push(...found.proofs);
    drift.push(...found.drift);
  }
  return { proofs, drift };
}

/**
 * Compares the target's rows of neighbouring windows with the source's sums: one pass over the target for each table.
 * Where a bucket differs its keys are read from both sides, and what differs is looked up again after a grace period;
 * only what stays is drift.
 *
 * @param windows In time order, without gaps.
 */
export async function prove(bench: Workbench, windows: readonly ProofWindow[], options: ProveOptions): Promise<Proven> {
  const proofs: TableProof[] = [];
  const drift: Drift[] = [];
  await awaitCopies(bench, options.signal, options.onWait);
  for (const table of bench.tables) {
    options.signal.throwIfAborted();
    const sides = await compareSums(bench, table, windows, options);
    const suspects: Suspects = new Map();
    for (const side of sides) {
      if (side.unequal.length > 0) await findSuspects(bench, table, side.window, side.unequal, options.since, suspects);
    }
    if (!options.since) await addTwins(bench, table, windows, suspects);
    for (const key of suspects.keys())
      if (options.known?.has(driftId({ table: table.definition.name, key }))) suspects.delete(key);
    const settled = await settle(bench, table, suspects, options.range ?? wholeOf(windows), options);
    if (settled.doubtful.length > 0) await refuseDisagreement(bench, table, windows, settled.doubtful);
    drift.push(...settled.drift);
    const shares = byWindow(windows, settled);
    proofs.push(...sides.map((side, index) => proofOf(table, side, shares[index] ?? NOTHING)));
  }
  return { proofs, drift };
}

/** A row of a part may stand in another one as well, which the sums of the part do not see. */
async function addTwins(
  bench: Workbench,
  table: BenchTable,
  windows: readonly ProofWindow[],
  suspects: Suspects,
): Promise<void> {
  const range = wholeOf(windows);
  const twins = await keysOfTwoParts(bench.target, table, bench.tenant, range);
  for (const keys of batches(twins, LOOKUP_BATCH)) {
    const rows = await lookupSource(bench, table, keys);
    for (const key of keys) if (!suspects.has(key)) suspects.set(key, stateIn(rows.get(key), range));
    refuseTooMany(suspects.size);
  }
}

const wholeOf = (windows: readonly Range[]): Range => ({ from: windows[0]?.from ?? '', to: windows.at(-1)?.to ?? '' });

/** Both sides' sums of a window. */
interface Sides {
  readonly window: ProofWindow;
  readonly source: SourceSums;
  readonly target: Buckets;
  readonly unequal: readonly number[];
}

async function compareSums(
  bench: Workbench,
  table: BenchTable,
  windows: readonly ProofWindow[],
  options: ProveOptions,
): Promise<Sides[]> {
  const { name } = table.definition;
  const targets = await targetSums(bench.target, table, bench.tenant, windows, options.since);
  return windows.map((window, index) => {
    const source = window.sums.find((s) => s.table === name) ?? { table: name, rows: 0, excluded: {}, buckets: {} };
    const target = targets[index] ?? {};
    return { window, source, target, unequal: unequalBuckets(source.buckets, target) };
  });
}

interface Settled {
  readonly drift: readonly Drift[];
  /** Keys that changed at every look. */
  readonly unsettled: readonly { readonly key: string; readonly time: Instant | null }[];
}

/** What became of suspects. */
interface Looked extends Settled {
  /** Keys that are right by themselves, and of which their window said something else: it changed, or it is not asked alike. */
  readonly doubtful: readonly string[];
}

/**
 * Looks suspects up again after a grace period, until each is equal, or differs while its source has not changed since
 * the look before.
 */
async function settle(
  bench: Workbench,
  table: BenchTable,
  suspects: Suspects,
  range: Range,
  options: ProveOptions,
): Promise<Looked> {
  const drift: Drift[] = [];
  const doubtful: string[] = [];
  let pending = suspects;
  let facts = new Map<string, KeyFacts>();
  for (let look = 1; pending.size > 0 && look <= options.limits.looks; look += 1) {
    options.onWait?.(`${pending.size} rows of ${table.definition.name} that differ are looked up again`);
    await sleep(options.limits.graceSeconds * 1000, undefined, { signal: options.signal });
    const next: Suspects = new Map();
    facts = new Map();
    for (const keys of batches([...pending.keys()], LOOKUP_BATCH)) {
      for (const [key, found] of await lookup(bench, table, keys, range, options.since)) {
        const verdict = classify(found.source, found.targets, range);
        // What has to stay for a difference to count.
        const state = stateIn(found.source, range);
        if (verdict.verdict === 'present' || verdict.verdict === 'excluded') {
          // One that has left the part on both sides has changed, and is right.
          const left = found.targets.length > 0 && found.targets.every(({ inPart }) => !inPart);
          if (suspects.get(key) !== state && !left) doubtful.push(key);
          continue;
        }
        if (pending.get(key) === state) {
          const time = state === null ? (found.targets[0]?.time ?? null) : (found.source?.time ?? null);
          drift.push({ table: table.definition.name, key, kind: verdict.verdict, reason: verdict.reason, time });
        } else {
          next.set(key, state);
          facts.set(key, found);
        }
      }
    }
    pending = next;
  }
  const unsettled = [...pending.keys()].map((key) => ({ key, time: facts.get(key)?.source?.time ?? null }));
  return { drift, unsettled, doubtful };
}

const NOTHING: Settled = { drift: [], unsettled: [] };

/** Each window's share. What lies outside of all of them (it moved) is counted with the first: nothing gets lost. */
function byWindow(windows: readonly Range[], settled: Settled): Settled[] {
  const shareOf = ({ time }: { readonly time: Instant | null }) =>
    Math.max(
      0,
      windows.findIndex((w) => time !== null && time >= w.from && time < w.to),
    );
  const shares = windows.map(() => ({ drift: [] as Drift[], unsettled: [] as Settled['unsettled'][number][] }));
  for (const d of settled.drift) shares[shareOf(d)]?.drift.push(d);
  for (const u of settled.unsettled) shares[shareOf(u)]?.unsettled.push(u);
  return shares;
}

function* batches<T>(items: readonly T[], size: number): Generator<readonly T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}

function proofOf(table: BenchTable, side: Sides, share: Settled): TableProof {
  const count = (kind: DriftKind) => share.drift.reduce((n, d) => n + (d.kind === kind ? 1 : 0), 0);
  return {
    table: table.definition.name,
    from: side.window.from,
    to: side.window.to,
    window: side.window.id,
    snapshot: side.window.snapshot,
    source: side.source.rows,
    target: Object.values(side.target).reduce((n, [rows]) => n + rows, 0),
    excluded: side.source.excluded,
    missing: count('missing'),
    extra: count('extra'),
    stale: count('stale'),
    duplicated: count('duplicated'),
    unsettled: share.unsettled.length,
    sourceSum: total(side.source.buckets),
    targetSum: total(side.target),
  };
}

/** The sums of both halves of the hash over all buckets, with a point between. */
function total(buckets: Buckets): string {
  let [xx, murmur] = [0n, 0n];
  for (const [, sum] of Object.values(buckets)) {
    const [a, b] = sum.split('.');
    xx += BigInt(a ?? 0);
    murmur += BigInt(b ?? 0);
  }
  return `${xx}.${murmur}`;
}
