import type { DriftKind, Instant, Range } from './words.ts';

/** A row that the source has for a key at one instant. */
export interface SourceRow {
  /** Why it is left out of the target; null where it should be there. */
  readonly excluded: string | null;
  readonly time: Instant;
  /** Hash of the row as it should be in the target, as hexadecimal digits. */
  readonly hash: string;
  /** False if the comparison is confined to a subset and the row is not in it. */
  readonly inPart: boolean;
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
  several_in_source:
    'The source yields several rows with this key, of which the target can keep one: the key does not identify a row.',
  moved_from: 'It also stands in the target at a time outside of this range, which the source has left.',
  looks_equal: 'The range says that it differs, and a look-up of the key says that it does not, twice in a row.',
  unbalanced: 'Counts or sums differ, and no row was found that explains it.',
};

/** Whether a source row should be in the target with a time in the range. */
export function belongs(row: SourceRow, range: Range): boolean {
  return row.excluded === null && row.time >= range.from && row.time < range.to;
}

/**
 * Says what is the matter with one key. This is the only place that decides it: verify, runs and explain ask here.
 *
 * @param sources All rows that the source has for the key.
 * @param targets Rows of the target with that key and a time in `range`, of whichever part.
 * @param range The verified range: a source row whose time lies outside of it should have no row inside.
 */
export function classify(sources: readonly SourceRow[], targets: readonly TargetRow[], range: Range): Verdict {
  const [first] = targets;
  const [wanted, ...more] = sources.filter((row) => belongs(row, range));
  if (more.length > 0) return { verdict: 'duplicated', reason: 'several_in_source' };
  if (!wanted) return withoutSource(sources, first !== undefined);
  if (!first) return { verdict: 'missing', reason: 'not_in_target' };
  if (targets.length > 1) return { verdict: 'duplicated', reason: 'several_rows' };
  if (first.hash === wanted.hash) return { verdict: 'present' };
  if (first.time !== wanted.time) return { verdict: 'stale', reason: 'moved' };
  return { verdict: 'stale', reason: first.misplaced ? 'wrong_shard' : 'differs' };
}

/** The source has no row that should be in the target here: why not, and whether the target has one all the same. */
function withoutSource(sources: readonly SourceRow[], inTarget: boolean): Verdict {
  const excluded = sources.find((row) => row.excluded !== null)?.excluded ?? null;
  if (!inTarget) return excluded === null ? { verdict: 'present' } : { verdict: 'excluded', reason: excluded };
  if (sources.some((row) => row.excluded === null)) return { verdict: 'extra', reason: 'moved' };
  return { verdict: 'extra', reason: excluded ?? 'not_in_source' };
}
