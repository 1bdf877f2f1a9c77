import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Cluster, startCluster, withoutCluster } from '../cluster/cluster.ts';
import { ask, blockQueue } from '../cluster/support.ts';
import { onDebugPoint } from '../../src/steps/debug-points.ts';
import { ended, expectClean, fillCards } from '../support/cards.ts';
import { createTenant } from '../support/tenant.ts';

/** One partition, and with it one delete. */
const RANGE = { from: '2026-01-29T00:00:00.000Z', to: '2026-02-01T00:00:00.000Z' };
const SHARDS = ['s1r1', 's2r1'] as const;
/** Far longer than a run takes from a barrier to its first row. */
const LATE_MS = 2_000;

describe.skipIf(withoutCluster())('on two shards', () => {
  let servers: Cluster;
  beforeAll(async () => {
    servers = await startCluster({ shards: 2, replicas: 2 });
  });
  afterEach(() => onDebugPoint(undefined));
  afterAll(() => servers.end());

  test('a purge writes nothing before every shard has the mutation of every table, however late one of them is', async () => {
    const urls = servers.urls.slice(0, 1);
    const t = await createTenant({ servers: { cluster: servers.cluster, urls } });
    await fillCards(t, { cards: 60 });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'purge' });
    const ledger = await t.refill.ledger();
    /** Tables whose delete a shard knows. */
    const known = async (node: string) =>
      Number(
        (
          await ask<{ n: string }>(
            servers,
            node,
            `SELECT toString(uniqExact(table)) AS n FROM system.mutations
             WHERE database = '${t.database}' AND position(command, ' delete 1 ') > 0`,
          )
        )[0]?.n,
      );
    const attempts = async () => {
      const [run] = await t.refill.runs();
      return (await ledger.attempts(run?.id ?? '')).length;
    };
    let late: Promise<{ readonly known: readonly number[]; readonly attempts: number }> | undefined;
    const written: (readonly number[])[] = [];
    onDebugPoint(async (point) => {
      if (point === 'mutations-kept' && late === undefined) {
        const unblock = await blockQueue(servers, t.database, ['s2r1', 's2r2']);
        late = (async () => {
          await expect.poll(() => known('s1r1'), { timeout: 30_000 }).toBeGreaterThan(0);
          await sleep(LATE_MS);
          const seen = { known: [await known('s1r1'), await known('s2r1')], attempts: await attempts() };
          await unblock();
          return seen;
        })();
      }
      if (point === 'attempt-kept') written.push(await Promise.all(SHARDS.map(known)));
    });
    const { result } = await ended(t.refill.run(plan.id));
    // The first shard had it, the second had not, and nothing was written.
    expect(await late).toEqual({ known: [1, 0], attempts: 0 });
    expect(written.length).toBeGreaterThan(0);
    for (const tables of written) expect(tables).toEqual([2, 2]);
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t, RANGE);
  });
});
