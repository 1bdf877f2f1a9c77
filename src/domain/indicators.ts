import type { Unit } from './amounts.ts';

/** What an indicator makes of a server: go on, with fewer windows, or none that is new. Sorted by how bad it is. */
export const HEALTH_STATES = ['go', 'slow', 'hold'] as const;
export type HealthState = (typeof HEALTH_STATES)[number];

/** The values at which an indicator slows a run, holds it, and lets it go on. */
export interface Thresholds {
  /** From here on, fewer windows at once. */
  readonly slow: number;
  /** From here on, no new window or delete. */
  readonly stop: number;
  /** What held or slowed goes on only when it is better than this: otherwise it would stop and go every minute. */
  readonly resume: number;
}

export interface Indicator {
  /** As a reason says it: «42 unfinished mutations on score». */
  readonly name: string;
  readonly side: 'source' | 'target';
  readonly unit: Unit;
  /** Whether a server is worse off with more of it or with less. */
  readonly worse: 'more' | 'less';
  readonly defaults: Thresholds;
  /** Why it is looked at, and why these numbers. */
  readonly why: string;
}

const GIB = 1024 ** 3;
const MINUTE_SECONDS = 60;

/** Everything that is looked at, in the order in which reasons are given. */
export const INDICATORS = {
  /** Stop 40, go on under 15: Langfuse's numbers for its deletes, taken over as they are. */
  unfinishedMutations: {
    name: 'unfinished mutations',
    side: 'target',
    unit: 'count',
    worse: 'more',
    defaults: { slow: 25, stop: 40, resume: 15 },
    why: 'A mutation waits for those before it, so that a queue blocks everybody’s deletes and alters.',
  },
  /**
   * 100 above the baseline: PostHog's gate. The baseline is what the partition had before the run, as a table that
   * always has 200 parts is not sick.
   */
  partsAboveBaseline: {
    name: 'parts above the baseline',
    side: 'target',
    unit: 'count',
    worse: 'more',
    defaults: { slow: 70, stop: 100, resume: 50 },
    why: 'Inserts outrun the merges: from 1,000 parts in a partition ClickHouse delays inserts, from 3,000 it refuses them.',
  },
  /** Stop at 1 h: PostHog's limit. Slow at a quarter, as a replica that is behind catches up by itself if it is let. */
  replicaLag: {
    name: 'replica lag',
    side: 'target',
    unit: 'seconds',
    worse: 'more',
    defaults: { slow: 15 * MINUTE_SECONDS, stop: 60 * MINUTE_SECONDS, resume: 10 * MINUTE_SECONDS },
    why: 'Who reads from a replica that is behind sees neither the deletes nor the new rows.',
  },
  /** A share beside the bytes: 5 GiB are much on a laptop and nothing on a node of 20 TiB. */
  diskFreeShare: {
    name: 'free disk',
    side: 'target',
    unit: 'share',
    worse: 'less',
    defaults: { slow: 0.05, stop: 0.02, resume: 0.04 },
    why: 'A mutation writes every part that it touches once more before the old one goes; merges need as much.',
  },
  /** Bytes beside the share: 2 % of a small disk is less than one large part. Raise it above what a delete rewrites. */
  diskFreeBytes: {
    name: 'free disk',
    side: 'target',
    unit: 'bytes',
    worse: 'less',
    defaults: { slow: 5 * GIB, stop: 1 * GIB, resume: 2 * GIB },
    why: 'A full disk stops all inserts of all tenants, and it is not made free by deleting.',
  },
  /** Stop at 60: as many readers at once made a server sick. Ours count too: what matters is what the server bears. */
  activeSessions: {
    name: 'active sessions',
    side: 'source',
    unit: 'count',
    worse: 'more',
    defaults: { slow: 40, stop: 60, resume: 30 },
    why: 'Sessions beyond the cores share them, and those who wait are the product’s users.',
  },
  /** A few sessions wait for locks on any busy server; ten at once wait for the same one. */
  lockWaits: {
    name: 'sessions waiting for a lock',
    side: 'source',
    unit: 'count',
    worse: 'more',
    defaults: { slow: 4, stop: 10, resume: 2 },
    why: 'Somebody alters a table or holds a transaction open, and readers of ours would queue in front of writers.',
  },
  /** Three are kept for superusers by default, so that five are the last two that anybody can have. */
  freeConnections: {
    name: 'free connections',
    side: 'source',
    unit: 'count',
    worse: 'less',
    defaults: { slow: 15, stop: 5, resume: 10 },
    why: 'The one that we take is the one that the product cannot get.',
  },
  /** Minutes, not the 1.5 s of tools that write to the primary: we only read, but reading holds back replay. */
  replicationLag: {
    name: 'replication lag',
    side: 'source',
    unit: 'seconds',
    worse: 'more',
    defaults: { slow: 30, stop: 2 * MINUTE_SECONDS, resume: 20 },
    why: 'A long snapshot on a standby holds back replay, and a standby that is behind cannot take over.',
  },
} as const satisfies Readonly<Record<string, Indicator>>;

export type IndicatorKey = keyof typeof INDICATORS;
export const INDICATOR_KEYS: readonly IndicatorKey[] = Object.keys(INDICATORS).filter(
  (key): key is IndicatorKey => key in INDICATORS,
);

/** What health is judged by. All of it can be set in the configuration. */
export interface HealthLimits extends Readonly<Record<IndicatorKey, Thresholds>> {
  /**
   * Looks in a row that may fail before an indicator that was fine slows the run. Default 3: one lost answer is the
   * network's, three are a server in trouble or a right that is missing.
   */
  readonly unknownLooks: number;
}

export const DEFAULT_HEALTH_LIMITS: HealthLimits = {
  unfinishedMutations: INDICATORS.unfinishedMutations.defaults,
  partsAboveBaseline: INDICATORS.partsAboveBaseline.defaults,
  replicaLag: INDICATORS.replicaLag.defaults,
  diskFreeShare: INDICATORS.diskFreeShare.defaults,
  diskFreeBytes: INDICATORS.diskFreeBytes.defaults,
  activeSessions: INDICATORS.activeSessions.defaults,
  lockWaits: INDICATORS.lockWaits.defaults,
  freeConnections: INDICATORS.freeConnections.defaults,
  replicationLag: INDICATORS.replicationLag.defaults,
  unknownLooks: 3,
};

/**
 * What is wrong with limits that somebody set. A `stop` on the good side of `resume` would never let a run go on, or
 * hold it for ever, and so is found before it does.
 */
export function healthProblems(limits: HealthLimits): string[] {
  const problems: string[] = [];
  for (const key of INDICATOR_KEYS) {
    const { slow, stop, resume } = limits[key];
    const order = INDICATORS[key].worse === 'more' ? 1 : -1;
    const wrong = (what: string) => problems.push(`${key}: ${what}`);
    if (![slow, stop, resume].every((value) => Number.isFinite(value) && value >= 0))
      wrong('slow, stop and resume are numbers of 0 or more');
    else if ((stop - resume) * order < 0) wrong(`stop (${stop}) has to be worse than resume (${resume})`);
    else if ((stop - slow) * order < 0) wrong(`stop (${stop}) has to be worse than slow (${slow})`);
  }
  if (!Number.isInteger(limits.unknownLooks) || limits.unknownLooks < 1)
    problems.push('unknownLooks: a whole number from 1');
  return problems;
}
