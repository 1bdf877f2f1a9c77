/*
 * The control law is that of GitLab's batched background migrations: an exponential moving average over the last 20,
 * factor 0.4, held between 90 and 95 % of the aim, at most 1.2 times up and proportional down. Two things differ:
 *
 * - GitLab averages the efficiency (time taken by time aimed at), whose old values belong to old sizes: the size runs
 *   past its aim after each change. Here the seconds per row are averaged, which is the same while the size stays.
 * - GitLab changes nothing before 20 successes. A window of ours takes minutes, so that three have to do.
 */

/** How many of the last windows are looked at. */
const SMOOTHED_OVER = 20;
/** What the newest window counts for; each older one for 0.6 of the next. */
const SMOOTHING = 0.4;
/** Shares of the aim between which the size stays as it is: otherwise every window would have another size. */
const TARGET_LOW = 0.9;
const TARGET_HIGH = 0.95;
/** Up by small steps, as a window that is too large is noticed only when it has hurt; down at once. */
const LARGEST_STEP_UP = 1.2;
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
  /** Rows that a window has at most, however fast it goes: what is lost when it is interrupted. Default 50 million. */
  readonly largestRows: number;
}

export const DEFAULT_PACE: PaceLimits = { aimSeconds: 120, smallestRows: 1000, largestRows: 50_000_000 };

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
 * How many rows the next window aims at.
 *
 * @param rows What the last one aimed at.
 * @param samples Windows that went well, the newest last. One that failed has no time that it took.
 */
export function nextRows(rows: number, samples: readonly WindowSample[], limits: PaceLimits = DEFAULT_PACE): number {
  const clamp = (n: number) => Math.max(limits.smallestRows, Math.min(limits.largestRows, Math.round(n)));
  const telling = samples.filter((s) => s.seconds > 0 && s.rows > 0 && s.rows >= rows * SMALLEST_SHARE);
  const secondsPerRow = smoothed(telling.map((s) => s.seconds / s.rows));
  if (secondsPerRow === null || telling.length < SAMPLES_NEEDED) return clamp(rows);
  const share = (rows * secondsPerRow) / limits.aimSeconds;
  if (share >= TARGET_LOW && share <= TARGET_HIGH) return clamp(rows);
  return clamp(rows * Math.min(TARGET_HIGH / share, LARGEST_STEP_UP));
}
