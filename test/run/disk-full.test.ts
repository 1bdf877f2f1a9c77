import { expect, test } from 'vitest';
import { ended, expectClean, fillCards, RANGE } from '../support/cards.ts';
import { createTenant } from '../support/tenant.ts';

test.each(['purge', 'replace'] as const)(
  '%s into a full disk: the run fails and says so, nothing is claimed, and retry ends it when there is room',
  async (strategy) => {
    const t = await createTenant({ limits: { windowRows: 150 } });
    await fillCards(t);
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
    // A table may have a threshold of its own under which ClickHouse refuses an insert as it does on a full disk.
    await t.ch.command({
      query: 'ALTER TABLE score MODIFY SETTING min_free_disk_bytes_to_perform_insert = 1000000000000000000',
    });
    const { result } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({ state: 'failed', error: { code: 'CH_DISK_FULL' } });
    expect(result.error?.hint).toContain('refill retry');
    const ledger = await t.refill.ledger();
    expect(await ledger.proofs(result.run)).toEqual([]);
    expect((await ledger.windows(result.run)).filter((w) => w.state === 'done')).toEqual([]);
    await expect(ended(t.refill.resume(result.run))).rejects.toMatchObject({
      code: 'RUN_STATE',
      hint: expect.stringContaining(`refill retry ${result.run}`),
    });

    await t.ch.command({ query: 'ALTER TABLE score RESET SETTING min_free_disk_bytes_to_perform_insert' });
    const again = await ended(t.refill.retry(result.run));
    expect(again.result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t);
  },
);
