import { Client } from 'pg';
import { expect } from 'vitest';
import type { RefillConfig } from '../../src/config/config.ts';

/** What the ledger itself says of the attempts at windows of all its runs, whoever made them. */
export interface AttemptsAtOnce {
  readonly attempts: number;
  readonly runs: number;
  /** Pairs of attempts that were at work at the same instant. */
  readonly together: number;
}

/** Reads from the ledger when windows were at work, by the times of their attempts: none of our own counters has a say. */
export async function attemptsAtOnce({ ledger }: RefillConfig): Promise<AttemptsAtOnce> {
  const { host, port, user, database } = ledger;
  const sql = new Client({ host, port, user, database, password: process.env['REFILL_TEST_PASSWORD'] });
  await sql.connect();
  try {
    const { rows } = await sql.query<AttemptsAtOnce>(
      `SELECT count(*)::integer AS attempts, count(DISTINCT a.run)::integer AS runs,
              sum((SELECT count(*) FROM refill.attempt b
                    WHERE (a.run, a.window_id, a.attempt) < (b.run, b.window_id, b.attempt)
                      AND tstzrange(a.started_at, a.finished_at) && tstzrange(b.started_at, b.finished_at)))::integer AS together
         FROM refill.attempt a`,
    );
    const [found] = rows;
    if (!found) throw new Error('no attempts');
    return found;
  } finally {
    await sql.end();
  }
}

/** Fails where two of at least so many windows were at work at the same instant. */
export async function expectOneAtATime(
  config: RefillConfig,
  expected: { readonly attempts: number; readonly runs: number },
) {
  const found = await attemptsAtOnce(config);
  expect(found).toMatchObject({ runs: expected.runs, together: 0 });
  expect(found.attempts).toBeGreaterThanOrEqual(expected.attempts);
}
