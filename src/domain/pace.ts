/*
 * The control law of GitLab's batched background migrations, as far as a plan leaves room for it: an exponential moving
 * average over the last 20 windows, factor 0.4, and proportional down to 95 % of the aim. Three things differ:
 *
 * - GitLab averages the efficiency (time taken by time aimed at), whose old values belong to old sizes. Here the seconds
 *   per row are averaged, which is the same while the size stays.
 * - GitLab changes nothing before 20 successes. A window of ours takes minutes, so that three have to do.
 * - Windows do not grow. A plan's windows are what was approved; the run cuts them finer where they would take too long.
 *   One that is too small costs its fixed costs only, and the next plan is cut by the rate that was measured. (What a
 *   re-indexer of the users' own is given at once is a part of a window, and may grow as far as that.)
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

/** Shares of the aim between which a size stays as it is: otherwise every unit would have another size. */
const TARGET_LOW = 0.9;
/** Up by small steps, as a unit that is too large is noticed only when it has hurt; down at once. */
const LARGEST_STEP_UP = 1.2;

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

/** Seconds that a row takes, by the samples that tell of units of that size; null where too few do. */
function secondsPerRow(rows: number, samples: readonly WindowSample[]): number | null {
  const telling = samples.filter((s) => s.seconds > 0 && s.rows > 0 && s.rows >= rows * SMALLEST_SHARE);
  return telling.length < SAMPLES_NEEDED ? null : smoothed(telling.map((s) => s.seconds / s.rows));
}

/**
 * How many rows the next unit aims at, where units may shrink and grow.
 *
 * @param rows What the last one aimed at.
 * @param samples Units that went well, the newest last. One that failed has no time that it took.
 */
export function nextRows(rows: number, samples: readonly WindowSample[], limits: PaceLimits = DEFAULT_PACE): number {
  const each = secondsPerRow(rows, samples);
  const share = each === null ? TARGET : (rows * each) / limits.aimSeconds;
  const step = share >= TARGET_LOW && share <= TARGET ? 1 : Math.min(TARGET / share, LARGEST_STEP_UP);
  return Math.max(limits.smallestRows, Math.round(rows * step));
}

/**
 * Whether a window takes at least twice as long as is aimed at, by what the last ones took: then half of it is enough.
 *
 * @param rows What the window has.
 * @param samples Windows that went well, the newest last. One that failed has no time that it took.
 */
export function isTooSlow(rows: number, samples: readonly WindowSample[], limits: PaceLimits = DEFAULT_PACE): boolean {
  const each = secondsPerRow(rows, samples);
  if (each === null) return false;
  const meant = Math.max(limits.smallestRows, (TARGET * limits.aimSeconds) / each);
  return rows >= 2 * meant;
}
