import { RefillError, type ErrorRecord } from '../../src/domain/errors.ts';
import type { Drift, TableProof } from '../../src/domain/drift.ts';
import { DEFAULT_LIMITS } from '../../src/domain/limits.ts';
import type { Plan, PlannedDelete, PlannedWindow } from '../../src/domain/plan.ts';
import type { Range, Strategy, Tenant } from '../../src/domain/words.ts';
import { newId } from '../../src/ledger/ids.ts';
import type { Actor, Ledger, RunRecord } from '../../src/ledger/ledger.ts';

export const ACTOR: Actor = { user: 'ada', host: 'desk', pid: 4711 };
export const OTHER: Actor = { user: 'grace', host: 'ship', pid: 1906 };
export const TENANT: Tenant = {
  cluster: 'north',
  customer: 'acme',
  profile: 'sales',
  sourceDatabase: 'acme_sales',
  targetDatabase: 'acme_sales',
};
export const VERSION = '2026-01-15 06:00:00.123456';
export const FAILURE: ErrorRecord = new RefillError('CH_BUSY', 'ClickHouse is busy.').toJSON();

export interface PlanSketch {
  /** First day of January 2026, and the day after the last. */
  readonly days?: readonly [from: number, to: number];
  readonly strategy?: Strategy;
  readonly tenant?: Tenant;
  readonly dataset?: string;
}

/** Midnight of a day in January 2026. */
export function day(number: number): string {
  return new Date(Date.UTC(2026, 0, number)).toISOString();
}

/** A plan of one delete for each two days, and one window for each day. */
export function plan(sketch: PlanSketch = {}): Plan {
  const [from, to] = sketch.days ?? [5, 9];
  const deletes: PlannedDelete[] = [];
  const windows: PlannedWindow[] = [];
  for (let first = from; first < to; first += 2) {
    const id = deletes.length + 1;
    const end = Math.min(first + 2, to);
    deletes.push({ id, from: day(first), to: day(end), tables: [{ table: 'score', rows: 10, sql: 'ALTER …' }] });
    for (let one = first; one < end; one++) {
      windows.push({ id: windows.length + 1, delete: id, from: day(one), to: day(one + 1), sourceRows: 100 });
    }
  }
  return {
    id: newId('p'),
    createdAt: '2026-01-20T08:00:00.123Z',
    createdBy: 'ada@desk',
    tenant: sketch.tenant ?? TENANT,
    dataset: sketch.dataset ?? 'scorecards',
    strategy: sketch.strategy ?? 'replace',
    range: { from: day(from), to: day(to) },
    tables: ['scorecard', 'score'],
    fingerprint: 'f00d',
    limits: DEFAULT_LIMITS,
    counts: [{ table: 'score', source: 400, excluded: { appeal: 3 }, target: 410, targetKeys: 405 }],
    days: [],
    deletes,
    windows,
    cost: { rowsToDelete: 410, rowsToWrite: 400, rowsToRewrite: 0, seconds: null, rowsPerSecond: null },
    dependents: [],
    unproven: [],
    warnings: [],
    sql: { score: { read: 'COPY …', write: 'INSERT …' } },
  };
}

/** A run of a new plan, both saved. */
export async function newRun(ledger: Ledger, sketch: PlanSketch = {}): Promise<RunRecord> {
  const made = plan(sketch);
  await ledger.savePlan(made, ACTOR);
  return await ledger.createRun(made, ACTOR);
}

/** Writes a window from its beginning to `written`. */
export async function writeWindow(ledger: Ledger, run: string, window: number, rows = 100): Promise<void> {
  const { attempt } = await ledger.startAttempt(run, window, VERSION, () => ({ score: 'q' }));
  await ledger.finishAttempt(run, window, attempt, { rows, sums: [] });
}

/** Takes a delete of one mutation from `pending` to `finished`. */
export async function finishDelete(ledger: Ledger, run: string, del: number, nonce = `n${del}`): Promise<void> {
  await ledger.planMutations(run, del, [{ table: 'score', nonce, statement: 'ALTER …', rows: 10 }]);
  await ledger.setMutation(run, nonce, 'finished', [{ shard: '1', id: 'mutation_1.txt' }]);
}

export function proof(range: Range, window: number | null, changes: Partial<TableProof> = {}): TableProof {
  return {
    table: 'score',
    from: range.from,
    to: range.to,
    window,
    snapshot: '2026-01-15T06:00:00.123Z',
    source: 100,
    target: 100,
    excluded: { appeal: 2 },
    missing: 0,
    extra: 0,
    stale: 0,
    duplicated: 0,
    unexplained: 0,
    surplus: 0,
    unsettled: 0,
    sourceSum: '18446744073709551616000',
    targetSum: '18446744073709551616000',
    ...changes,
  };
}

export function drift(key: string, changes: Partial<Drift> = {}): Drift {
  return {
    table: 'score',
    key,
    kind: 'missing',
    reason: 'unknown',
    time: day(5),
    source: 1,
    target: 0,
    columns: ['score'],
    elsewhere: [day(6)],
    query: null,
    ...changes,
  };
}
