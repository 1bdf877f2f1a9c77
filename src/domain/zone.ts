/** What a clock on the wall of a time zone shows, as the number of ms that the same reading would be in UTC. */
export type WallTime = number;

const clocks = new Map<string, Intl.DateTimeFormat>();

function clockOf(timeZone: string): Intl.DateTimeFormat {
  const kept = clocks.get(timeZone);
  if (kept) return kept;
  // Making one takes as long as some thousand uses of it.
  const clock = new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
  });
  clocks.set(timeZone, clock);
  return clock;
}

/** Whether this program's time zone data (that of Node) know a zone. */
export function knowsZone(timeZone: string): boolean {
  try {
    clockOf(timeZone);
    return true;
  } catch {
    return false;
  }
}

/** What the clock shows at an instant. */
export function wallTime(time: number, timeZone: string): WallTime {
  const part: Record<string, number> = {};
  for (const { type, value } of clockOf(timeZone).formatToParts(time)) part[type] = Number(value);
  const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
  return Date.UTC(year, month - 1, day, hour, minute, second) + (((time % 1000) + 1000) % 1000);
}

/**
 * The first instant after `time` at which the clock shows `wall` or more, or at which it is set forward or back before
 * that: whoever follows the clock has to look again at either. `wall` lies within a day after what it shows at `time`.
 */
export function nextLook(time: number, wall: WallTime, timeZone: string): number {
  const shown = wallTime(time, timeZone);
  const offset = shown - time;
  const next = time + (wall - shown);
  const jumped = (at: number) => wallTime(at, timeZone) - at !== offset;
  if (!jumped(next)) return next;
  let [before, after] = [time, next];
  while (after - before > 1) {
    const middle = Math.floor((before + after) / 2);
    if (jumped(middle)) after = middle;
    else before = middle;
  }
  return after;
}
