import { describe, expect, it } from 'vitest';

import { writeReport } from '../../src/report/report.ts';
import type { ReportInput } from '../../src/report/summary.ts';
import { DETAILS, PLAN, RUN, drift } from './details.ts';

const NASTY = '<script>alert(1)</script>"\'&|`*_[x](javascript:1)\u202e\n# x';

/** The run of somebody whose every name is an attack. */
const HOSTILE: ReportInput = {
  ...DETAILS,
  run: { ...RUN, tenant: { ...RUN.tenant, customer: NASTY, profile: NASTY }, dataset: NASTY },
  plan: {
    ...PLAN,
    createdBy: NASTY,
    tables: [NASTY],
    counts: PLAN.counts.map((counts) => ({ ...counts, table: NASTY, excluded: { [NASTY]: 5 } })),
    days: PLAN.days.map((day) => ({ ...day, table: NASTY })),
    warnings: [{ code: 'OWNER_UNCLEAR', message: NASTY }],
    deletes: [{ id: 1, ...PLAN.range, tables: [{ table: NASTY, rows: 1, sql: `DELETE ${NASTY}` }] }],
  },
  proofs: DETAILS.proofs.map((proof) => ({ ...proof, table: NASTY, excluded: { [NASTY]: 5 } })),
  drift: [drift({ table: NASTY, key: NASTY, kind: 'extra', reason: NASTY, columns: [NASTY] })],
  windows: DETAILS.windows.map((window) => ({
    ...window,
    error: { code: 'BUG', message: NASTY, source: 'refill', action: 'bug', hint: NASTY, details: {} },
  })),
  audit: [{ at: RUN.createdAt, actor: { user: NASTY, host: NASTY, pid: 1 }, action: NASTY, subject: '', details: {} }],
};

describe('the Markdown report', () => {
  it('says what the run did', () => {
    const page = writeReport(DETAILS, 'markdown');
    expect(page).toContain('# Refill of acme/main, 2026-01-05 to 2026-01-08: differences');
    expect(page).toContain('| score | 4,700 | 3,500 | 3,500 | 1 | 1 | 0 | 0 | 0 | 2 of 2 |');
    expect(page).toContain('| reason | score |\n| --- | ---: |\n| appeal | 1,200 |');
    expect(page).toContain('| score | sc-2 | extra | appeal | — |');
    expect(page).toContain('- RANGE_NOT_OVER: the range is not over yet');
    expect(page).toContain('987654321');
    expect(page).toContain('ada@desk');
    expect(page).toContain('ALTER TABLE `score`\nDELETE WHERE 1');
  });

  it('lets no name become markup, a heading or another cell', () => {
    const page = writeReport(HOSTILE, 'markdown');
    const text = page.replace(/^```sql\n[\s\S]*?^```$/gmu, '');
    expect(text).not.toMatch(/<script/u);
    expect(text).not.toContain('[x](');
    expect(text).not.toMatch(/^# x/mu);
    // A row has as many cells as its head, whatever stands in them.
    const cells = (line: string) => (line.match(/(?<!\\)\|/gu) ?? []).length;
    for (const part of text.split('\n\n').filter((block) => block.startsWith('| '))) {
      const [head = '', ...rows] = part.trim().split('\n');
      for (const row of rows) expect(cells(row)).toBe(cells(head));
    }
  });

  it('names a hundred differences and says how many more there are', () => {
    const many = Array.from({ length: 150 }, (_, index) => drift({ key: `k-${index}` }));
    const page = writeReport({ ...DETAILS, run: { ...RUN, differences: 4321 }, drift: many }, 'markdown');
    expect(page).toContain('k-99 ');
    expect(page).not.toContain('k-100 ');
    expect(page).toContain('4,221 more differences of 4,321');
  });
});

describe('the HTML report', () => {
  it('is one file that loads nothing and escapes everything', () => {
    const page = writeReport(HOSTILE, 'html');
    expect(page).not.toMatch(/<script/iu);
    expect(page).not.toMatch(/\b(src|href|@import|url\()/u);
    expect(page).not.toContain('\u202e');
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;');
  });

  it('closes every element that it opens', () => {
    for (const input of [DETAILS, HOSTILE]) {
      const open: string[] = [];
      for (const [, slash, name = '', self] of writeReport(input, 'html').matchAll(
        /<(\/?)([a-z][a-z0-9]*)\b[^>]*?(\/?)>/gu,
      )) {
        if (self === '/' || name === 'meta') continue;
        if (slash === '/') expect(open.pop()).toBe(name);
        else open.push(name);
      }
      expect(open).toEqual([]);
    }
  });

  it('draws before, source and after, and nothing where nothing is proven', () => {
    const path = (page: string, kind: string) =>
      new RegExp(`<path class="${kind}" d="([^"]*)"`, 'u').exec(page)?.[1] ?? '';
    const page = writeReport(DETAILS, 'html');
    const height = (rows: number) => (12 + 182 * (1 - rows / 2000)).toFixed(1);
    // Three days, the highest of 1,700 rows: the axis ends at 2,000.
    expect(path(page, 'before')).toBe(
      `M72.0 194.0V${height(1400)}H368.0V${height(1600)}H664.0V${height(1700)}H960.0V194.0`,
    );
    expect(path(page, 'source')).toBe(
      `M72.0 ${height(1000)}V${height(1000)}H368.0V${height(1100)}H664.0V${height(1400)}H960.0`,
    );
    expect(path(page, 'after')).toBe(
      `M72.0 194.0V${height(1000)}H368.0V${height(1100)}H664.0V${height(1400)}H960.0V194.0`,
    );
    expect(page).toContain('2026-01-05 to 2026-01-06: before 1,400, source 1,000, after 1,000');
    const unproven = writeReport({ ...DETAILS, proofs: [] }, 'html');
    expect(path(unproven, 'after')).toBe('');
    expect(unproven).toContain('source 1,000, after not proven');
    expect(page).toContain('prefers-color-scheme: dark');
  });
});

describe('the JSON report', () => {
  it('has everything, as it was', () => {
    expect(JSON.parse(writeReport(HOSTILE, 'json'))).toMatchObject({
      run: { id: 'r-1', tenant: { customer: NASTY } },
      tables: [{ table: NASTY, after: 3500 }],
      drift: [{ key: NASTY }],
      plan: { id: 'p-1' },
      mutations: null,
    });
  });
});
