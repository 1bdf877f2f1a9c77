import { amount } from './amounts.ts';
import { type Calendar, type CalendarRules, rulesOf, weekdayOf } from './calendar-rules.ts';
import { RefillError } from './errors.ts';
import { DAY_MS, instant, ms } from './windows.ts';
import type { Instant } from './words.ts';
import { nextLook, type WallTime, wallTime } from './zone.ts';

/** What a calendar says of an instant. */
export interface Allowed {
  /** False where nothing new may be begun. What is at work ends. */
  readonly open: boolean;
  /** Windows at once; absent where the calendar sets no limit. */
  readonly windows?: number;
  readonly reason: string;
  /** When `open` or `windows` changes next; null where it never does. Until then nobody has to ask again. */
  readonly until: Instant | null;
}

const MINUTE_MS = 60_000;
const DAY_MINUTES = 1440;
/** Every weekday twice, one of which is not the day on which clocks are set: what does not change now, never does. */
const PATTERN_MS = 15 * DAY_MS;

/** Infinite windows where the calendar sets no limit. */
interface Status {
  readonly windows: number;
  readonly reason: string;
}

function checked(calendar: Calendar): CalendarRules {
  const rules = rulesOf(calendar);
  const [problem] = rules.problems;
  if (problem !== undefined) throw new RefillError('CONFIG_INVALID', `the calendar cannot be used: ${problem}`);
  return rules;
}

/** What holds while the clock shows `wall`. It depends on nothing else, so that it is right in every zone. */
function statusAt(rules: CalendarRules, wall: WallTime): Status {
  const day = Math.floor(wall / DAY_MS) * DAY_MS;
  const minute = Math.floor((wall - day) / MINUTE_MS);
  const zone = `(${rules.timeZone})`;
  const frozen = rules.freeze.find(({ first, last }) => day >= first && day <= last);
  if (frozen) return { windows: 0, reason: `freeze ${frozen.text} ${zone}` };
  const weekday = weekdayOf(day);
  if (rules.weekendsOpen && weekday >= 5) return { windows: Infinity, reason: `weekend, open ${zone}` };
  const yesterday = (weekday + 6) % 7;
  const inForce = rules.quiet.filter(
    ({ days, from, to }) =>
      (days.has(weekday) && minute >= from && minute < to) || (days.has(yesterday) && minute < to - DAY_MINUTES),
  );
  const windows = Math.min(...inForce.map((rule) => rule.windows));
  const strictest = inForce.find((rule) => rule.windows === windows);
  if (!strictest) return { windows: Infinity, reason: `open: no quiet hours now ${zone}` };
  const limit = windows === 0 ? '' : `, ${windows} ${windows === 1 ? 'window' : 'windows'} at once`;
  return { windows, reason: `quiet hours ${strictest.text}${limit} ${zone}` };
}

/** The next instant at which the status could change: a boundary of the rules on the wall, or the clock being set. */
function nextBoundary(rules: CalendarRules, time: number): number {
  const wall = wallTime(time, rules.timeZone);
  const day = Math.floor(wall / DAY_MS) * DAY_MS;
  const minutes = rules.quiet.flatMap(({ from, to }) => [from, to % DAY_MINUTES]);
  const walls = [...minutes.map((minute) => day + minute * MINUTE_MS), day + DAY_MS].filter((at) => at > wall);
  return nextLook(time, Math.min(...walls), rules.timeZone);
}

/** The first change of what is allowed in `(from, to]`. */
function changeWithin(rules: CalendarRules, from: number, to: number, windows: number): number | null {
  for (let time = nextBoundary(rules, from); time <= to; time = nextBoundary(rules, time)) {
    if (statusAt(rules, wallTime(time, rules.timeZone)).windows !== windows) return time;
  }
  return null;
}

function nextChange(rules: CalendarRules, time: number, windows: number): number | null {
  if (rules.quiet.length === 0 && rules.freeze.length === 0) return null;
  const soon = changeWithin(rules, time, time + PATTERN_MS, windows);
  if (soon !== null) return soon;
  // Beyond that only the edges of a freeze change anything. No zone is a day and a half away from UTC.
  const edges = rules.freeze
    .flatMap(({ first, last }) => [first, last + DAY_MS])
    .map((wall) => wall - 1.5 * DAY_MS)
    .filter((edge) => edge > time)
    .sort((a, b) => a - b);
  for (const edge of edges) {
    const change = changeWithin(rules, edge, edge + PATTERN_MS, windows);
    if (change !== null) return change;
  }
  return null;
}

function allowedBy(rules: CalendarRules, time: number): Allowed {
  const { windows, reason } = statusAt(rules, wallTime(time, rules.timeZone));
  const change = nextChange(rules, time, windows);
  return {
    open: windows > 0,
    ...(Number.isFinite(windows) ? { windows } : {}),
    reason,
    until: change === null ? null : instant(change),
  };
}

/** Whether a cluster may be worked on at an instant, with how many windows, why, and until when. */
export function allowed(calendar: Calendar, at: Instant): Allowed {
  return allowedBy(checked(calendar), ms(at));
}

/** Seconds of `[from, to)` in which something may be begun. */
export function openSeconds(calendar: Calendar, from: Instant, to: Instant): number {
  const rules = checked(calendar);
  const end = ms(to);
  let open = 0;
  for (let time = ms(from); time < end;) {
    const now = allowedBy(rules, time);
    const next = now.until === null ? end : Math.min(end, ms(now.until));
    if (now.open) open += next - time;
    time = next;
  }
  return open / 1000;
}

/**
 * What to warn about where a run will not be done by the deadline, as far as is known; null where it will, or where
 * there is none. Closed hours count as none; hours with a limit count in full, so that it warns rather too late than
 * about nothing.
 *
 * @param secondsLeft Null where it is not known: then only a deadline that is over is told.
 */
export function deadlineWarning(calendar: Calendar, now: Instant, secondsLeft: number | null): string | null {
  const { deadline } = calendar;
  if (deadline === undefined || (secondsLeft !== null && secondsLeft <= 0)) return null;
  if (ms(now) >= ms(deadline))
    return `the deadline ${deadline} is over by ${amount((ms(now) - ms(deadline)) / 1000, 'seconds')}`;
  if (secondsLeft === null) return null;
  const open = openSeconds(calendar, now, deadline);
  if (secondsLeft <= open) return null;
  const late = amount(secondsLeft - open, 'seconds');
  return (
    `${late} too late for the deadline ${deadline}: ${amount(secondsLeft, 'seconds')} of work are left, ` +
    `and the calendar is open for ${amount(open, 'seconds')} until then`
  );
}
