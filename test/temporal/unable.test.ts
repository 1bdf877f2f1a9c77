import { Client } from 'pg';
import { describe, expect, test } from 'vitest';
import { ended, expectClean, fillCards, RANGE } from '../support/cards.ts';
import { noTemporal, type TemporalTenant, temporalTenant, untilWindow } from './given.ts';

async function filled(): Promise<TemporalTenant> {
  const t = await temporalTenant({ limits: { windowRows: 60, windows: 2 } });
  await fillCards(t);
  return t;
}

/** The ledger as a newer program leaves it. */
async function migratedByNewer({ config }: TemporalTenant, newer: boolean): Promise<void> {
  const { host, port, user, database } = config.ledger;
  const sql = new Client({ host, port, user, database, password: process.env['REFILL_TEST_PASSWORD'] });
  await sql.connect();
  await sql.query(
    newer
      ? `INSERT INTO refill.migration (number, name) VALUES (9999, 'newer')`
      : 'DELETE FROM refill.migration WHERE number = 9999',
  );
  await sql.end();
}

describe.skipIf(noTemporal())('a worker that can do nothing', () => {
  test('with a wrong password it does not begin, and says why; the one that is well does the run', async () => {
    const t = await filled();
    await t.worker();
    await expect(t.worker({ REFILL_TEST_PASSWORD: 'wrong' })).rejects.toThrow(/LEDGER_FAILED|PG_AUTH/u);
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const { result } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t);
  });

  test('is an old one whose ledger was migrated meanwhile: what it meets is offered to others, and the run goes on', async () => {
    const t = await filled();
    // It opens the ledger at its start, and a run's plan again with its first unit after the pause.
    const old = await t.worker({ REFILL_DEBUG_POINT: 'window-written:sleep=4000@2' });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const running = ended(t.refill.run(plan.id));
    await untilWindow(t, 'written');
    await migratedByNewer(t, true);
    await expect(t.worker()).rejects.toThrow(/LEDGER_NEWER/u);
    await migratedByNewer(t, false);
    await t.worker();
    old.child.kill('SIGKILL');
    expect((await running).result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t);
  });
});
