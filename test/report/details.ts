import { DEFAULT_LIMITS } from '../../src/domain/limits.ts';
import type { Drift, TableProof } from '../../src/domain/drift.ts';
import type { Plan } from '../../src/domain/plan.ts';
import type { Tenant } from '../../src/domain/words.ts';
import type { RunRecord, WindowRecord } from '../../src/ledger/ledger.ts';
import type { ReportInput } from '../../src/report/summary.ts';

/** Everything in it is written by hand, so that a report can be compared with what went in. */

const TENANT: Tenant = {
  customer: 'acme',
  profile: 'main',
  cluster: 'east',
  sourceDatabase: 'acme_main',
  targetDatabase: 'acme_main',
};
const day = (number: number) => `2026-01-0${number}T00:00:00.000Z`;
const RANGE = { from: day(5), to: day(8) };

export const PLAN: Plan = {
  id: 'p-1',
  createdAt: '2026-02-01T10:00:00.000Z',
  createdBy: 'ada@desk',
  tenant: TENANT,
  dataset: 'scorecards',
  strategy: 'replace',
  range: RANGE,
  tables: ['score'],
  fingerprint: 'f00d',
  limits: DEFAULT_LIMITS,
  counts: [{ table: 'score', source: 3500, excluded: { appeal: 1200 }, target: 4700, targetKeys: 4690 }],
  days: [
    { table: 'score', day: '2026-01-05', source: 1000, excluded: {}, target: 1400, targetKeys: 1400 },
    { table: 'score', day: '2026-01-06', source: 1100, excluded: { appeal: 1200 }, target: 1600, targetKeys: 1600 },
    { table: 'score', day: '2026-01-07', source: 1400, excluded: {}, target: 1700, targetKeys: 1690 },
  ],
  deletes: [{ id: 1, ...RANGE, tables: [{ table: 'score', rows: 4700, sql: 'ALTER TABLE `score`\nDELETE WHERE 1' }] }],
  windows: [
    { id: 1, delete: 1, from: day(5), to: day(7), sourceRows: 2100 },
    { id: 2, delete: 1, from: day(7), to: day(8), sourceRows: 1400 },
  ],
  cost: { rowsToDelete: 4700, rowsToWrite: 3500, rowsToRewrite: 9000, seconds: 12.3, rowsPerSecond: 285 },
  dependents: [],
  warnings: [{ code: 'RANGE_NOT_OVER', message: 'the range is not over yet' }],
  unproven: [{ table: 'score', column: 'note', reason: 'people write it by hand' }],
  sql: { score: { read: 'COPY (SELECT 1) TO STDOUT', write: 'INSERT INTO score' } },
};

export const RUN: RunRecord = {
  id: 'r-1',
  plan: PLAN.id,
  tenant: TENANT,
  dataset: PLAN.dataset,
  strategy: PLAN.strategy,
  range: RANGE,
  state: 'differences',
  wanted: 'run',
  epoch: '2026-02-01 10:00:00.000000',
  createdAt: '2026-02-01T10:01:00.000Z',
  finishedAt: '2026-02-01T10:02:00.000Z',
  seconds: 60,
  rowsDeleted: 4700,
  rowsDeletedAgain: 0,
  rowsSentAgain: 0,
  rowsWrittenAgain: 0,
  rowsSent: 0,
  rowsWritten: 3500,
  differences: 2,
  error: null,
  holder: null,
  executor: 'local',
  workflow: null,
};

export function proof(window: number, from: string, to: string, rows: number): TableProof {
  return {
    table: 'score',
    from,
    to,
    window,
    snapshot: '2026-02-01T10:01:30.000Z',
    source: rows,
    target: rows,
    excluded: { appeal: 600 },
    missing: 0,
    extra: 0,
    stale: 0,
    duplicated: 0,
    unexplained: 0,
    surplus: 0,
    unsettled: 0,
    sourceSum: '987654321',
    targetSum: '987654321',
  };
}

export function drift(change: Partial<Drift>): Drift {
  return {
    table: 'score',
    key: 'k',
    kind: 'missing',
    reason: 'x',
    time: null,
    source: 1,
    target: 0,
    columns: [],
    elsewhere: [],
    query: null,
    ...change,
  };
}

export function windowRecord(id: number): WindowRecord {
  const planned = PLAN.windows[id - 1] ?? { id, delete: 1, ...RANGE, sourceRows: 0 };
  return {
    ...planned,
    state: 'done',
    attempts: 1,
    attemptsSinceRetry: 1,
    rehearsed: false,
    rehearsalFailures: [],
    startedAt: RUN.createdAt,
    finishedAt: RUN.finishedAt,
    error: null,
  };
}

/** A run of two windows, one of which has two rows that differ. */
export const DETAILS: ReportInput = {
  run: RUN,
  plan: PLAN,
  fleet: null,
  windows: [windowRecord(1), windowRecord(2)],
  deletes: [{ id: 1, ...RANGE, state: 'proven', error: null }],
  proofs: [proof(1, day(5), day(7), 2100), { ...proof(2, day(7), day(8), 1400), missing: 1, extra: 1 }],
  drift: [
    drift({ key: 'sc-1', kind: 'missing', reason: 'not_in_target', time: day(7) }),
    drift({ key: 'sc-2', kind: 'extra', reason: 'appeal' }),
  ],
  audit: [
    { at: RUN.createdAt, actor: { user: 'ada', host: 'desk', pid: 7 }, action: 'run', subject: 'r-1', details: {} },
  ],
};
