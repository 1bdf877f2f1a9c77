import { expect } from 'vitest';
import type { Limits } from '../../src/domain/limits.ts';
import type { Strategy } from '../../src/domain/words.ts';
import { ended, expectClean, fillCards, outside, RANGE, sourceRows, targetRows } from '../support/cards.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';
import { type TemporalTenant, temporalTenant } from './given.ts';

/** Two deletes of two windows and more, one after the other. */
const LIMITS = { windowRows: 120, windows: 1 };
const EVERYTHING = { from: '2026-01-01T00:00:00.000Z', to: '2026-03-01T00:00:00.000Z' };

/** A tenant with what the old code wrote. */
export async function filled(options: Parameters<typeof temporalTenant>[0] = {}): Promise<TemporalTenant> {
  const t = await temporalTenant({ ...options, limits: { ...LIMITS, ...options.limits } });
  await fillCards(t);
  return t;
}

const TABLES = ['scorecard', 'score'] as const;

/** What is written twice stays there twice: ClickHouse puts no parts together. */
export async function keepApart(t: TestTenant): Promise<void> {
  for (const table of TABLES)
    await t.command(`ALTER TABLE ${table} MODIFY SETTING max_bytes_to_merge_at_max_space_in_pool = 1`);
}

/** Fails unless each row of the range is there exactly once, where nothing is put together. */
export async function expectOnce(t: TestTenant): Promise<void> {
  for (const table of TABLES) {
    const [found] = await t.select<{ rows: string }>(
      `SELECT toString(count()) AS rows FROM ${table} WHERE NOT (${outside(t)})`,
    );
    expect([table, Number(found?.rows)]).toEqual([table, (await sourceRows(t, table)).length]);
  }
}

/**
 * Fails unless the tenant's only run has left what a run of the local executor leaves of the same cards: every row, in the
 * range and outside of it, and in the ledger every window, delete and proof.
 */
export async function expectAsLocal(t: TestTenant, strategy: Strategy, limits: Partial<Limits> = {}): Promise<void> {
  await expectClean(t, RANGE);
  const twin = await localTwin(limits);
  const { id } = await twin.refill.plan({ tenant: twin.name, range: RANGE, strategy });
  expect((await ended(twin.refill.run(id))).result).toMatchObject({ state: 'succeeded', differences: 0 });
  expect(await left(t)).toEqual(await left(twin));
}

/** A tenant with the same cards, whose runs the local executor does. */
export async function localTwin(limits: Partial<Limits> = {}): Promise<TestTenant> {
  const twin = await createTenant({ limits: { ...LIMITS, ...limits } });
  await fillCards(twin);
  return twin;
}

/** What the tenant's only run has left: rows of both tables, and all that the ledger knows but for ids and times. */
export async function left(t: TestTenant): Promise<object> {
  const rows = async (table: 'scorecard' | 'score') =>
    (await targetRows(t, table, EVERYTHING)).map((row) => ({ ...row, customer_id: '', profile_id: '' }));
  const { run, windows, deletes, proofs } = await t.refill.status();
  return {
    scorecard: await rows('scorecard'),
    score: await rows('score'),
    run: [run.state, run.differences, run.rowsWritten],
    windows: windows.map((w) => [w.id, w.from, w.to, w.state, w.sourceRows]),
    deletes: deletes.map((d) => [d.id, d.from, d.to, d.state]),
    proofs: proofs.map((p) => `${p.window} ${p.table}: ${p.source} ${p.sourceSum}, ${p.target} ${p.targetSum}`).sort(),
  };
}
