import { describe, expect, it } from 'vitest';

import { PLAIN, paint } from '../../src/cli/paint.ts';
import { commandLine, quote, rangeWords } from '../../src/cli/shell.ts';
import { doctorView } from '../../src/cli/views/doctor.ts';
import { explainJson, explainView } from '../../src/cli/views/explain.ts';
import { fleetPlanView } from '../../src/cli/views/fleet-plan.ts';
import { planJson, planView } from '../../src/cli/views/plan.ts';
import { resultView, verifyView } from '../../src/cli/views/result.ts';
import { statusJson, statusView } from '../../src/cli/views/status.ts';
import { surveyView, tenantsView } from '../../src/cli/views/survey.ts';
import { planOrder, reachOf } from '../../src/domain/fleet.ts';
import type { PlannedTableDelete } from '../../src/domain/plan.ts';
import type { Explanation, RunResult, VerifiedTable, VerifyResult } from '../../src/domain/events.ts';
import { DETAILS, PLAN, RUN } from '../report/details.ts';
import { bash } from './built.ts';

const ESCAPE = '\u001b';
const NASTY = `a${ESCAPE}[2Jb\nc\u202e`;

const TABLE: VerifiedTable = {
  table: 'score',
  source: 3500,
  target: 3501,
  missing: 1,
  extra: 2,
  stale: 0,
  duplicated: 0,
  unexplained: 0,
  surplus: 2,
  unsettled: 0,
  excluded: { appeal: 1200, chapter: 0 },
  keys: { missing: ['sc-1'], extra: ['sc-2', NASTY], stale: [], duplicated: [] },
};
const VERIFIED: VerifyResult = {
  verification: 'v-1',
  ok: false,
  snapshot: '2026-02-01T10:01:30.000Z',
  tenant: { customer: 'acme', profile: 'main' },
  range: PLAN.range,
  tables: [TABLE],
  unproven: [],
  reasons: [{ table: 'score', kind: 'extra', reason: 'appeal', rows: 2, columns: {} }],
};
const RESULT: RunResult = {
  type: 'result',
  run: 'r-1',
  state: 'differences',
  differences: 3,
  rowsDeleted: 4700,
  rowsDeletedAgain: 0,
  rowsSentAgain: 0,
  rowsWrittenAgain: 0,
  rowsSent: 0,
  rowsWritten: 3500,
  seconds: 60,
  tables: [TABLE],
  dependents: [],
  unproven: [],
};
const EXPLAINED: Explanation = {
  id: 'sc-2',
  tenant: VERIFIED.tenant,
  table: 'score',
  verdict: 'extra',
  reason: 'appeal',
  why: 'It is an appeal.',
  source: { present: true, excluded: 'appeal', time: '2026-01-05T06:00:00.000Z' },
  target: [{ time: '2026-01-05T06:00:00.000Z', version: '2026-01-06 00:00:00', equal: false, columns: [NASTY] }],
};

describe('a plan', () => {
  it('shows counts, windows, deletes with SQL, cost, warnings and the next command', () => {
    const text = planView(PLAN, 'refill run p-1 --execute', PLAIN);
    expect(text).toMatch(/score +4,700 +4,690 +3,500/u);
    expect(text).toMatch(/appeal +1,200/u);
    expect(text).toMatch(/2 {2}2026-01-07 to 2026-01-08 +1,400/u);
    expect(text).toContain('ALTER TABLE `score`\n    DELETE WHERE 1');
    expect(text).toContain('about 12 s at 285 rows/s');
    expect(text).toContain('! RANGE_NOT_OVER the range is not over yet');
    expect(text.endsWith('Next\n  refill run p-1 --execute')).toBe(true);
    expect(text).not.toContain('COPY');
    expect(planView(PLAN, '', PLAIN, { sql: true })).toContain('COPY (SELECT 1) TO STDOUT');
  });

  it('shows how each delete removes its rows, and of which share that follows', () => {
    const deletes = (more: Partial<PlannedTableDelete>) =>
      planView(
        {
          ...PLAN,
          deletes: PLAN.deletes.map((del) => ({ ...del, tables: del.tables.map((t) => ({ ...t, ...more })) })),
        },
        '',
        PLAIN,
      );
    expect(deletes({ kind: 'lightweight', share: 0.0321 })).toMatch(/score +4,700 +3\.2 % +lightweight/u);
    expect(deletes({ kind: 'rewrite', share: null })).toMatch(/score +4,700 +— +rewrite/u);
    // As plans from before there was a choice.
    expect(deletes({})).toMatch(/score +4,700 +— +rewrite/u);
  });

  it('has its id twice in JSON, as the contract has it and as the library does', () => {
    expect(planJson(PLAN)).toMatchObject({
      plan: 'p-1',
      strategy: 'replace',
      windows: [{ from: '2026-01-05T00:00:00.000Z', to: '2026-01-07T00:00:00.000Z', sourceRows: 2100 }, {}],
      warnings: [{ code: 'RANGE_NOT_OVER' }],
    });
  });
});

describe('a fleet plan', () => {
  it('tells each warning with the tenants that it is about, and never with the numbers of another one', () => {
    const member = (customer: string, warnings: typeof PLAN.warnings) => ({
      customer,
      profile: 'main',
      cluster: 'east',
      priority: 0,
      plan: 'p-1',
      problem: null,
      rowsBefore: 1,
      rowsToDelete: 1,
      rowsToWrite: 1,
      rowsToRewrite: 1,
      warnings,
    });
    const twice = { code: 'READERS_COUNT_TWICE', message: 'readers may count twice' } as const;
    const smaller = (customer: string) =>
      ({ code: 'SOURCE_SMALLER', message: `the source of ${customer} has 3 rows` }) as const;
    const members = planOrder([
      member('acme', [twice]),
      ...['b1', 'b2', 'b3', 'b4', 'b5', 'b6'].map((name) => member(name, [twice, smaller(name)])),
    ]);
    const head = { id: 'f-1', createdAt: '2026-02-01T10:00:00.000Z', createdBy: 'u@h', dataset: 'scorecards' };
    const plan = { ...head, request: { range: PLAN.range }, members, unknown: [], reach: reachOf(members) };
    const text = fleetPlanView(plan, 'refill run f-1 --execute', PLAIN);
    expect(text).toContain('! READERS_COUNT_TWICE (every tenant) readers may count twice');
    expect(text.match(/! SOURCE_SMALLER .*/gu)).toEqual(
      ['b1', 'b2', 'b3'].map((name) => `! SOURCE_SMALLER (${name}/main) the source of ${name} has 3 rows`),
    );
    expect(text).toContain('… and 3 more of SOURCE_SMALLER');
  });
});

describe('a result', () => {
  const view = (result: RunResult, strategy: 'purge' | 'replace') => resultView({ result, strategy }, PLAIN, {});

  it('names what differs and what can be done', () => {
    const text = view(RESULT, 'replace');
    expect(text).toContain('✗ Done, and rows that differ are left');
    expect(text).toMatch(/score +3,500 +3,501 +1 +2 +0 +0/u);
    expect(text).toContain('score missing: sc-1');
    expect(text).toContain('refill retry r-1');
  });

  it('warns where a purge stops with rows deleted that are not written', () => {
    const sent = { ...RESULT, state: 'paused', rowsSent: 26_736 } as const;
    expect(view(sent, 'purge')).toContain('Readers miss');
    expect(view(sent, 'purge')).toContain('4,700 rows, and up to 26,736 more by deletes that were sent');
    expect(view(sent, 'replace')).not.toContain('Readers miss');
    expect(view({ ...sent, rowsSent: 0 }, 'purge')).not.toContain('Readers miss');
    expect(view({ ...RESULT, state: 'succeeded' }, 'purge')).not.toContain('Readers miss');
  });

  it('carries --config on to the next command', () => {
    const text = resultView({ result: { ...RESULT, state: 'paused' }, strategy: 'replace' }, PLAIN, {
      config: 'my conf.yaml',
    });
    expect(text).toContain("refill resume r-1 --config 'my conf.yaml'");
  });
});

describe('a status', () => {
  it('tells a run that was killed from one that is at work', () => {
    const running = { ...RUN, state: 'running' as const };
    const killed = statusView({ ...DETAILS, run: running }, PLAIN, {});
    expect(killed).toContain('Run r-1  interrupted');
    expect(killed).toContain('refill resume r-1');
    const holder = { user: 'ada', host: 'desk', pid: 7, since: RUN.createdAt };
    const member = statusView({ ...DETAILS, fleet: 'f-1' }, PLAIN, {});
    expect(member).toMatch(/fleet +f-1 refill status f-1/u);
    const alive = statusView({ ...DETAILS, run: { ...running, holder } }, PLAIN, {});
    expect(alive).toContain('Run r-1  running');
    expect(alive).toContain('ada@desk, process 7');
    expect(alive).toContain('refill pause r-1');
  });

  it('is an object with the run, its state and its windows', () => {
    expect(statusJson(DETAILS)).toMatchObject({ run: 'r-1', state: 'differences', windowStates: { done: 2 } });
  });
});

describe('text from databases', () => {
  it('neither moves the cursor nor forges a line', () => {
    const tenant = { customer: NASTY, profile: NASTY };
    const nasty = { ...PLAN.tenant, ...tenant };
    const counts = PLAN.counts.map((one) => ({ ...one, table: NASTY, excluded: { [NASTY]: 1 } }));
    const days = PLAN.days.map((one) => ({ ...one, table: NASTY }));
    const texts = [
      planView({ ...PLAN, tenant: nasty, counts, warnings: [{ code: 'SOURCE_SCAN', message: NASTY }] }, 'next', PLAIN),
      verifyView(
        {
          ...VERIFIED,
          tenant,
          reasons: [{ table: NASTY, kind: 'extra', reason: NASTY, rows: 1, columns: { [NASTY]: 1 } }],
        },
        PLAIN,
        {},
      ),
      statusView({ ...DETAILS, run: { ...RUN, tenant: nasty } }, PLAIN, {}),
      explainView([{ ...EXPLAINED, id: NASTY, tenant, table: NASTY, reason: NASTY, why: NASTY }], PLAIN),
      doctorView([{ check: NASTY, level: 'error', subject: NASTY, message: NASTY, remedy: NASTY }], PLAIN),
      surveyView(
        {
          tenant,
          cluster: NASTY,
          dataset: NASTY,
          range: PLAN.range,
          tables: counts,
          days,
          untimed: [{ table: NASTY, reason: NASTY, rows: null }],
        },
        PLAIN,
      ),
      tenantsView(
        [
          {
            ...tenant,
            cluster: NASTY,
            sourceDatabase: NASTY,
            targetDatabase: null,
            targetRows: null,
            otherOwners: [tenant],
            problem: NASTY,
          },
        ],
        PLAIN,
      ),
    ];
    for (const text of texts) {
      expect(text).not.toContain(ESCAPE);
      expect(text).not.toContain('\u202e');
      expect(text).not.toContain('b\nc');
    }
  });
});

describe('an explanation', () => {
  it('is the first as one object, the others under also', () => {
    expect(explainJson([EXPLAINED])).toEqual({ ...EXPLAINED });
    expect(explainJson([EXPLAINED, { ...EXPLAINED, table: 'other' }])).toMatchObject({
      id: 'sc-2',
      also: [{ table: 'other' }],
    });
  });
});

describe('colours', () => {
  it('change nothing but the colour', () => {
    const colored = verifyView(VERIFIED, paint(true), {});
    expect(colored).toContain(ESCAPE);
    // eslint-disable-next-line no-control-regex -- colours are what is left out
    expect(colored.replace(/\u001b\[[0-9;]*m/gu, '')).toBe(verifyView(VERIFIED, PLAIN, {}));
  });
});

describe('command lines to copy', () => {
  it('come out of a shell as they went in', async () => {
    const words = ['a b', "it's", '$HOME', '`x`', 'a"b', '*', 'ü/名', '', '-x', `new\nline\\n'\t`];
    const { stdout } = await bash(`printf '%s\\0' ${words.map(quote).join(' ')}`);
    expect(stdout.split('\0').slice(0, -1)).toEqual(words);
    expect(commandLine(['verify', ...rangeWords({ customer: "o'b", profile: 'x' }, PLAN.range)])).toBe(
      `refill verify 'o'\\''b/x' --from 2026-01-05 --to 2026-01-08`,
    );
  });
});
