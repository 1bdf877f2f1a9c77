import type { DriftKind, Instant, Range } from './words.ts';

/** What the source knows of a key at one instant. */
export interface SourceRow {
  /** Why it is left out of the target; null where it should be there. */
  readonly excluded: string | null;
  readonly time: Instant;
  /** Hash of the row as it should be in the target, as a decimal. */
  readonly hash: string;
}

/** A row of the target with that key, of those that no pending merge will remove. */
export interface TargetRow {
  readonly time: Instant;
  /** As the server prints it; null without a version column. */
  readonly version: string | null;
  readonly hash: string;
  /** It lies on another shard than its own; its hash is not that of an equal row, then. */
  readonly misplaced: boolean;
  /** It lies in the part that is worked on: always, but where a plan is confined to one. */
  readonly inPart: boolean;
}

export type Verdict =
  | { readonly verdict: 'present' }
  | { readonly verdict: 'excluded'; readonly reason: string }
  | { readonly verdict: DriftKind; readonly reason: string };

/** Why a row differs, where no exclusion is the reason. */
export const DRIFT_REASONS: Readonly<Record<string, string>> = {
  not_in_target: 'It should be in the target and is not.',
  not_in_source: 'The source has no such row (any more).',
  moved: 'Its time in the target is not the source’s: it was submitted, or changed, after it was written.',
  wrong_shard: 'It lies on another shard than its own, where readers that know the sharding key do not look.',
  differs: 'A column other than its time differs from the source.',
  several_rows: 'It stands in the target more than once, in rows that no merge puts together.',
};

/**
 * Says what is the matter with one key. The only place where this is decided: verify and explain both ask here.
 *
 * @param targets Rows of the target with that key and a time in `range`, of whichever part.
 * @param range The verified range: a source row whose time lies outside of it should have no row inside.
 */
export function classify(source: SourceRow | null, targets: readonly TargetRow[], range: Range): Verdict {
  const [first] = targets;
  if (source === null) return first ? { verdict: 'extra', reason: 'not_in_source' } : { verdict: 'present' };
  if (source.excluded !== null) return { verdict: first ? 'extra' : 'excluded', reason: source.excluded };
  if (source.time < range.from || source.time >= range.to) {
    return first ? { verdict: 'extra', reason: 'moved' } : { verdict: 'present' };
  }
  if (!first) return { verdict: 'missing', reason: 'not_in_target' };
  if (targets.length > 1) return { verdict: 'duplicated', reason: 'several_rows' };
  if (first.hash === source.hash) return { verdict: 'present' };
  if (first.time !== source.time) return { verdict: 'stale', reason: 'moved' };
  return { verdict: 'stale', reason: first.misplaced ? 'wrong_shard' : 'differs' };
}
