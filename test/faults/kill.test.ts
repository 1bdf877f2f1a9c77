import { afterEach, describe, expect, test } from 'vitest';
import { DELETE_KINDS, type DeleteKind } from '../../src/domain/delete-kind.ts';
import { RefillError } from '../../src/domain/errors.ts';
import type { RunResult } from '../../src/domain/events.ts';
import type { Strategy } from '../../src/domain/words.ts';
import type { AttemptRecord } from '../../src/ledger/ledger.ts';
import { DEBUG_POINTS, type DebugPoint, onDebugPoint } from '../../src/steps/debug-points.ts';
import { ended, expectClean, fillCards, RANGE } from '../support/cards.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';
import { configFile, killed, onlyRun, start } from './program.ts';

const STRATEGIES = ['purge', 'replace'] as const satisfies readonly Strategy[];

/**
 * Points that this run does not pass: the tests of dependents (test/proof), backfills, re-indexers, cut windows and rows that come late do, and
 * test/temporal/faults-ends.test.ts those of failures, fleets and verifications.
 */
const ELSEWHERE = /^(?:bypass-|rebuild-|chunk-|reindexer-|window-cut|late-|failure-|tenant-|fleet-|verification-)/u;

/** Points of one strategy; the others belong to both. */
const ONLY: Partial<Record<DebugPoint, Strategy>> = { 'rows-proven': 'replace', 'window-rehearsed': 'purge' };

/** Times that a point is passed before it strikes, where the first is not the most telling. Default 1. */
const TIMES: Partial<Record<DebugPoint, number>> = { 'table-inserted': 3, 'window-written': 2, 'mutation-sent': 2 };

/** How rows are deleted makes a difference from where a delete is kept to where it is done. */
const OF_DELETES: readonly DebugPoint[] = [
  'mutations-kept',
  'mutation-sent',
  'mutations-assigned',
  'mutations-finished',
];

const CASES = STRATEGIES.flatMap((strategy) =>
  DELETE_KINDS.flatMap((kind) =>
    DEBUG_POINTS.filter((point) => !ELSEWHERE.test(point) && (ONLY[point] ?? strategy) === strategy)
      .filter((point) => kind === 'rewrite' || OF_DELETES.includes(point))
      .map((point) => [strategy, point, TIMES[point] ?? 1, kind] as const),
  ),
);

afterEach(() => onDebugPoint(undefined));

async function planned(
  strategy: Strategy,
  deletes: DeleteKind = 'rewrite',
): Promise<{ t: TestTenant; plan: string; config: string }> {
  // Four windows in two deletes.
  const t = await createTenant({ limits: { windowRows: 120 }, deletes });
  await fillCards(t);
  const { id, windows, deletes: found } = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
  expect(windows.length).toBeGreaterThanOrEqual(4);
  expect(found.length).toBeGreaterThanOrEqual(2);
  expect(new Set(found.flatMap((d) => d.tables.map((one) => one.kind)))).toEqual(new Set([deletes]));
  return { t, plan: id, config: await configFile(t.config) };
}

/** Attempts at windows that are finished: they stay the only ones. */
async function finishedAttempts(t: TestTenant, run: string): Promise<readonly AttemptRecord[]> {
  const ledger = await t.refill.ledger();
  const windows = await ledger.windows(run);
  const finished = new Set(windows.filter((w) => w.state === 'written' || w.state === 'done').map((w) => w.id));
  return (await ledger.attempts(run)).filter((attempt) => finished.has(attempt.window));
}

/** Each delete of the ledger was sent once, and nothing else was. */
async function expectMutationsOnce(t: TestTenant, run: string): Promise<void> {
  const ledger = await t.refill.ledger();
  const known = (await ledger.mutations(run)).map((mutation) => mutation.nonce);
  const sent = await t.select<{ command: string }>(
    `SELECT command FROM system.mutations WHERE database = '${t.database}' AND position(command, 'refill ${run} delete') > 0`,
  );
  expect(known).toHaveLength(4);
  expect(sent).toHaveLength(known.length);
  for (const nonce of known) expect(sent.filter(({ command }) => command.includes(nonce))).toHaveLength(1);
}

async function expectEnd(t: TestTenant, run: string): Promise<void> {
  const { run: record, windows, deletes } = await t.refill.status(run);
  expect(record).toMatchObject({ state: 'succeeded', differences: 0, error: null });
  expect(new Set(windows.map((w) => w.state))).toEqual(new Set(['done']));
  expect(new Set(deletes.map((d) => d.state))).toEqual(new Set(['proven']));
  expect(record.rowsWritten).toBe((await rowCount(t)) ?? -1);
  await expectClean(t);
  await expectMutationsOnce(t, run);
}

async function rowCount(t: TestTenant): Promise<number> {
  const { tables } = await t.refill.verify({ tenant: t.name, range: RANGE });
  return tables.reduce((n, table) => n + table.source, 0);
}

describe('a program that is killed', () => {
  test.each(CASES)('%s at %s, time %i, %s: resume ends it as if nothing had been', async (...args) => {
    const [strategy, point, time, kind] = args;
    const { t, plan, config } = await planned(strategy, kind);
    await killed(['run', plan, '--execute', '--config', config], `${point}:kill@${time}`);
    const run = await onlyRun(t);
    expect(run.state).toBe('running');
    const finished = await finishedAttempts(t, run.id);

    const { result } = await ended(t.refill.resume());
    expect(result).toMatchObject({ run: run.id, state: 'succeeded', differences: 0 });
    const attempts = await (await t.refill.ledger()).attempts(run.id);
    for (const { window } of finished) {
      expect(attempts.filter((a) => a.window === window)).toEqual(finished.filter((a) => a.window === window));
    }
    await expectEnd(t, run.id);
  });

  test.each([
    ['purge', 'mutation-sent:kill', 'table-inserted:kill@2', 'delete-proven:kill'],
    ['replace', 'table-inserted:kill@2', 'mutation-sent:kill', 'mutations-finished:kill'],
  ] as const)('%s at %s, and again at %s, and again at %s', async (strategy, first, second, third) => {
    const { t, plan, config } = await planned(strategy);
    await killed(['run', plan, '--execute', '--config', config], first);
    const { id } = await onlyRun(t);
    for (const point of [second, third]) {
      await killed(['resume', '--config', config], point);
      await onlyRun(t);
    }
    const { end } = await start(['resume', id, '--json', '--config', config]);
    const { status, stdout } = await end;
    expect({ status, last: JSON.parse(stdout.trimEnd().split('\n').at(-1) ?? '') }).toMatchObject({
      status: 0,
      last: { type: 'result', state: 'succeeded', differences: 0 },
    });
    await expectEnd(t, id);
  });
});

/** Points outside of the steps: nothing repeats what is there. */
const NOT_REPEATED: readonly DebugPoint[] = ['run-created', 'run-ending'];

/** The points of a strategy that are in steps, each once. */
const repeatedPoints = (strategy: Strategy): DebugPoint[] =>
  CASES.filter(([of, point, , kind]) => of === strategy && kind === 'rewrite' && !NOT_REPEATED.includes(point)).map(
    ([, point]) => point,
  );

describe('a step that fails at a point', () => {
  test.each(STRATEGIES)('%s: is repeated where the error is one to repeat, at every point of it', async (strategy) => {
    const { t, plan } = await planned(strategy);
    const failed = new Set<DebugPoint>();
    onDebugPoint((point) => {
      if (failed.has(point) || NOT_REPEATED.includes(point)) return;
      failed.add(point);
      throw new RefillError('CH_UNREACHABLE', `a test says so at ${point}`);
    });
    const { result } = await ended(t.refill.run(plan));
    expect(result.error).toBeUndefined();
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect([...failed].sort()).toEqual(repeatedPoints(strategy).sort());
    onDebugPoint(undefined);
    await expectEnd(t, result.run);
  });

  test.each(STRATEGIES)('%s: ends the run where it is a bug, and retry goes on', async (strategy) => {
    const { t, plan } = await planned(strategy);
    const points = repeatedPoints(strategy);
    // One point after the other, each in a go of its own, for as long as the run has not ended well.
    let failAt: DebugPoint | undefined;
    let failed = 0;
    onDebugPoint((point) => {
      if (point !== failAt) return;
      failAt = undefined;
      failed += 1;
      throw new Error('a test says so');
    });
    let result: RunResult | undefined;
    for (const point of points) {
      failAt = point;
      ({ result } = await ended(result === undefined ? t.refill.run(plan) : t.refill.retry()));
      if (result.state === 'succeeded') break;
      expect(result).toMatchObject({ state: 'failed', error: { code: 'BUG', message: 'a test says so' } });
    }
    expect(failed).toBeGreaterThan(3);
    onDebugPoint(undefined);
    if (result?.state !== 'succeeded') ({ result } = await ended(t.refill.retry()));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t);
  });
});
