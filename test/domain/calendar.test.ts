import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { allowed, deadlineWarning, openSeconds } from '../../src/domain/calendar.ts';
import { type Calendar, calendarProblems, WEEKDAYS } from '../../src/domain/calendar-rules.ts';
import { HOUR_MS, instant, ms } from '../../src/domain/windows.ts';

const office: Calendar = {
  timeZone: 'Europe/Berlin',
  quiet: [{ days: ['mon-fri'], from: '07:00', to: '19:00', windows: 0 }],
  weekends: 'open',
};
const at = (time: string) => `${time}:00.000Z`;
const brief = (calendar: Calendar, time: string) => {
  const { open, windows, until } = allowed(calendar, at(time));
  return `${open ? 'open' : 'closed'} ${windows ?? 'any'} until ${until?.slice(0, 16) ?? 'ever'}`;
};

test('quiet hours of a week in winter', () => {
  // 2026-01-05 is a Monday; Berlin is one hour ahead.
  expect(brief(office, '2026-01-05T05:59')).toBe('open any until 2026-01-05T06:00');
  expect(brief(office, '2026-01-05T06:00')).toBe('closed 0 until 2026-01-05T18:00');
  expect(brief(office, '2026-01-05T18:00')).toBe('open any until 2026-01-06T06:00');
  expect(brief(office, '2026-01-09T18:00')).toBe('open any until 2026-01-12T06:00');
  expect(allowed(office, at('2026-01-05T12:00')).reason).toBe('quiet hours mon-fri 07:00 to 19:00 (Europe/Berlin)');
  expect(allowed(office, at('2026-01-10T12:00')).reason).toBe('weekend, open (Europe/Berlin)');
});

test('a limit instead of a stop, and the strictest of two', () => {
  const two: Calendar = {
    timeZone: 'UTC',
    quiet: [
      { days: ['mon-sun'], from: '06:00', to: '20:00', windows: 2 },
      { days: ['mon'], from: '12:00', to: '13:00', windows: 1 },
    ],
  };
  expect(brief(two, '2026-01-05T06:00')).toBe('open 2 until 2026-01-05T12:00');
  expect(brief(two, '2026-01-05T12:30')).toBe('open 1 until 2026-01-05T13:00');
  expect(allowed(two, at('2026-01-05T12:30')).reason).toBe('quiet hours mon 12:00 to 13:00, 1 window at once (UTC)');
  expect(brief(two, '2026-01-10T12:30')).toBe('open 2 until 2026-01-10T20:00');
  expect(brief({ ...two, weekends: 'open' }, '2026-01-10T12:30')).toBe('open any until 2026-01-12T06:00');
});

test('hours over midnight belong to the day on which they begin', () => {
  const nights: Calendar = { timeZone: 'UTC', quiet: [{ days: ['fri'], from: '22:00', to: '06:00' }] };
  expect(brief(nights, '2026-01-09T21:00')).toBe('open any until 2026-01-09T22:00');
  expect(brief(nights, '2026-01-09T23:00')).toBe('closed 0 until 2026-01-10T06:00');
  expect(brief(nights, '2026-01-09T05:00')).toBe('open any until 2026-01-09T22:00');
  expect(brief({ ...nights, weekends: 'open' }, '2026-01-09T23:00')).toBe('closed 0 until 2026-01-10T00:00');
});

test('a freeze closes whole days of the zone, weekends too, and is found however far away', () => {
  const frozen: Calendar = {
    timeZone: 'America/New_York',
    weekends: 'open',
    freeze: ['2026-12-24/2026-12-27', '2027-06-01'],
  };
  expect(brief(frozen, '2026-01-01T00:00')).toBe('open any until 2026-12-24T05:00');
  expect(brief(frozen, '2026-12-26T12:00')).toBe('closed 0 until 2026-12-28T05:00');
  expect(allowed(frozen, at('2026-12-26T12:00')).reason).toBe('freeze 2026-12-24 to 2026-12-27 (America/New_York)');
  expect(brief(frozen, '2026-12-28T05:00')).toBe('open any until 2027-06-01T04:00');
  expect(brief(frozen, '2027-06-02T04:00')).toBe('open any until ever');
  expect(brief({ timeZone: 'UTC', freeze: ['2026-01-01/2029-12-31'] }, '2026-03-01T00:00')).toBe(
    'closed 0 until 2030-01-01T00:00',
  );
});

test('without rules it is always open; where nothing ever opens, there is no end', () => {
  expect(brief({ timeZone: 'UTC' }, '2026-01-01T00:00')).toBe('open any until ever');
  const never: Calendar = { timeZone: 'UTC', quiet: [{ days: ['mon-sun'], from: '00:00', to: '24:00' }] };
  expect(brief(never, '2026-01-01T00:00')).toBe('closed 0 until ever');
});

test('Berlin: the same hours on the clock in winter and summer, over both Sundays on which it is set', () => {
  const nights: Calendar = { timeZone: 'Europe/Berlin', quiet: [{ days: ['mon-sun'], from: '01:00', to: '05:00' }] };
  expect(brief(office, '2026-03-27T12:00')).toBe('closed 0 until 2026-03-27T18:00');
  expect(brief(office, '2026-03-28T12:00')).toBe('open any until 2026-03-30T05:00');
  expect(brief(office, '2026-10-24T12:00')).toBe('open any until 2026-10-26T06:00');
  // 2026-03-29: 02:00 becomes 03:00, so that four hours on the clock are three; 2026-10-25: five.
  expect(brief(nights, '2026-03-29T00:00')).toBe('closed 0 until 2026-03-29T03:00');
  expect(brief(nights, '2026-10-24T23:00')).toBe('closed 0 until 2026-10-25T04:00');
});

test('Berlin: hours that the clock skips, and hours that it shows twice', () => {
  const gap: Calendar = { timeZone: 'Europe/Berlin', quiet: [{ days: ['sun'], from: '02:15', to: '02:45' }] };
  expect(brief(gap, '2026-03-28T12:00')).toBe('open any until 2026-04-05T00:15');
  expect(brief(gap, '2026-10-24T12:00')).toBe('open any until 2026-10-25T00:15');
  expect(brief(gap, '2026-10-25T00:45')).toBe('open any until 2026-10-25T01:15');
  const into: Calendar = { timeZone: 'Europe/Berlin', quiet: [{ days: ['sun'], from: '02:30', to: '03:30' }] };
  expect(brief(into, '2026-03-28T23:00')).toBe('open any until 2026-03-29T01:00');
  // Shown twice and begun twice: 02:30 to 03:00, and again from the second 02:30.
  expect(brief(into, '2026-10-25T00:30')).toBe('closed 0 until 2026-10-25T01:00');
  expect(brief(into, '2026-10-25T01:00')).toBe('open any until 2026-10-25T01:30');
});

test('New York, and a zone that is 45 minutes off', () => {
  const newYork = { ...office, timeZone: 'America/New_York' };
  expect(brief(newYork, '2026-03-06T12:00')).toBe('closed 0 until 2026-03-07T00:00');
  expect(brief(newYork, '2026-03-07T12:00')).toBe('open any until 2026-03-09T11:00');
  expect(brief(newYork, '2026-10-31T12:00')).toBe('open any until 2026-11-02T12:00');
  const kathmandu = { ...office, timeZone: 'Asia/Kathmandu' };
  expect(brief(kathmandu, '2026-01-05T01:14')).toBe('open any until 2026-01-05T01:15');
  expect(brief(kathmandu, '2026-01-05T01:15')).toBe('closed 0 until 2026-01-05T13:15');
  const chatham = { ...office, timeZone: 'Pacific/Chatham' };
  expect(brief(chatham, '2026-04-04T12:00')).toBe('open any until 2026-04-05T18:15');
});

test('midnight that does not exist still begins a day', () => {
  // 2026-09-06 in Santiago begins at 01:00.
  const santiago: Calendar = { timeZone: 'America/Santiago', freeze: ['2026-09-06'] };
  expect(brief(santiago, '2026-09-05T12:00')).toBe('open any until 2026-09-06T04:00');
  expect(brief(santiago, '2026-09-06T04:00')).toBe('closed 0 until 2026-09-07T03:00');
});

test('open seconds leave out what is closed', () => {
  expect(openSeconds(office, at('2026-01-05T00:00'), at('2026-01-06T00:00'))).toBe(12 * 3600);
  expect(openSeconds(office, at('2026-01-10T00:00'), at('2026-01-11T00:00'))).toBe(24 * 3600);
  expect(openSeconds(office, at('2026-01-10T00:00'), at('2026-01-10T00:00'))).toBe(0);
});

test('a deadline warns where the open hours until then do not do', () => {
  const calendar = { ...office, deadline: at('2026-01-06T06:00') };
  const now = at('2026-01-05T12:00');
  expect(deadlineWarning(calendar, now, 12 * 3600)).toBeNull();
  expect(deadlineWarning(calendar, now, 12 * 3600 + 1)).toContain('too late for the deadline');
  expect(deadlineWarning(calendar, now, 15.5 * 3600)).toBe(
    '3 h 30 min too late for the deadline 2026-01-06T06:00:00.000Z: 15 h 30 min of work are left, ' +
      'and the calendar is open for 12 h until then',
  );
  expect(deadlineWarning(calendar, now, null)).toBeNull();
  expect(deadlineWarning(calendar, at('2026-01-06T07:00'), null)).toBe(
    'the deadline 2026-01-06T06:00:00.000Z is over by 1 h',
  );
  expect(deadlineWarning(calendar, at('2026-01-06T07:00'), 0)).toBeNull();
  expect(deadlineWarning(office, now, 1e9)).toBeNull();
});

test('what is wrong is said with its place, and is never used', () => {
  const wrong: Calendar = {
    timeZone: 'Europe/Atlantis',
    quiet: [
      { days: ['mon-fry'], from: '7', to: '24:30', windows: -1 },
      { days: [], from: '24:00', to: '08:00' },
      { days: ['mon'], from: '08:00', to: '08:00' },
    ],
    freeze: ['2026-02-30', '2026-12-27/2026-12-24', 'christmas', '2026-12-24/2026-12-25/2026-12-26'],
    deadline: 'soon',
  };
  expect(calendarProblems(wrong).map((problem) => problem.split(':')[0])).toEqual([
    'timeZone',
    'quiet[0].days',
    'quiet[0].from',
    'quiet[0].to',
    'quiet[0].windows',
    'quiet[1].days',
    'quiet[1].from',
    'quiet[2]',
    'freeze[0]',
    'freeze[1]',
    'freeze[2]',
    'freeze[3]',
    'deadline',
  ]);
  expect(() => allowed(wrong, at('2026-01-01T00:00'))).toThrow('Europe/Atlantis');
  expect(calendarProblems(office)).toEqual([]);
});

/** What a calendar allows, computed from what Intl prints: another way than the one that is tested. */
function oracle(calendar: Calendar, time: number): number {
  const text = new Intl.DateTimeFormat('en-GB', {
    timeZone: calendar.timeZone,
    weekday: 'short',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
  }).format(time);
  const [, name = '', day, month, year, clock = ''] = /^(\w+), (\d+)\/(\d+)\/(\d+), (\d\d:\d\d)$/u.exec(text) ?? [];
  const date = `${year}-${month}-${day}`;
  for (const freeze of calendar.freeze ?? []) {
    const [first = '', last = first] = freeze.split('/');
    if (date >= first && date <= last) return 0;
  }
  const weekday = name.toLowerCase();
  if (calendar.weekends === 'open' && (weekday === 'sat' || weekday === 'sun')) return Infinity;
  const before = WEEKDAYS[((WEEKDAYS as readonly string[]).indexOf(weekday) + 6) % 7] ?? '';
  let windows = Infinity;
  for (const { days, from, to, windows: limit = 0 } of calendar.quiet ?? []) {
    const today = days.includes(weekday) && clock >= from && (to <= from || clock < to);
    const overnight = to < from && days.includes(before) && clock < to;
    if (today || overnight) windows = Math.min(windows, limit);
  }
  return windows;
}

const QUARTER_MS = HOUR_MS / 4;
const quarter = fc
  .integer({ min: 0, max: 95 })
  .map((n) => `${String(Math.floor(n / 4)).padStart(2, '0')}:${String((n % 4) * 15).padStart(2, '0')}`);
const quiet = fc
  .record({
    days: fc.uniqueArray(fc.constantFrom<string>(...WEEKDAYS), { minLength: 1 }),
    from: quarter,
    to: fc.oneof(quarter, fc.constant('24:00')),
    windows: fc.integer({ min: 0, max: 2 }),
  })
  .filter(({ from, to }) => from !== to);
/** Zones with the days around which their clocks are set in 2026. */
const around = fc.constantFrom(
  ['Europe/Berlin', '2026-03-29'],
  ['Europe/Berlin', '2026-10-25'],
  ['America/New_York', '2026-03-08'],
  ['America/New_York', '2026-11-01'],
  ['Pacific/Chatham', '2026-04-05'],
  ['Pacific/Chatham', '2026-09-27'],
  ['Australia/Lord_Howe', '2026-04-05'],
  ['America/Santiago', '2026-09-06'],
  ['Asia/Kathmandu', '2026-01-05'],
);
const anyCase = fc
  .record({
    around,
    quiet: fc.array(quiet, { maxLength: 3 }),
    weekends: fc.constantFrom('open' as const, 'quiet' as const),
    freeze: fc.array(fc.tuple(fc.integer({ min: -4, max: 6 }), fc.integer({ min: 0, max: 3 })), { maxLength: 2 }),
    hours: fc.integer({ min: -72 * 4, max: 48 * 4 }),
  })
  .map(({ around: [timeZone = '', day = ''], hours, freeze, ...rest }) => {
    const date = (n: number) => instant(Date.parse(day) + n * 24 * HOUR_MS).slice(0, 10);
    const calendar: Calendar = { timeZone, ...rest, freeze: freeze.map(([n, more]) => `${date(n)}/${date(n + more)}`) };
    return { calendar, time: Date.parse(day) + hours * QUARTER_MS };
  });

test('around the days on which clocks are set: it says what the clock says, and `until` is the very next change', () => {
  fc.assert(
    fc.property(anyCase, ({ calendar, time }) => {
      const now = allowed(calendar, instant(time));
      const windows = oracle(calendar, time);
      expect(now.windows ?? Infinity).toBe(windows);
      expect(now.open).toBe(windows > 0);
      const end = now.until === null ? Infinity : ms(now.until);
      expect(end).toBeGreaterThan(time);
      for (let later = time; later < Math.min(end, time + 4 * 24 * HOUR_MS); later += QUARTER_MS)
        if (oracle(calendar, later) !== windows) expect.fail(`changes at ${instant(later)}, not at ${now.until}`);
      if (now.until !== null) expect(oracle(calendar, end)).not.toBe(windows);
    }),
    { numRuns: 150 },
  );
});
