import { knowsZone } from './zone.ts';
import { DAY_MS, ms } from './windows.ts';
import type { Instant } from './words.ts';

/** From Monday, as a working week is written. */
export const WEEKDAYS = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;

/** Hours in which others need the servers. */
export interface QuietHours {
  /** `mon`, or `mon-fri`; `sat-mon` goes over the end of the week. The day is that on which the hours begin. */
  readonly days: readonly string[];
  /** `07:00`, on the clock of the calendar's zone. */
  readonly from: string;
  /** `19:00`, or `24:00`; one before `from` lies on the next day. */
  readonly to: string;
  /** Windows at once in these hours. Default 0: nothing new is begun. */
  readonly windows?: number;
}

/** When a cluster may be worked on. Times are those of a clock in its zone; only the deadline is an instant. */
export interface Calendar {
  /** IANA name: `Europe/Berlin`. */
  readonly timeZone: string;
  readonly quiet?: readonly QuietHours[];
  /**
   * `open`: Saturday and Sunday have no quiet hours, whatever `quiet` says. Default `quiet`: they have those that are
   * written, as leaving them out by default would hurt who wrote them.
   */
  readonly weekends?: 'open' | 'quiet';
  /** Days on which nothing is begun, weekends too: `2026-12-24`, or `2026-12-24/2026-12-27` with both ends. */
  readonly freeze?: readonly string[];
  /** When everything should be done. It warns and stops nothing. */
  readonly deadline?: Instant;
}

/** Quiet hours as they are computed with: minutes of the day, `to` beyond 1440 where it is on the next day. */
export interface QuietRule {
  readonly days: ReadonlySet<number>;
  readonly from: number;
  readonly to: number;
  readonly windows: number;
  /** As it was written, for reasons. */
  readonly text: string;
}

/** Days of a freeze, both included, as ms of their beginning on the wall. */
export interface FreezeRule {
  readonly first: number;
  readonly last: number;
  readonly text: string;
}

export interface CalendarRules {
  readonly timeZone: string;
  readonly quiet: readonly QuietRule[];
  readonly weekendsOpen: boolean;
  readonly freeze: readonly FreezeRule[];
  /** What is wrong with it, each with where it stands. */
  readonly problems: readonly string[];
}

const DAY_MINUTES = 1440;

function parseDays(days: readonly string[]): ReadonlySet<number> | null {
  const found = new Set<number>();
  for (const text of days) {
    const [first = '', last = first, ...rest] = text.trim().toLowerCase().split('-');
    const [from, to] = [first, last].map((day) => (WEEKDAYS as readonly string[]).indexOf(day.trim()));
    if (from === undefined || to === undefined || from < 0 || to < 0 || rest.length > 0) return null;
    for (let day = from; ; day = (day + 1) % 7) {
      found.add(day);
      if (day === to) break;
    }
  }
  return found.size === 0 ? null : found;
}

function parseTime(text: string): number | null {
  const [, hour, minute] = /^(\d{1,2}):(\d\d)$/u.exec(text) ?? [];
  if (hour === undefined || minute === undefined || Number(minute) > 59) return null;
  const minutes = Number(hour) * 60 + Number(minute);
  return minutes <= DAY_MINUTES ? minutes : null;
}

/** The beginning of a day on the wall; null for what is no day (`2026-02-30`). */
function parseDay(text: string): number | null {
  if (!/^\d{4}-\d\d-\d\d$/u.test(text)) return null;
  const day = Date.parse(`${text}T00:00:00.000Z`);
  return Number.isNaN(day) || new Date(day).toISOString().slice(0, 10) !== text ? null : day;
}

function parseQuiet(hours: QuietHours, where: string, problems: string[]): QuietRule | null {
  const days = parseDays(hours.days);
  const [from, until] = [parseTime(hours.from), parseTime(hours.to)];
  const windows = hours.windows ?? 0;
  const count = problems.length;
  if (!days) problems.push(`${where}.days: one or more of ${WEEKDAYS.join(', ')}, or a span as mon-fri`);
  if (from === null || from === DAY_MINUTES) problems.push(`${where}.from: a time from 00:00 to 23:59`);
  if (until === null) problems.push(`${where}.to: a time from 00:00 to 24:00`);
  if (from !== null && from === until)
    problems.push(`${where}: from and to are the same; a whole day is 00:00 to 24:00`);
  if (!Number.isInteger(windows) || windows < 0) problems.push(`${where}.windows: a whole number from 0`);
  if (!days || from === null || until === null || problems.length > count) return null;
  const text = `${hours.days.join(', ')} ${hours.from} to ${hours.to}`;
  return { days, from, to: until < from ? until + DAY_MINUTES : until, windows, text };
}

function parseFreeze(text: string, where: string, problems: string[]): FreezeRule | null {
  const [from = '', to = from, ...rest] = text.split('/');
  const [first, last] = [parseDay(from), parseDay(to)];
  if (first === null || last === null || rest.length > 0 || last < first) {
    problems.push(`${where}: a day as 2026-12-24, or its first and last day as 2026-12-24/2026-12-27`);
    return null;
  }
  return { first, last, text: from === to ? from : `${from} to ${to}` };
}

/** What a calendar means, and what is wrong with it. */
export function rulesOf(calendar: Calendar): CalendarRules {
  const problems: string[] = [];
  const { timeZone, deadline } = calendar;
  if (!knowsZone(timeZone)) problems.push(`timeZone: ${timeZone} is no IANA time zone that this program knows`);
  const quiet = (calendar.quiet ?? []).map((hours, n) => parseQuiet(hours, `quiet[${n}]`, problems));
  const freeze = (calendar.freeze ?? []).map((text, n) => parseFreeze(text, `freeze[${n}]`, problems));
  if (deadline !== undefined && Number.isNaN(ms(deadline)))
    problems.push('deadline: an instant as 2026-12-24T06:00:00Z');
  return {
    timeZone,
    quiet: quiet.filter((rule) => rule !== null),
    weekendsOpen: calendar.weekends === 'open',
    freeze: freeze.filter((rule) => rule !== null),
    problems,
  };
}

/** What is wrong with a calendar; empty where nothing is. */
export function calendarProblems(calendar: Calendar): readonly string[] {
  return rulesOf(calendar).problems;
}

/** From Monday, of a beginning of a day on the wall. */
export function weekdayOf(day: number): number {
  // 1970-01-01 was a Thursday.
  return (((Math.floor(day / DAY_MS) + 3) % 7) + 7) % 7;
}
