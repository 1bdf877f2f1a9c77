import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { RefillError } from '../../src/domain/errors.ts';
import { isTenant, parseInstant, parseNames, parseRange, parseTenant, parseWhole } from '../../src/cli/parse.ts';

function codeOf(work: () => unknown): string {
  try {
    work();
    return 'nothing was thrown';
  } catch (error) {
    return error instanceof RefillError ? error.code : String(error);
  }
}

describe('parseInstant', () => {
  it.each([
    ['2026-01-05', '2026-01-05T00:00:00.000Z'],
    ['2024-02-29', '2024-02-29T00:00:00.000Z'],
    ['1969-12-31', '1969-12-31T00:00:00.000Z'],
    ['0001-01-01', '0001-01-01T00:00:00.000Z'],
    ['2026-01-05T06:00:00Z', '2026-01-05T06:00:00.000Z'],
    ['2026-01-05T06:00Z', '2026-01-05T06:00:00.000Z'],
    ['2026-01-05 06:00:00.5z', '2026-01-05T06:00:00.500Z'],
    ['2026-01-05T06:00:00.123000Z', '2026-01-05T06:00:00.123Z'],
    ['2026-01-05T01:00:00+02:00', '2026-01-04T23:00:00.000Z'],
    ['2026-01-05T23:00:00-0530', '2026-01-06T04:30:00.000Z'],
  ])('reads %s', (text, instant) => {
    expect(parseInstant(text, '--from')).toBe(instant);
  });

  it.each([
    '2026-02-30',
    '2026-02-29',
    '2026-13-01',
    '2026-00-10',
    '2026-01-00',
    '0000-01-01',
    '2026-1-5',
    '05.01.2026',
    'yesterday',
    '',
    ' 2026-01-05',
    '2026-01-05\n',
    '2026-01-05T06:00:00',
    '2026-01-05 06:00',
    '2026-01-05T24:00:00Z',
    '2026-01-05T06:60:00Z',
    '2026-01-05T06:00:60Z',
    '2026-01-05T06:00:00+25:00',
    '2026-01-05T06:00:00+02:75',
    '2026-01-05T06:00:00.1234Z',
    '2026-01-05T06:00:00 CET',
    '9999-12-31T23:00:00-05:00',
    '1767571200',
    "2026-01-05'; DROP TABLE score; --",
  ])('refuses %j', (text) => {
    expect(codeOf(() => parseInstant(text, '--from'))).toBe('RANGE_INVALID');
  });

  it('says that a zone is missing where that is all', () => {
    expect(() => parseInstant('2026-01-05T06:00:00', '--from')).toThrow(/no zone/u);
  });

  it('reads every instant that it is written back from, in every zone', () => {
    const dates = fc.date({
      min: new Date('0001-01-02T00:00:00Z'),
      max: new Date('9999-12-30T00:00:00Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(dates, fc.integer({ min: -15 * 60, max: 15 * 60 }), (date, minutes) => {
        expect(parseInstant(date.toISOString(), '--from')).toBe(date.toISOString());
        const local = new Date(date.getTime() + minutes * 60_000).toISOString().slice(0, -1);
        const size = Math.abs(minutes);
        const zone = `${minutes < 0 ? '-' : '+'}${String(Math.floor(size / 60)).padStart(2, '0')}:${String(size % 60).padStart(2, '0')}`;
        expect(parseInstant(`${local}${zone}`, '--from')).toBe(date.toISOString());
      }),
    );
  });

  it('never gives anything but an instant or RANGE_INVALID', () => {
    const texts = fc.oneof(
      fc.string(),
      fc.stringMatching(/^\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2})?(\.\d+)?(Z|[+-]\d{2}:?\d{2})?$/u),
    );
    fc.assert(
      fc.property(texts, (text) => {
        let instant = '';
        const code = codeOf(() => {
          instant = parseInstant(text, '--to');
        });
        if (code !== 'RANGE_INVALID') expect(instant).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/u);
      }),
    );
  });
});

describe('parseRange', () => {
  it('takes the end as not part of it', () => {
    expect(parseRange('2026-01-05', '2026-01-06')).toEqual({
      from: '2026-01-05T00:00:00.000Z',
      to: '2026-01-06T00:00:00.000Z',
    });
  });

  it.each([
    ['2026-01-05', '2026-01-05'],
    ['2026-01-06', '2026-01-05'],
    ['2026-01-05T02:00:00+02:00', '2026-01-05'],
    [undefined, '2026-01-05'],
    ['2026-01-05', undefined],
    ['', ''],
  ])('refuses %j to %j', (from, to) => {
    expect(codeOf(() => parseRange(from, to))).toBe('RANGE_INVALID');
  });
});

describe('parseTenant', () => {
  it('takes names of any characters but the slash', () => {
    const names = fc.string({ minLength: 1, unit: 'binary' }).filter((name) => !name.includes('/'));
    fc.assert(
      fc.property(names, names, (customer, profile) => {
        expect(parseTenant(`${customer}/${profile}`)).toEqual({ customer, profile });
        expect(isTenant(`${customer}/${profile}`)).toBe(true);
      }),
    );
  });

  it.each(['', '/', 'a', 'a/', '/b', 'a/b/c', '//'])('refuses %j', (text) => {
    expect(codeOf(() => parseTenant(text))).toBe('USAGE');
  });
});

describe('parseNames', () => {
  it('takes each once, in the order given', () => {
    expect(parseNames('b, a,b', '--tables')).toEqual(['b', 'a']);
  });

  it.each(['', ',', 'a,', ',a', 'a,,b', ' '])('refuses %j', (text) => {
    expect(codeOf(() => parseNames(text, '--tables'))).toBe('USAGE');
  });
});

describe('parseWhole', () => {
  it.each(['', '-1', '1.5', '1e3', '0x10', 'ten', '9007199254740993', ' 1'])('refuses %j', (text) => {
    expect(codeOf(() => parseWhole(text, '--seed'))).toBe('USAGE');
  });

  it('takes what is at least as much as it must be', () => {
    expect(parseWhole('007', '--seed')).toBe(7);
    expect(codeOf(() => parseWhole('0', '--limit', 1))).toBe('USAGE');
  });
});
