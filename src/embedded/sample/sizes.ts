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
export const CAMPAIGN: Range = { from: '2026-01-01T00:00:00.000Z', to: '2026-02-21T00:00:00.000Z' };

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

/** As many scores as a scorecard has on average at most, so that the few of a small tenant find enough criteria. */
const MOST_SCORES = 9;
/** From so many kept scorecards on, a tenant has something of every kind. */
const EVERY_KIND_FROM = 50;

/** The campaign's small tenant at `part / whole` of its size: everything is rounded down. */
function scaled(part: number, whole: number): SampleCounts {
  const share = (count: number) => Math.floor((count * part) / whole);
  const kept = share(TENANT.kept);
  const some = (count: number) => Math.max(share(count), kept < EVERY_KIND_FROM ? 0 : 1);
  const appeals = some(TENANT.appeals);
  return {
    kept,
    keptScores: Math.min(share(TENANT.keptScores), kept * MOST_SCORES),
    process: some(TENANT.process),
    draftPercent: TENANT.draftPercent,
    appeals,
    appealScores: Math.min(share(TENANT.appealScores), appeals * MOST_SCORES),
    calibration: some(TENANT.calibration),
    conversationNotFound: some(TENANT.conversationNotFound),
    templateNotFound: some(TENANT.templateNotFound),
    shells: some(TENANT.shells),
    noScores: some(TENANT.noScores),
    onlyChapters: some(TENANT.onlyChapters),
    orphanScores: some(TENANT.orphanScores),
    before: some(TENANT.before),
    after: some(TENANT.after),
    idleChats: some(TENANT.idleChats),
    agents: Math.max(1, share(TENANT.agents)),
  };
}

/** A tenant of another size with the same mix: `kept` scorecards that belong into the target, and the other kinds by it. */
export function tenantCounts(kept: number): SampleCounts {
  return scaled(kept, TENANT.kept);
}

/** The smallest tenant that can be: 4 rows. A scorecard with a score, and an appeal with one, which is to go. */
export const FOUR_ROWS: SampleCounts = { ...scaled(0, 1), kept: 1, keptScores: 1, appeals: 1, appealScores: 1 };

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
  // A tenth of everything.
  small: { counts: scaled(1, 10), range: CAMPAIGN },
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
