import type { z } from 'zod';
import {
  DEFAULT_HEALTH_LIMITS,
  healthProblems,
  type IndicatorKey,
  INDICATORS,
  type Thresholds,
} from '../domain/indicators.ts';
import { between, strict, whole } from './fields.ts';

const LARGEST = 1e15;

function thresholds(key: IndicatorKey) {
  const { defaults, name, why } = INDICATORS[key];
  const at = (which: keyof Thresholds, what: string) => between(0, LARGEST).default(defaults[which]).describe(what);
  return strict({
    slow: at('slow', 'From here on, fewer windows at once.'),
    stop: at('stop', 'From here on, nothing new is begun.'),
    resume: at('resume', 'It goes on only when it is better than this.'),
  })
    .prefault({})
    .describe(`${name}. ${why}`);
}

/** By what the servers' health is judged. */
export const healthSchema = strict({
  unfinishedMutations: thresholds('unfinishedMutations'),
  partsAboveBaseline: thresholds('partsAboveBaseline'),
  replicaLag: thresholds('replicaLag'),
  diskFreeShare: thresholds('diskFreeShare'),
  diskFreeBytes: thresholds('diskFreeBytes'),
  activeSessions: thresholds('activeSessions'),
  lockWaits: thresholds('lockWaits'),
  freeConnections: thresholds('freeConnections'),
  replicationLag: thresholds('replicationLag'),
  unknownLooks: whole(1, 1000)
    .default(DEFAULT_HEALTH_LIMITS.unknownLooks)
    .describe('Looks in a row that may tell nothing before a run is slowed.'),
})
  .superRefine((limits, context) => {
    for (const message of healthProblems(limits)) context.addIssue({ code: 'custom', message });
  })
  .prefault({})
  .describe(
    'By what the servers’ health is judged: what slows a run, holds it, and lets it go on.',
  ) satisfies z.ZodType;
