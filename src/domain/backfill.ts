import type { ErrorRecord } from './errors.ts';
import type { ScoredKind, Unjudged } from './scorer.ts';
import type { Instant, Range, Tenant, TenantName } from './words.ts';

/** Whose conversations are judged. What is absent or empty means everybody. */
export interface Audience {
  readonly languages?: readonly string[];
  readonly agentUserIds?: readonly string[];
}

/** What a backfill is asked for. */
export interface BackfillRequest {
  readonly tenant: TenantName;
  /** Conversations that began in it; of a process template, process scorecards with their time in it. */
  readonly range: Range;
  readonly template: string;
  /** Default: the newest revision that is active. */
  readonly revision?: string;
  /** Name of a scorer of the configuration. */
  readonly scorer: string;
  /** Narrows the template's own audience; both must hold. */
  readonly audience?: Audience;
  /** Default false: conversations of dev users are left out. */
  readonly includeDevUsers?: boolean;
  /** Whether what was touched is re-indexed afterwards. Default true. */
  readonly reindex?: boolean;
  readonly cluster?: string;
  /** Of the re-indexing. Default: the first of the configuration. */
  readonly dataset?: string;
  /** What asked for it, for the record. */
  readonly sourceJob?: string;
}

/** Scorecards and scores of the template revision that belong to the items of a backfill. */
export interface CardCounts {
  readonly scorecards: number;
  readonly scores: number;
}

/** What a backfill will do, saved before anything is done, and never changed. Only what it names is written to. */
export interface BackfillPlan {
  readonly id: string;
  readonly createdAt: Instant;
  /** `user@host` of who made it. */
  readonly createdBy: string;
  readonly tenant: Tenant;
  readonly dataset: string;
  readonly range: Range;
  readonly kind: ScoredKind;
  readonly template: { readonly id: string; readonly revision: string; readonly title: string };
  readonly scorer: string;
  /** That hold, all of them, for an item to be judged: the template's own, and that of the request. */
  readonly audiences: readonly Audience[];
  readonly includeDevUsers: boolean;
  readonly reindex: boolean;
  readonly sourceJob: string | null;
  /** Items to judge: no more are, but for what `limits.countDrift` allows. */
  readonly items: number;
  /** Items left out, by reason. */
  readonly leftOut: Readonly<Record<'audience' | 'dev_user', number>>;
  readonly before: CardCounts;
  /** Hash of the source server, its database and the template revision: another one refuses the plan. */
  readonly fingerprint: string;
}

/** What a backfill did so far. */
export interface BackfillTally {
  readonly judged: number;
  readonly unjudged: number;
  readonly scorecardsCreated: number;
  /** Scorecards that were there, and of which something was written. */
  readonly scorecardsChanged: number;
  readonly scorecardsUnchanged: number;
  readonly scoresCreated: number;
  readonly scoresChanged: number;
  /** Scores that a person gave, and that stay as they are whatever the scorer says. */
  readonly scoresKept: number;
}

export const NOTHING_DONE: BackfillTally = {
  judged: 0,
  unjudged: 0,
  scorecardsCreated: 0,
  scorecardsChanged: 0,
  scorecardsUnchanged: 0,
  scoresCreated: 0,
  scoresChanged: 0,
  scoresKept: 0,
};

export function addTallies(a: BackfillTally, b: BackfillTally): BackfillTally {
  return {
    judged: a.judged + b.judged,
    unjudged: a.unjudged + b.unjudged,
    scorecardsCreated: a.scorecardsCreated + b.scorecardsCreated,
    scorecardsChanged: a.scorecardsChanged + b.scorecardsChanged,
    scorecardsUnchanged: a.scorecardsUnchanged + b.scorecardsUnchanged,
    scoresCreated: a.scoresCreated + b.scoresCreated,
    scoresChanged: a.scoresChanged + b.scoresChanged,
    scoresKept: a.scoresKept + b.scoresKept,
  };
}

/** Where a backfill is: the last item that is done, in the order of time and id. */
export interface BackfillCursor {
  /** With microseconds: `2026-01-05 06:00:00.000000+00`. */
  readonly at: string;
  readonly id: string;
}

/** One part of a backfill, written in one transaction. */
export interface BackfillChunk {
  readonly cursor: BackfillCursor;
  readonly tally: BackfillTally;
  readonly unjudged: readonly Unjudged[];
  /** The times of the scorecards that were written, both ends included; null where none was. */
  readonly touched: { readonly first: Instant; readonly last: Instant } | null;
}

/** From the first of both to the last of both. */
export function widened(a: BackfillChunk['touched'], b: BackfillChunk['touched']): BackfillChunk['touched'] {
  if (a === null || b === null) return a ?? b;
  return { first: a.first < b.first ? a.first : b.first, last: a.last > b.last ? a.last : b.last };
}

/**
 * A backfill.
 *
 * - `planned`: saved; nothing was judged.
 * - `running`: a program is at work on it, or was killed.
 * - `paused`: on request, or by Ctrl-C. `resume`, or executing it again, goes on.
 * - `cancelled`: on request, with the run that re-indexes. What was written stays; `retry` goes on.
 * - `failed`: the scorer, a server or the re-indexing failed. `retry`, or executing it again, goes on where it was.
 * - `incomplete`: everything was asked for, and some items could not be judged. Ended; a new one judges them again.
 * - `succeeded`: all items judged, written, and proven in ClickHouse unless that was not wanted. Ended.
 */
export const BACKFILL_STATES = [
  'planned',
  'running',
  'paused',
  'cancelled',
  'failed',
  'incomplete',
  'succeeded',
] as const;
export type BackfillState = (typeof BACKFILL_STATES)[number];

export type BackfillEvent =
  | {
      readonly type: 'backfill-progress';
      readonly backfill: string;
      readonly items: number;
      readonly tally: BackfillTally;
    }
  | { readonly type: 'notice'; readonly backfill: string; readonly message: string }
  | BackfillResult;

/** How a backfill ended. */
export interface BackfillResult {
  readonly type: 'backfill-result';
  readonly backfill: string;
  readonly state: Exclude<BackfillState, 'planned' | 'running'>;
  readonly tally: BackfillTally;
  readonly before: CardCounts;
  /** Counted at the end; null where it did not get there. */
  readonly after: CardCounts | null;
  /** The first of the items that could not be judged; the ledger has all of them. */
  readonly unjudged: readonly Unjudged[];
  readonly seconds: number;
  /** The run that re-indexed what was touched; null where there was none. */
  readonly run: string | null;
  readonly error?: ErrorRecord;
}
