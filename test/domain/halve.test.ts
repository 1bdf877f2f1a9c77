import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { halve, isHalved } from '../../src/domain/halve.ts';
import { HOUR_MS, instant, ms } from '../../src/domain/windows.ts';

const at = (time: string) => `2026-01-05T${time}:00.000Z`;
/** Where `[from, to)` is cut. */
const cutOf = (from: string, to: string) => halve({ from: at(from), to: at(to) })?.windows[0].to.slice(11, 16);

test('three failures that less work helps against', () => {
  expect(isHalved(['PG_BUSY', 'CH_BUSY', 'PG_BUSY'])).toBe(true);
  expect(isHalved(['PG_BUSY', 'PG_BUSY'])).toBe(false);
  expect(isHalved(['PG_BUSY', 'PG_BUSY', 'CH_VALUE', 'CH_UNREACHABLE', 'CH_TOO_MANY_PARTS'])).toBe(false);
  expect(isHalved(['PG_BUSY', 'CH_VALUE', 'PG_BUSY', 'CH_UNREACHABLE', 'CH_BUSY'])).toBe(true);
});

test('an hour in the middle, and the earlier of two', () => {
  expect(cutOf('00:00', '12:00')).toBe('06:00');
  expect(cutOf('00:00', '03:00')).toBe('01:00');
  expect(cutOf('00:20', '03:00')).toBe('02:00');
  expect(halve({ from: at('00:00'), to: at('02:00') })?.notice).toBeNull();
});

test('under an hour of range only with a notice', () => {
  const hour = halve({ from: at('10:00'), to: at('11:00') });
  expect(hour?.windows.map((w) => w.to.slice(11, 16))).toEqual(['10:30', '11:00']);
  expect(hour?.notice).toBe(
    'the window 2026-01-05T10:00:00.000Z to 2026-01-05T11:00:00.000Z is cut at 2026-01-05T10:30:00.000Z, ' +
      'which leaves less than an hour of range (30 min): it failed 3 times at its size',
  );
  expect(cutOf('00:30', '01:45')).toBe('01:00');
  expect(halve({ from: at('00:30'), to: at('01:45') })?.notice).toContain('30 min');
});

test('what is too short to cut stays whole', () => {
  expect(halve({ from: at('10:00'), to: at('10:01') })).toBeNull();
  expect(halve({ from: '2026-01-05T10:00:30.000Z', to: '2026-01-05T10:02:00.000Z' })).toBeNull();
});

test('halves cover the window, both are shorter, at an hour where there is one, and never under an hour unsaid', () => {
  const base = Date.parse('2026-01-01T00:00:00Z');
  fc.assert(
    fc.property(
      fc.integer({ min: 0, max: 3 * 24 * HOUR_MS }),
      fc.integer({ min: 1, max: 40 * HOUR_MS }),
      (start, length) => {
        const window = { from: instant(base + start), to: instant(base + start + length) };
        const halved = halve(window);
        if (!halved) {
          expect(length).toBeLessThan(3 * 60_000);
          return;
        }
        const [first, second] = halved.windows;
        expect([first.from, first.to, second.to]).toEqual([window.from, second.from, window.to]);
        const lengths = [first, second].map(({ from, to }) => ms(to) - ms(from));
        expect(Math.min(...lengths)).toBeGreaterThanOrEqual(60_000);
        expect(halved.notice === null).toBe(Math.min(...lengths) >= HOUR_MS);
        const hourInside = Math.ceil((base + start + 60_000) / HOUR_MS) * HOUR_MS <= base + start + length - 60_000;
        if (hourInside) expect(ms(first.to) % HOUR_MS).toBe(0);
        if (length >= 3 * HOUR_MS) expect(halved.notice).toBeNull();
      },
    ),
  );
});
