import type { TargetTable } from './clickhouse-schema.ts';

/**
 * What is wrong with the sample's target, on purpose.
 *
 * - `appeal`: the old code did not leave appeals out: they are there
 * - `chapter`: nor scores of chapters: some are there
 * - `process`: the old code found scorecards by their conversations: none without one is there
 * - `hole`: nothing of some hours is there
 * - `stale_score`, `stale_comment`, `stale_value`, `stale_text`: a row holds an older value
 * - `key_agent`, `key_hour`: the conversation's agent, or the hour of its end, has changed: the row with the old key
 *   stands beside the new one, and no merge will ever collapse the two
 * - `duplicate`: an older copy with the same sorting key in the same partition: `FINAL` and merges collapse it
 * - `other_partition`: submitted in a later month: the draft's row stands in the month of its making, and merges never
 *   meet it
 * - `moved`: submitted later, and never written again: only the draft's row is there, at the time of its making
 * - `orphan`: rows of a scorecard that the source no longer has
 * - `score_missing`, `score_extra`: a single score that is not there, or that the source no longer has
 */
export type PlantKind =
  | 'appeal'
  | 'chapter'
  | 'process'
  | 'hole'
  | 'stale_score'
  | 'stale_comment'
  | 'stale_value'
  | 'stale_text'
  | 'key_agent'
  | 'key_hour'
  | 'duplicate'
  | 'other_partition'
  | 'moved'
  | 'orphan'
  | 'score_missing'
  | 'score_extra';

/**
 * How a planted row shows: `missing` and `extra` by its id; `stale` in its columns; `duplicated` as a second row of an
 * id whose right row is there too; `moved` as one row of an id at another time than the source's.
 */
export type PlantEffect = 'missing' | 'extra' | 'stale' | 'duplicated' | 'moved';

export const PLANT_EFFECTS: Readonly<Record<PlantKind, PlantEffect>> = {
  appeal: 'extra',
  chapter: 'extra',
  process: 'missing',
  hole: 'missing',
  stale_score: 'stale',
  stale_comment: 'stale',
  stale_value: 'stale',
  stale_text: 'stale',
  key_agent: 'duplicated',
  key_hour: 'duplicated',
  duplicate: 'duplicated',
  other_partition: 'duplicated',
  moved: 'moved',
  orphan: 'extra',
  score_missing: 'missing',
  score_extra: 'extra',
};

/** The rows of one kind in one table. */
export interface Planted {
  readonly kind: PlantKind;
  readonly table: TargetTable;
  readonly effect: PlantEffect;
  /** Exact. */
  readonly count: number;
  /** Ids in order, the first thousand: `scorecard_id` of the table `scorecard`, `score_id` of the others. */
  readonly keys: readonly string[];
}

/** Everything that was planted, for tests only: whoever looks for it must find it without this. */
export type PlantedLedger = readonly Planted[];
