/*
 * The control law of GitLab's batched background migrations, as far as a plan leaves room for it: an exponential moving
 * average over the last 20 windows, factor 0.4, and proportional down to 95 % of the aim. Three things differ:
 *
 * - GitLab averages the efficiency (time taken by time aimed at), whose old values belong to old sizes. Here the seconds
 *   per row are averaged, which is the same while the size stays.
 * - GitLab changes nothing before 20 successes. A window of ours takes minutes, so that three have to do.
 * - Nothing grows. A plan's windows are what was approved; the run cuts them finer where they would take too long. One
 *   that is too small costs its fixed costs only, and the next plan is cut by the rate that was measured.
 */

/** How many of the last windows are looked at. */
export const SMOOTHED_OVER = 20;
/** What the newest window counts for; each older one for 0.6 of the next. */
const SMOOTHING = 0.4;
/** Share of the aim that a window is meant to take. */
const TARGET = 0.95;
const SAMPLES_NEEDED = 3;
/** A window of less than this share of the size (the rest of a partition) tells of fixed costs and of nothing else. */
const SMALLEST_SHARE = 0.1;

/** A window that went well. */
export interface WindowSample {
  readonly rows: number;
  readonly seconds: number;
}

export interface PaceLimits {
  /** Seconds that a window aims at. */
  readonly aimSeconds: number;
  /** Rows that a window has at least. Default 1,000, as with GitLab: below, fixed costs are all there is. */
  readonly smallestRows: number;
}

export const DEFAULT_PACE: PaceLimits = { aimSeconds: 120, smallestRows: 1000 };

/** The exponential moving average over the last 20; null of nothing. The newest is last. */
export function smoothed(values: readonly number[]): number | null {
  let [sum, weights, weight] = [0, 0, 1];
  for (const value of values.slice(-SMOOTHED_OVER).reverse()) {
    sum += value * weight;
    weights += weight;
    weight *= 1 - SMOOTHING;
  }
  return weights === 0 ? null : sum / weights;
}

/**
 * Whether a window takes at least twice as long as is aimed at, by what the last ones took: then half of it is enough.
 *
 * @param rows What the window has.
 * @param samples Windows that went well, the newest last. One that failed has no time that it took.
 */
export function isTooSlow(rows: number, samples: readonly WindowSample[], limits: PaceLimits = DEFAULT_PACE): boolean {
  const telling = samples.filter((s) => s.seconds > 0 && s.rows > 0 && s.rows >= rows * SMALLEST_SHARE);
  const secondsPerRow = smoothed(telling.map((s) => s.seconds / s.rows));
  if (secondsPerRow === null || telling.length < SAMPLES_NEEDED) return false;
  const meant = Math.max(limits.smallestRows, (TARGET * limits.aimSeconds) / secondsPerRow);
  return rows >= 2 * meant;
}
