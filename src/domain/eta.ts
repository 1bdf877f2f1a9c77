/** How much was done at a time, in the same unit as the total: rows, as a rule. */
export interface EtaSample {
  /**
   * Any clock in ms. One that stands still while the calendar is closed gives the time of work that is left, which is what
   * a deadline is compared with.
   */
  readonly at: number;
  readonly done: number;
}

export interface EtaInput {
  readonly done: number;
  readonly total: number;
  /** In the order of time; the last one is the present. They need not be evenly apart, nor go back to the beginning. */
  readonly samples: readonly EtaSample[];
}

/**
 * Seconds left, and between which seconds they lie as far as the rates seen tell: `low <= seconds <= high`. It says
 * nothing about the state: what is on hold has the time left that it has, and the reason for the hold is told beside it.
 */
export interface Eta {
  readonly seconds: number;
  readonly low: number;
  readonly high: number;
}

/** No time left is told before this share is done: it would be a guess. */
const FROM_SHARE = 0.01;
/**
 * What was done a while ago counts for less: after half of the time measured, 1/e of what is done now. The measure
 * grows with the time measured, so that a stall, however long, is never all that is looked at. A rate of the last
 * seconds would make every pause between two windows a time left of days (gh-ost's issue 1231).
 */
const MEMORY_SHARE = 0.5;
/** Equal parts of the time measured, whose rates are compared for the range. */
const PARTS = 8;
/** No rate is known better than to a tenth, as the rows left are not those that were measured. */
const SMALLEST_SPREAD = 0.1;
/** Three times the time left, and a third of it: beyond that a range says nothing. */
const LARGEST_SPREAD = 2;

const NOTHING_LEFT: Eta = { seconds: 0, low: 0, high: 0 };

/** Samples that are kept: enough for the parts above, and as many after a week as after a minute. */
const SAMPLES_KEPT = 128;

/** Adds a sample. Where there are too many, every second one goes; the first and the last stay. */
export function withSample(samples: readonly EtaSample[], sample: EtaSample, most = SAMPLES_KEPT): EtaSample[] {
  const all = [...samples, sample];
  if (all.length <= most) return all;
  return all.filter((_, index) => index % 2 === 0 || index === all.length - 1);
}

/** Samples in which nothing goes back: a window that is begun again takes nothing away from what was done. */
function rising(samples: readonly EtaSample[]): EtaSample[] {
  const kept: EtaSample[] = [];
  for (const { at, done } of samples) {
    const last = kept.at(-1);
    if (last && at < last.at) continue;
    kept.push({ at, done: Math.max(done, last?.done ?? done) });
  }
  return kept;
}

/** Per second, what was done lately counting most; 0 where nothing was done. */
function smoothRate(samples: readonly EtaSample[]): number {
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || !last || last.at <= first.at) return 0;
  const memory = (last.at - first.at) * MEMORY_SHARE;
  const weight = (at: number) => Math.exp((at - last.at) / memory);
  let [sum, weights] = [0, 0];
  for (const [index, sample] of samples.entries()) {
    const before = samples[index - 1];
    if (!before || sample.at === before.at) continue;
    const part = weight(sample.at) - weight(before.at);
    // The integral of the weight over the step, in units of `memory`; the rate is taken as even over the step.
    sum += (part * (sample.done - before.done)) / (sample.at - before.at);
    weights += part;
  }
  return weights > 0 ? (sum / weights) * 1000 : 0;
}

/** How much was done at a time between samples. */
function doneAt(samples: readonly EtaSample[], at: number): number {
  const next = samples.findIndex((s) => s.at >= at);
  const [before, after] = [samples[next - 1], samples[next]];
  if (!after) return samples.at(-1)?.done ?? 0;
  if (!before || after.at === before.at) return after.done;
  return before.done + ((after.done - before.done) * (at - before.at)) / (after.at - before.at);
}

/** By how much the rates of parts of the time measured differ from their mean, as a share of it. */
function spread(samples: readonly EtaSample[]): number {
  const [first, last] = [samples[0], samples.at(-1)];
  // Two or three samples have no spread to speak of: nothing is known about it.
  if (!first || !last || samples.length <= 3) return 1;
  const step = (last.at - first.at) / PARTS;
  const bounds = Array.from({ length: PARTS + 1 }, (_, n) => doneAt(samples, first.at + n * step));
  const parts = bounds.slice(1).map((done, n) => done - (bounds[n] ?? 0));
  const mean = (last.done - first.done) / PARTS;
  if (mean <= 0) return LARGEST_SPREAD;
  const variance = parts.reduce((n, part) => n + (part - mean) ** 2, 0) / PARTS;
  return Math.min(LARGEST_SPREAD, Math.max(SMALLEST_SPREAD, Math.sqrt(variance) / mean));
}

/**
 * The time left of a window, a tenant, a cluster or a fleet, from what was measured of it. While nothing is done it
 * grows, in proportion to the time that nothing was done, and its range with it.
 *
 * @returns Null before 1 % is done, and where no rate is known.
 */
export function eta({ done, total, samples }: EtaInput): Eta | null {
  const left = total - done;
  if (left <= 0) return NOTHING_LEFT;
  if (done < total * FROM_SHARE) return null;
  const told = rising(samples);
  const rate = smoothRate(told);
  return rate > 0 ? within(left / rate, spread(told)) : null;
}

function within(seconds: number, by: number): Eta {
  return { seconds, low: seconds / (1 + by), high: seconds * (1 + by) };
}

/** All known, or null: a sum that leaves out what is unknown would be a claim. */
function allKnown(etas: readonly (Eta | null)[]): readonly Eta[] | null {
  const known = etas.filter((one) => one !== null);
  return known.length === etas.length ? known : null;
}

const largest = (values: readonly number[]): number => values.reduce((n, value) => Math.max(n, value), 0);

/** Of a fleet from its clusters, which work side by side and share nothing. Null where one is unknown. */
export function sideBySide(etas: readonly (Eta | null)[]): Eta | null {
  const known = allKnown(etas);
  if (!known) return null;
  return {
    seconds: largest(known.map((one) => one.seconds)),
    low: largest(known.map((one) => one.low)),
    high: largest(known.map((one) => one.high)),
  };
}
