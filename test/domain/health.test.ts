import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { type Health, judge, type Reading, reading } from '../../src/domain/health.ts';
import {
  DEFAULT_HEALTH_LIMITS,
  healthProblems,
  HEALTH_STATES,
  INDICATOR_KEYS,
  type IndicatorKey,
  INDICATORS,
} from '../../src/domain/indicators.ts';

const mutations = (value: number | null) => reading('unfinishedMutations', 'score', value);

/** The states that values one after another lead to. */
function states(key: IndicatorKey, values: readonly (number | null)[]): string[] {
  let health: Health | null = null;
  return values.map((value) => {
    health = judge(health, [reading(key, 'x', value)]);
    return health.state;
  });
}

test('mutations hold at 40 and go on under 15, not in between', () => {
  expect(states('unfinishedMutations', [0, 24, 25, 39, 40, 60, 39, 15, 14, 15])).toEqual([
    'go',
    'go',
    'slow',
    'slow',
    'hold',
    'hold',
    'hold',
    'hold',
    'go',
    'go',
  ]);
});

test('slow, too, ends only under what it goes on at', () => {
  expect(states('unfinishedMutations', [25, 24, 15, 14])).toEqual(['slow', 'slow', 'slow', 'go']);
});

test('where less is worse, limits are read the other way round', () => {
  expect(states('freeConnections', [50, 15, 5, 9, 10, 11, 16])).toEqual([
    'go',
    'slow',
    'hold',
    'hold',
    'hold',
    'slow',
    'go',
  ]);
});

test.each<[IndicatorKey, string, number, string]>([
  ['unfinishedMutations', 'score', 42, '42 unfinished mutations on score (stops at 40, goes on under 15)'],
  [
    'unfinishedMutations',
    'score',
    30,
    '30 unfinished mutations on score (slow from 25, stops at 40, goes on under 15)',
  ],
  [
    'partsAboveBaseline',
    'score 202601',
    1234,
    '1,234 parts above the baseline on score 202601 (stops at 100, goes on under 50)',
  ],
  ['replicaLag', 'ch-2', 3900, 'replica lag 1 h 5 min on ch-2 (stops at 1 h, goes on under 10 min)'],
  ['diskFreeShare', 'ch-1', 0.011, 'free disk 1.1 % on ch-1 (stops at 2 %, goes on over 4 %)'],
  ['diskFreeBytes', 'ch-1', 0.5 * 1024 ** 3, 'free disk 512 MiB on ch-1 (stops at 1 GiB, goes on over 2 GiB)'],
  ['freeConnections', 'pg-1', 4, '4 free connections on pg-1 (stops at 5, goes on over 10)'],
])('%s names its value and limits', (key, subject, value, reason) => {
  expect(judge(null, [reading(key, subject, value)]).reason).toBe(reason);
});

test('the worst indicator gives the reason, and each keeps its own state', () => {
  const first = judge(null, [mutations(50), reading('activeSessions', 'pg-1', 45)]);
  expect(first).toMatchObject({ state: 'hold', reason: expect.stringContaining('50 unfinished mutations') });
  const second = judge(first, [mutations(10), reading('activeSessions', 'pg-1', 35)]);
  expect(second).toMatchObject({ state: 'slow', reason: expect.stringContaining('35 active sessions on pg-1') });
  expect(judge(second, [mutations(20), reading('activeSessions', 'pg-1', 29)])).toMatchObject({
    state: 'go',
    reason: null,
  });
});

test('free disk in bytes and as a share are two indicators', () => {
  const health = judge(null, [reading('diskFreeShare', 'ch-1', 0.01), reading('diskFreeBytes', 'ch-1', 1024 ** 4)]);
  expect(
    judge(health, [reading('diskFreeShare', 'ch-1', 0.5), reading('diskFreeBytes', 'ch-1', 1024 ** 4)]).state,
  ).toBe('go');
});

test('what was never known is not healthy', () => {
  expect(judge(null, [mutations(null)])).toMatchObject({
    state: 'slow',
    reason: 'unfinished mutations on score unknown for 1 look, and never known before',
  });
  expect(judge(null, []).state).toBe('slow');
});

test('unknown keeps the last state, and slows after three looks', () => {
  expect(states('unfinishedMutations', [0, null, null, null, null, 0])).toEqual([
    'go',
    'go',
    'go',
    'slow',
    'slow',
    'go',
  ]);
  // What only unknown looks slowed was never beyond a limit that it would have to get under again.
  expect(states('unfinishedMutations', [20, null, null, null, 20])).toEqual(['go', 'go', 'go', 'slow', 'go']);
  let health = judge(null, [mutations(3)]);
  for (let look = 0; look < 3; look++) health = judge(health, [mutations(null)]);
  expect(health.reason).toBe('unfinished mutations on score unknown for 3 looks (slow from 3)');
});

test('a hold stays one however long nothing is seen, and says what was last known', () => {
  expect(states('unfinishedMutations', [45, null, null, null, null, 20, 10])).toEqual([
    'hold',
    'hold',
    'hold',
    'hold',
    'hold',
    'hold',
    'go',
  ]);
  const health = judge(judge(null, [mutations(45)]), [mutations(null)]);
  expect(health.reason).toBe(
    'unfinished mutations on score unknown for 1 look; ' +
      'last known: 45 unfinished mutations on score (stops at 40, goes on under 15)',
  );
});

test('a side of which nothing is told is unknown; an indicator that is left out is done with', () => {
  const sessions = reading('activeSessions', 'pg-1', 3);
  const held = judge(null, [mutations(45), sessions]);
  expect(judge(held, [sessions]).state).toBe('hold');
  const another = reading('unfinishedMutations', 'card', 0);
  expect(judge(held, [another, sessions]).state).toBe('go');
});

test('not a number is unknown', () => {
  expect(states('unfinishedMutations', [45, Number.NaN])).toEqual(['hold', 'hold']);
});

test('the default limits are in order, and others are found out', () => {
  expect(healthProblems(DEFAULT_HEALTH_LIMITS)).toEqual([]);
  const wrong = {
    ...DEFAULT_HEALTH_LIMITS,
    unfinishedMutations: { slow: 5, stop: 10, resume: 15 },
    freeConnections: { slow: 3, stop: 5, resume: 10 },
    lockWaits: { slow: Number.NaN, stop: 5, resume: 1 },
    unknownLooks: 0,
  };
  expect(healthProblems(wrong)).toEqual([
    'unfinishedMutations: stop (10) has to be worse than resume (15)',
    'lockWaits: slow, stop and resume are numbers of 0 or more',
    'freeConnections: stop (5) has to be worse than slow (3)',
    'unknownLooks: a whole number from 1',
  ]);
});

test('every indicator has limits of its own and says why', () => {
  for (const key of INDICATOR_KEYS) {
    expect(DEFAULT_HEALTH_LIMITS[key]).toEqual(INDICATORS[key].defaults);
    expect(INDICATORS[key].why).toMatch(/^[A-Z].*\.$/u);
  }
});

const look: fc.Arbitrary<Reading[]> = fc
  .uniqueArray(fc.tuple(fc.constantFrom(...INDICATOR_KEYS), fc.constantFrom('a', 'b')), { selector: String })
  .chain((which) =>
    fc.tuple(
      ...which.map(([key, subject]) => {
        const { stop, resume } = INDICATORS[key].defaults;
        return fc
          .option(fc.double({ min: 0, max: 1.5 * Math.max(stop, resume), noNaN: true }), { freq: 4 })
          .map((value) => reading(key, subject, value));
      }),
    ),
  );

test('in any order of looks: beyond stop is hold, go is known and better than slow, and a reason is always given', () => {
  fc.assert(
    fc.property(fc.array(look, { minLength: 1, maxLength: 12 }), (looks) => {
      let health: Health | null = null;
      for (const readings of looks) {
        const last: Health | null = health;
        health = judge(last, readings);
        expect(health.reason === null).toBe(health.state === 'go');
        for (const one of health.indicators) {
          expect(HEALTH_STATES.indexOf(one.state)).toBeLessThanOrEqual(HEALTH_STATES.indexOf(health.state));
          expect(one.reason === null).toBe(one.state === 'go');
          const before = last?.indicators.find(
            (b) => b.name === one.name && b.unit === one.unit && b.subject === one.subject,
          );
          if (one.value === null) {
            // Not seen: never better than before, and never fine for good.
            if (before?.known)
              expect(HEALTH_STATES.indexOf(one.state)).toBeGreaterThanOrEqual(
                HEALTH_STATES.indexOf(before.known.state),
              );
            if (one.state === 'go') expect(one.unknown).toBeLessThan(DEFAULT_HEALTH_LIMITS.unknownLooks);
            continue;
          }
          const beyond = (limit: number) =>
            one.worse === 'more' ? (one.value ?? 0) >= limit : (one.value ?? 0) <= limit;
          if (beyond(one.stop)) expect(one.state).toBe('hold');
          if (one.state === 'hold' && !beyond(one.stop)) expect(before?.known?.state).toBe('hold');
          if (one.state === 'go') expect(beyond(one.slow)).toBe(false);
          if (before?.known && before.known.state !== 'go' && one.state === 'go')
            expect(beyond(one.resume)).toBe(false);
        }
      }
    }),
  );
});
