import type { Range } from '../../domain/words.ts';

/** How many source rows of each kind a sample has. All but `before` and `after` lie in the sample's range. */
export interface SampleCounts {
  /** Scorecards that belong into the target, and their scores that do. */
  readonly kept: number;
  readonly keptScores: number;
  /** Of the kept ones: how many have no conversation. */
  readonly process: number;
  /** Of the kept ones: how many in a hundred, about, have scores and were not submitted. */
  readonly draftPercent: number;
  /** Appeal scorecards (types 1, 2 and 3) and their score rows. */
  readonly appeals: number;
  readonly appealScores: number;
  readonly calibration: number;
  readonly conversationNotFound: number;
  readonly templateNotFound: number;
  readonly shells: number;
  readonly noScores: number;
  readonly onlyChapters: number;
  /** Scores whose scorecard does not exist. */
  readonly orphanScores: number;
  /** Kept scorecards before and after the range, which are right in the target. */
  readonly before: number;
  readonly after: number;
  /** Conversations that nobody scored. */
  readonly idleChats: number;
  readonly agents: number;
}

export type SampleSize = 'small' | 'tenant' | 'shells';

/** The 51 days that were cleaned up. */
const CAMPAIGN: Range = { from: '2026-01-01T00:00:00.000Z', to: '2026-02-21T00:00:00.000Z' };

/** The small tenant of the campaign: these two pairs were counted there; the other kinds are of a plausible size. */
const TENANT: SampleCounts = {
  kept: 298_791,
  keptScores: 2_609_114,
  process: 11_951,
  draftPercent: 3,
  appeals: 31_503,
  appealScores: 272_186,
  calibration: 900,
  conversationNotFound: 600,
  templateNotFound: 500,
  shells: 4000,
  noScores: 700,
  onlyChapters: 400,
  orphanScores: 800,
  before: 1200,
  after: 1200,
  idleChats: 6000,
  agents: 1500,
};

/** A tenth of everything, rounded down. */
const SMALL: SampleCounts = {
  kept: 29_879,
  keptScores: 260_911,
  process: 1195,
  draftPercent: 3,
  appeals: 3150,
  appealScores: 27_218,
  calibration: 90,
  conversationNotFound: 60,
  templateNotFound: 50,
  shells: 400,
  noScores: 70,
  onlyChapters: 40,
  orphanScores: 80,
  before: 120,
  after: 120,
  idleChats: 600,
  agents: 150,
};

/** The shape of the largest source: one scorecard in a thousand was ever submitted or scored. */
const SHELLS: SampleCounts = {
  kept: 2000,
  keptScores: 17_464,
  process: 80,
  draftPercent: 0,
  appeals: 0,
  appealScores: 0,
  calibration: 0,
  conversationNotFound: 0,
  templateNotFound: 0,
  shells: 1_998_000,
  noScores: 0,
  onlyChapters: 0,
  orphanScores: 0,
  before: 0,
  after: 0,
  idleChats: 0,
  agents: 1500,
};

export const SAMPLE_SIZES: Readonly<Record<SampleSize, { readonly counts: SampleCounts; readonly range: Range }>> = {
  tenant: { counts: TENANT, range: CAMPAIGN },
  small: { counts: SMALL, range: CAMPAIGN },
  // A year: what a cleaning range selects is then a small part of the table, as it is there.
  shells: { counts: SHELLS, range: { from: '2025-02-21T00:00:00.000Z', to: '2026-02-21T00:00:00.000Z' } },
};

/** Nothing reached the target in these hours: a quarter of a Tuesday. */
export const HOLE: Range = { from: '2026-02-03T09:00:00.000Z', to: '2026-02-03T13:00:00.000Z' };

/** Where the kept scorecards outside of the range lie: within these. */
export const OUTSIDE: { readonly before: Range; readonly after: Range } = {
  before: { from: '2025-12-10T00:00:00.000Z', to: '2025-12-20T00:00:00.000Z' },
  after: { from: '2026-03-02T00:00:00.000Z', to: '2026-03-09T00:00:00.000Z' },
};
