import type { Range } from '../../domain/words.ts';

/** An hour with its share of a period's rows: from `from` to `to` of `total`. */
export interface HourShare {
  readonly startUs: number;
  readonly from: number;
  readonly to: number;
  readonly total: number;
}

/** Rows an hour of a day (UTC) of a contact centre on one continent: quiet at night, two humps by day. */
const HOURS = [2, 1, 1, 1, 1, 2, 4, 9, 20, 34, 42, 45, 40, 38, 44, 46, 43, 36, 26, 18, 12, 8, 5, 3];
/** Sunday to Saturday. */
const WEEKDAYS = [22, 96, 104, 102, 100, 92, 35];
const HOUR_MS = 3_600_000;

/** How a range's rows are spread over its hours, as whole numbers, so that every machine gets the same. */
export function hourShares(range: Range, seed: number): HourShare[] {
  const end = Date.parse(range.to);
  const weights: { startUs: number; weight: number }[] = [];
  for (let start = Date.parse(range.from); start < end; start += HOUR_MS) {
    const at = new Date(start);
    const day = Math.floor(start / 86_400_000);
    // No two days are alike: 85 to 115 % of their weekday.
    const noise = 85 + (mix(seed, day) % 31);
    const weight = (HOURS[at.getUTCHours()] ?? 1) * (WEEKDAYS[at.getUTCDay()] ?? 1) * noise;
    weights.push({ startUs: start * 1000, weight });
  }
  const total = weights.reduce((sum, { weight }) => sum + weight, 0);
  let from = 0;
  return weights.map(({ startUs, weight }) => ({ startUs, from, to: (from += weight), total }));
}

/** A hash of two small whole numbers, from 0 to 2^31 - 1. */
export function mix(a: number, b: number): number {
  let h = Math.imul(a ^ 0x9e3779b9, 0x85ebca6b) ^ Math.imul(b + 0x165667b1, 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 15), 0x2c1b3c6d);
  h = Math.imul(h ^ (h >>> 12), 0x297a2d39);
  return (h ^ (h >>> 15)) & 0x7fffffff;
}
