import { setTimeout as sleep } from 'node:timers/promises';
import { type Key, showKey } from '../dataset/key.ts';
import { belongs, classify, type Verdict } from '../domain/classify.ts';
import type { Limits } from '../domain/limits.ts';
import type { Range } from '../domain/words.ts';
import type { RunVersions } from '../target/count.ts';
import { stateIn } from './agreement.ts';
import { type Mismatch, refuseTooMany } from './compare-keys.ts';
import { keyBatches, type KeyFacts, lookup } from './lookup.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** A key that looked wrong when both sides were read in order. */
export interface Candidate {
  /** The hashes of the source's rows, as `stateIn` writes them; null if it has none. */
  state: string | null;
  /** Rows that were read on each side. */
  source: number;
  target: number;
}

export type Candidates = Map<Key, Candidate>;

/** Adds what a window's rows of a key were read as; a row that has moved makes its key differ in two windows. */
export function addCandidate(candidates: Candidates, { key, source, target }: Mismatch): void {
  const known = candidates.get(key);
  const hashes = [...(known?.state?.split(',') ?? []), ...source].sort();
  candidates.set(key, {
    state: hashes.length === 0 ? null : hashes.join(),
    source: (known?.source ?? 0) + source.length,
    target: (known?.target ?? 0) + target.length,
  });
  refuseTooMany(candidates.size);
}

/** What became of a candidate: named as drift, never the same twice, or equal after all. */
export type Fate = 'drift' | 'unsettled' | 'equal';

export interface SettleOptions {
  /** A row with a time outside of it should not be in the compared windows. */
  readonly range: Range;
  readonly limits: Pick<Limits, 'graceSeconds' | 'looks'>;
  readonly since?: RunVersions | undefined;
  readonly signal: AbortSignal;
  readonly onWait?: ((reason: string) => void) | undefined;
  /** Told of each candidate once, with what both sides held when that was decided. */
  readonly onFate: (key: Key, fate: Fate, facts: KeyFacts, verdict: Verdict) => void;
}

/** Keys to be asked about once more. */
export interface Settled {
  /** Keys that are right by themselves, and of which their window said something else: it changed, or it is not asked alike. */
  readonly doubtful: readonly Key[];
  /** Keys that are right by themselves, as rows that were read are not found by their keys any more. */
  readonly vanished: readonly Key[];
}

/**
 * Looks candidates up by their keys after a grace period, until each is equal, or differs while its source has not changed
 * since the look before.
 */
export async function settle(
  bench: Workbench,
  table: BenchTable,
  candidates: Candidates,
  options: SettleOptions,
): Promise<Settled> {
  const { range, limits, signal, since, onFate } = options;
  const [doubtful, vanished]: [Key[], Key[]] = [[], []];
  let pending = new Map([...candidates].map(([key, { state }]) => [key, state]));
  for (let look = 1; pending.size > 0; look += 1) {
    options.onWait?.(`${pending.size} rows of ${table.definition.name} that differ are looked up again`);
    await sleep(limits.graceSeconds * 1000, undefined, { signal });
    const next = new Map<Key, string | null>();
    for (const keys of keyBatches(pending.keys())) {
      for (const [key, facts] of await lookup(bench, table, keys, range, since)) {
        const verdict = classify(facts.source, facts.targets, range);
        // What has to stay for a difference to count.
        const state = stateIn(facts.source, range);
        if (verdict.verdict === 'present' || verdict.verdict === 'excluded') {
          // One that has left the part on both sides has changed, and is right.
          const left = facts.targets.length > 0 && facts.targets.every(({ inPart }) => !inPart);
          const candidate = candidates.get(key);
          if (candidate?.state !== state && !left) doubtful.push(key);
          if (candidate && hasVanished(candidate, facts)) vanished.push(key);
          onFate(key, 'equal', facts, verdict);
        } else if (pending.get(key) === state) onFate(key, 'drift', facts, verdict);
        else if (look >= limits.looks) onFate(key, 'unsettled', facts, verdict);
        else next.set(key, state);
      }
    }
    pending = next;
  }
  return { doubtful, vanished };
}

/** Whether a side's rows were read in order, and none of them is found by its key. */
function hasVanished(candidate: Candidate, { source, targets }: KeyFacts): boolean {
  return (candidate.source > 0 && source.length === 0) || (candidate.target > 0 && targets.length === 0);
}

/** The target's columns in which the only rows of both sides differ, by their canonical fields. */
export function differingColumns(table: BenchTable, { source, targets }: KeyFacts, range: Range): readonly string[] {
  const [wanted] = source.filter((row) => belongs(row, range));
  const [found] = targets;
  if (!wanted || !found) return [];
  const [left, right] = [wanted.line.split('\t'), found.line.split('\t')];
  return [...table.columns.keys()].filter((_, index) => left[index] !== right[index]);
}

/** A key as reports show it. */
export const shown = (table: BenchTable, key: Key): string => showKey(table.key, key);
