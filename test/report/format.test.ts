import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { brief, count, counted, duration, instant, percent, range, visible } from '../../src/report/format.ts';

describe('numbers', () => {
  it('have thousands separators, and unknown is not zero', () => {
    expect([count(0), count(1_234_567), count(null)]).toEqual(['0', '1,234,567', '—']);
    expect([counted(1, 'row'), counted(2000, 'row')]).toEqual(['1 row', '2,000 rows']);
  });

  it('never turn something into nothing, nor nearly all into all', () => {
    expect([percent(0, 10), percent(1, 1_000_000), percent(999, 1000), percent(5, 5), percent(0, 0)]).toEqual([
      '0 %',
      '< 0.01 %',
      '99 %',
      '100 %',
      '—',
    ]);
  });
});

describe('times', () => {
  it('are said as a person says them', () => {
    expect([0.42, 9.96, 42, 60, 200, 7500, 356_400].map(duration)).toEqual([
      '0.4 s',
      '10 s',
      '42 s',
      '1 min',
      '3 min 20 s',
      '2 h 5 min',
      '4 d 3 h',
    ]);
    expect(duration(null)).toBe('—');
  });

  it('leave out what says nothing', () => {
    expect(range({ from: '2026-01-05T00:00:00.000Z', to: '2026-01-05T06:00:00.000Z' })).toBe(
      '2026-01-05 to 2026-01-05 06:00',
    );
    expect(instant('2026-01-05T00:00:07.120Z')).toBe('2026-01-05 00:00:07.120');
  });
});

describe('visible', () => {
  it('lets no control character and no change of direction through', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(visible(text)).not.toMatch(/[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
      }),
    );
    expect(visible('a\u001b[31mb\n\tc\u202e')).toBe('a\\u001b[31mb\\n\\tc\\u202e');
    expect(visible('Größe 😀 名前')).toBe('Größe 😀 名前');
  });

  it('is cut in the middle', () => {
    expect(brief('abcdefghij', 5)).toBe('ab…ij');
  });
});
