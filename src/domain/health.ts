import { amount } from './amounts.ts';
import {
  DEFAULT_HEALTH_LIMITS,
  HEALTH_STATES,
  type HealthLimits,
  type HealthState,
  type Indicator,
  type IndicatorKey,
  INDICATORS,
  type Thresholds,
} from './indicators.ts';

/** What one look at a server told of one indicator. */
export interface Reading extends Thresholds, Pick<Indicator, 'name' | 'side' | 'unit' | 'worse'> {
  /** Null where it could not be told, which is unknown and never zero. */
  readonly value: number | null;
  /** What was looked at: a table, a partition, a node. */
  readonly subject: string;
  /** What tells it from others of its name, where the subject is another one at every look. Default: the subject. */
  readonly place?: string;
}

/** What an indicator led to at the last look. */
export interface JudgedReading extends Reading {
  readonly state: HealthState;
  /** Why it is not `go`; null where it is. */
  readonly reason: string | null;
  /** Looks in a row that told nothing. */
  readonly unknown: number;
  /** What it was when it was last told, and what it led to; null when it never was. */
  readonly known: { readonly state: HealthState; readonly value: number } | null;
}

/**
 * The health of a cluster and its Postgres server, as data that can be kept and handed on.
 *
 * - `go`: every indicator is known and fine. From `slow` and `hold` when what led there is better than its `resume`.
 * - `slow`: fewer windows at once. An indicator is beyond its `slow`, or unknown too often.
 * - `hold`: nothing new is begun, what is at work ends. An indicator is beyond its `stop`.
 *
 * Only `judge` makes one.
 */
export interface Health {
  readonly state: HealthState;
  /** Why it is not `go`: the worst indicator with its value and limit. Null where it is. */
  readonly reason: string | null;
  readonly indicators: readonly JudgedReading[];
}

/** A reading of one of our indicators, with the limits that are in force. */
export function reading(
  key: IndicatorKey,
  subject: string,
  value: number | null,
  limits: HealthLimits = DEFAULT_HEALTH_LIMITS,
): Reading {
  const { name, side, unit, worse } = INDICATORS[key];
  return { name, side, unit, worse, subject, value, ...limits[key] };
}

/** True from the limit on, on the side that is worse. */
function beyond({ worse }: Reading, value: number, limit: number): boolean {
  return worse === 'more' ? value >= limit : value <= limit;
}

const worseOf = (a: HealthState, b: HealthState): HealthState =>
  HEALTH_STATES.indexOf(a) >= HEALTH_STATES.indexOf(b) ? a : b;

/** From the last state of an indicator and its value to the next, with hysteresis in both steps. */
function nextState(last: HealthState, now: Reading, value: number): HealthState {
  if (beyond(now, value, now.stop)) return 'hold';
  if (last === 'hold' && beyond(now, value, now.resume)) return 'hold';
  if (beyond(now, value, now.slow)) return 'slow';
  if (last === 'slow' && beyond(now, value, now.resume)) return 'slow';
  return 'go';
}

function named(now: Reading, value: number): string {
  const said = amount(value, now.unit);
  return `${now.unit === 'count' ? `${said} ${now.name}` : `${now.name} ${said}`} on ${now.subject}`;
}

function reasonOf(now: Reading, state: 'slow' | 'hold', value: number): string {
  const limit = (at: number) => amount(at, now.unit);
  const goesOn = `goes on ${now.worse === 'more' ? 'under' : 'over'} ${limit(now.resume)}`;
  return state === 'hold'
    ? `${named(now, value)} (stops at ${limit(now.stop)}, ${goesOn})`
    : `${named(now, value)} (slow from ${limit(now.slow)}, stops at ${limit(now.stop)}, ${goesOn})`;
}

/**
 * Unknown is never healthy, nor a reason to stop at once: the last known state stays, and `go` becomes `slow` when too
 * many looks in a row told nothing, or when nothing was ever known. A hold stays one: what is not seen has not got better.
 */
function judgeUnknown(last: JudgedReading | undefined, now: Reading, limit: number): JudgedReading {
  const known = last?.known ?? null;
  const unknown = (last?.unknown ?? 0) + 1;
  const tooOften = unknown >= limit;
  const state = known === null ? 'slow' : tooOften ? worseOf(known.state, 'slow') : known.state;
  const blind = `${now.name} on ${now.subject} unknown for ${unknown} ${unknown === 1 ? 'look' : 'looks'}`;
  const why = [
    known === null ? `${blind}, and never known before` : tooOften ? `${blind} (slow from ${limit})` : blind,
    ...(known !== null && known.state !== 'go' ? [`last known: ${reasonOf(now, known.state, known.value)}`] : []),
  ];
  return { ...now, value: null, state, reason: state === 'go' ? null : why.join('; '), unknown, known };
}

function judgeOne(last: JudgedReading | undefined, now: Reading, unknownLooks: number): JudgedReading {
  const { value } = now;
  if (value === null || !Number.isFinite(value)) return judgeUnknown(last, now, unknownLooks);
  const state = nextState(last?.known?.state ?? 'go', now, value);
  const reason = state === 'go' ? null : reasonOf(now, state, value);
  return { ...now, state, reason, unknown: 0, known: { state, value } };
}

const identity = ({ side, name, unit, subject, place }: Reading): string =>
  JSON.stringify([side, name, unit, place ?? subject]);

/**
 * The next health from the last one and what a look told. An indicator that a look leaves out is no longer looked at (a
 * partition that is done with); a side of which it tells nothing at all is unknown as a whole.
 *
 * @param last Null at the first look.
 */
export function judge(
  last: Health | null,
  readings: readonly Reading[],
  limits: Pick<HealthLimits, 'unknownLooks'> = DEFAULT_HEALTH_LIMITS,
): Health {
  const before = new Map(last?.indicators.map((one) => [identity(one), one]));
  const told = new Set(readings.map(({ side }) => side));
  const silent = [...before.values()].filter(({ side }) => !told.has(side));
  const indicators = [
    ...readings.map((now) => judgeOne(before.get(identity(now)), now, limits.unknownLooks)),
    ...silent.map((one) => judgeUnknown(one, one, limits.unknownLooks)),
  ];
  if (indicators.length === 0) return { state: 'slow', reason: 'nothing is known of the servers yet', indicators };
  const state = indicators.reduce<HealthState>((worst, one) => worseOf(worst, one.state), 'go');
  const reason = indicators.find((one) => one.state === state)?.reason ?? null;
  return { state, reason, indicators };
}
