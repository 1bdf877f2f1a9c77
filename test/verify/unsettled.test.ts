import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { onDebugPoint } from '../../src/steps/debug-points.ts';
import { ended } from '../support/cards.ts';
import type { TestTenant } from '../support/tenant.ts';
import { NOON, notes, RANGE, sourceNotes } from './notes.ts';

// A row that nobody can compare, as its source changes at every look: that it is no drift does not make it equal.

const IDS = ['a', 'b', 'c'];
const LIMITS = { graceSeconds: 0.3, looks: 3 };

afterEach(() => onDebugPoint(undefined));

/** Puts a wrong row of `b` into the target, and changes its source until what it returns is called. */
async function keepChanging(t: TestTenant): Promise<() => Promise<void>> {
  const { customer, profile } = t.name;
  await t.command(`ALTER TABLE note DELETE WHERE id = 'b'`);
  await t.command(`INSERT INTO note VALUES ('${customer}', '${profile}', 'b', '${NOON}', 'wrong', now64(6))`);
  const over = new AbortController();
  const writer = (async () => {
    for (let n = 0; !over.signal.aborted; n += 1) {
      await t.pg.query(`UPDATE notes.note SET body = $1 WHERE id = 'b'`, [`body ${n}`]);
      await sleep(2);
    }
  })();
  return async () => {
    over.abort();
    await writer;
  };
}

test('only an unsettled row: neither is the verification ok, nor does the run succeed', async () => {
  const t = await notes({ limits: LIMITS });
  await sourceNotes(t, IDS, IDS);
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
  let stop: (() => Promise<void>) | undefined;
  onDebugPoint(async (point) => {
    if (point === 'mutations-finished') stop ??= await keepChanging(t);
  });
  const { result } = await ended(t.refill.run(plan.id));
  const nothing = { missing: 0, extra: 0, stale: 0, duplicated: 0 };
  expect(result).toMatchObject({ state: 'differences', differences: 1, tables: [{ ...nothing, unsettled: 1 }] });

  const verified = await t.refill.verify({ tenant: t.name, range: RANGE });
  expect(verified).toMatchObject({ ok: false, tables: [{ source: 3, target: 3, ...nothing, unsettled: 1 }] });
  await stop?.();
  // With its writer gone it is stale, by name.
  expect(await t.refill.verify({ tenant: t.name, range: RANGE })).toMatchObject({
    ok: false,
    tables: [{ stale: 1, unsettled: 0, keys: { stale: ['b'] } }],
  });
});
