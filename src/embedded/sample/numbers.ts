import { escapeLiteral } from 'pg';

import type { Range, TenantName } from '../../domain/words.ts';
import type { SampleCounts } from './sizes.ts';

/**
 * How the source is made up: everything is a function of a row's number and the seed, by Postgres's own hash. The same
 * seed gives the same bytes, on every machine and in every run, and the rows never leave the server.
 *
 * This file has the words of that SQL; `work-rows.ts` thinks the rows out, `postgres-rows.ts` writes them down.
 */

/** Kinds of scorecards by number, as they stand in the statements. */
export const KIND = {
  conversation: 1,
  process: 2,
  appeal: 3,
  calibration: 4,
  conversationNotFound: 5,
  templateNotFound: 6,
  shell: 7,
  noScores: 8,
  onlyChapters: 9,
  before: 10,
  after: 11,
  idleChat: 12,
} as const;

export interface SampleSpec extends TenantName {
  readonly counts: SampleCounts;
  readonly range: Range;
  readonly seed: number;
}

export const KEY_STRIDE = 1_000_000_000;
export const HOUR_US = 3_600_000_000;
export const DAY_US = 24 * HOUR_US;

/** `pick(key, salt, n)`: a number from 0 to n - 1, always the same. */
export const pick = (key: string, salt: number, n: number | string) => `pick(${key}, ${salt}, ${n})`;
export const oneOf = (values: readonly (string | null)[], key: string, salt: number) =>
  `(${textArray(values)})[1 + ${pick(key, salt, values.length)}]`;
/** Exact: interval arithmetic in whole microseconds, not floating seconds. */
export const instant = (us: string) => `(timestamptz '1970-01-01 00:00:00+00' + ${us} * interval '1 microsecond')`;
export const hex = (n: string, digits: number) => `lpad(to_hex(${n}), ${digits}, '0')`;
export const agentName = (n: string) => `'agent-' || lpad((${n})::text, 4, '0')`;
export const conversationId = (key: string) => `'conv-' || ${hex(`mix(${key}, 30)`, 16)}`;

export function textArray(values: readonly (string | null)[]): string {
  return `ARRAY[${values.map((value) => (value === null ? 'NULL' : escapeLiteral(value))).join(', ')}]::text[]`;
}

export function owner(spec: SampleSpec): string {
  return `${escapeLiteral(spec.customer)}, ${escapeLiteral(spec.profile)}`;
}
