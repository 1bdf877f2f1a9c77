import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { rowsPerDay, series, type Piece } from '../../src/report/series.ts';
import { addExcluded, failures, latestProofs, tableSummaries } from '../../src/report/summary.ts';
import { DETAILS, PLAN, proof, RUN, windowRecord } from './details.ts';

describe('tableSummaries', () => {
  it('takes before from the plan, after, source and exclusions from the proofs', () => {
    expect(tableSummaries(DETAILS)).toMatchObject([
      {
        table: 'score',
        before: 4700,
        source: 3500,
        sourceProven: true,
        after: 3500,
        excluded: { appeal: 1200 },
        missing: 1,
        extra: 1,
      },
    ]);
  });

  it('does not know after, which is not zero, until every window is proven', () => {
    const [first] = DETAILS.proofs;
    const [table] = tableSummaries({ ...DETAILS, proofs: first === undefined ? [] : [first] });
    expect(table).toMatchObject({ after: null, sourceProven: false, source: 3500, windowsProven: 1 });
  });

  it('counts a window that was proven twice once, as it was proven last', () => {
    const earlier = {
      ...proof(1, '2026-01-05T00:00:00.000Z', '2026-01-07T00:00:00.000Z', 9),
      snapshot: '2026-02-01T09:00:00.000Z',
    };
    expect(latestProofs([...DETAILS.proofs, earlier])).toEqual(DETAILS.proofs);
    expect(latestProofs([earlier, ...DETAILS.proofs])).toEqual(DETAILS.proofs);
  });
});

describe('failures', () => {
  it('names the run, then deletes, then windows', () => {
    const error = {
      code: 'CH_BUSY',
      message: 'm',
      source: 'clickhouse',
      action: 'retry',
      hint: 'h',
      details: {},
    } as const;
    const details = {
      ...DETAILS,
      run: { ...RUN, error },
      windows: [{ ...windowRecord(2), error }],
      deletes: [{ id: 1, ...PLAN.range, state: 'failed' as const, error }],
    };
    expect(failures(details).map(({ where }) => where)).toEqual(['the run', 'delete 1', 'window 2']);
  });
});

describe('addExcluded', () => {
  it('sums by reason', () => {
    expect(addExcluded([{ a: 1, b: 2 }, { b: 3 }])).toEqual({ a: 1, b: 5 });
  });
});

const total = (pieces: readonly Piece[]) => pieces.reduce((sum, piece) => sum + piece.rows, 0);
const spans = (pieces: readonly Piece[]) =>
  pieces.map(({ from, to, rows }) => [from.slice(8, 13), to.slice(8, 13), rows]);

describe('series', () => {
  it('shows after by day where the window was proven equal, else by window', () => {
    const { before, source, after } = series(DETAILS, 'score');
    expect([total(before), total(source), total(after)]).toEqual([4700, 3500, 3500]);
    expect(spans(after)).toEqual([
      ['05T00', '06T00', 1000],
      ['06T00', '07T00', 1100],
      // Of the second window, a row is missing and one is extra: on which day, the sums do not say.
      ['07T00', '08T00', 1400],
    ]);
  });

  it('does not spread a window over days that do not add up to it', () => {
    const proofs = [proof(1, '2026-01-05T00:00:00.000Z', '2026-01-07T00:00:00.000Z', 2105)];
    expect(spans(series({ ...DETAILS, proofs }, 'score').after)).toEqual([['05T00', '07T00', 2105]]);
  });

  it('leaves a gap where nothing is proven', () => {
    expect(series({ ...DETAILS, proofs: [] }, 'score').after).toEqual([]);
  });

  it('cuts the first and the last day to the range', () => {
    const range = { from: '2026-01-05T06:00:00.000Z', to: '2026-01-07T18:00:00.000Z' };
    const { before } = series({ ...DETAILS, plan: { ...PLAN, range } }, 'score');
    expect(spans(before)).toEqual([
      ['05T06', '06T00', 1400],
      ['06T00', '07T00', 1600],
      ['07T00', '07T18', 1700],
    ]);
  });
});

describe('rowsPerDay', () => {
  it('makes pieces of any length comparable: the area is the rows', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), fc.integer({ min: 0, max: 1e9 }), (hours, rows) => {
        const start = Date.parse('2026-01-01T00:00:00.000Z');
        const to = new Date(start + hours * 3_600_000).toISOString();
        const rate = rowsPerDay({ from: '2026-01-01T00:00:00.000Z', to, rows });
        expect((rate * hours) / 24).toBeCloseTo(rows, 3);
      }),
    );
  });
});
