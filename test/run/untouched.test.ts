import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { DELETE_KINDS } from '../../src/domain/delete-kind.ts';
import { checksum, ended, expectClean, fillCards, outside, RANGE, sourceRows } from '../support/cards.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';

const TABLES = ['scorecard', 'score', 'scorecard_score'] as const;

async function checksums(t: TestTenant, where: string): Promise<readonly string[]> {
  return await Promise.all(TABLES.map((table) => checksum(t, table, where)));
}

/** A row of before a card's submission would be merged away once the card has a newer row: merges are not ours. */
async function removeShadowed(t: TestTenant): Promise<void> {
  const ids = (await sourceRows(t, 'scorecard')).map((row) => `'${String(row['scorecard_id'])}'`);
  for (const table of TABLES) {
    await t.command(`ALTER TABLE ${table} DELETE WHERE ${outside(t)} AND scorecard_id IN (${ids.join(', ')})`);
    await t.command(`OPTIMIZE TABLE ${table} FINAL`);
  }
}

test.each(DELETE_KINDS.flatMap((kind) => [['purge', kind] as const, ['replace', kind] as const]))(
  '%s, %s: rows of others and outside of the range stay as they are, their versions too',
  async (strategy, deletes) => {
    const t = await createTenant({ limits: { windowRows: 120 }, deletes });
    // Another customer in the same database, with the same ids; the same profile of another; and another database.
    await fillCards(t, { denormalised: true });
    await removeShadowed(t);
    await fillCards(t, {
      owner: { customer: 'somebody', profile: t.name.profile },
      prefix: 'other-',
      denormalised: true,
    });
    await fillCards(t, { owner: { customer: t.name.customer, profile: 'else' }, prefix: 'else-', denormalised: true });
    const elsewhere = await createTenant();
    await fillCards(elsewhere, { denormalised: true, cards: 60 });
    for (const tenant of [t, elsewhere])
      for (const table of TABLES) await tenant.command(`OPTIMIZE TABLE ${table} FINAL`);
    const before = [await checksums(t, outside(t)), await checksums(elsewhere, '1')];
    const inside = await checksums(t, `NOT (${outside(t)})`);
    expect(new Set(before.flat()).size).toBe(6);

    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
    const { result } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect([await checksums(t, outside(t)), await checksums(elsewhere, '1')]).toEqual(before);
    // The checksum does see a change where there is one.
    const now = await checksums(t, `NOT (${outside(t)})`);
    now.forEach((sum, index) => expect(sum).not.toBe(inside[index]));
  },
);

test.each(DELETE_KINDS)('replace, %s: a reader in a loop never misses a row that stays', async (deletes) => {
  const t = await createTenant({ limits: { windowRows: 120 }, deletes });
  await fillCards(t);
  const staying = new Map<string, string>();
  let keys = 0;
  for (const [table, key] of [
    ['scorecard', 'scorecard_id'],
    ['score', 'score_id'],
  ] as const) {
    const wanted = new Set((await sourceRows(t, table)).map((row) => String(row[key])));
    const there = await t.select<{ k: string }>(`SELECT DISTINCT ${key} AS k FROM ${table} WHERE NOT (${outside(t)})`);
    const stay = there.map(({ k }) => k).filter((k) => wanted.has(k));
    keys += stay.length;
    staying.set(
      table,
      `SELECT uniqExact(${key}) AS n FROM ${table} %FINAL% WHERE NOT (${outside(t)}) AND ${key} IN (${stay.map((k) => `'${k}'`).join(', ')})`,
    );
  }
  const look = async (final: string) => {
    let n = 0;
    for (const sql of staying.values()) {
      const [row] = await t.select<{ n: string }>(sql.replace('%FINAL%', final));
      n += Number(row?.n);
    }
    return n;
  };
  expect(keys).toBeGreaterThan(100);
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'replace' });
  const over = new AbortController();
  const looks: number[] = [];
  const reader = (async () => {
    while (!over.signal.aborted) {
      looks.push(await look(''), await look('FINAL'));
      await nextTurn();
    }
  })();
  const { result } = await ended(t.refill.run(plan.id)).finally(() => over.abort());
  await reader;
  expect(result.state).toBe('succeeded');
  expect(looks.length).toBeGreaterThan(10);
  expect(Math.min(...looks)).toBe(keys);
  expect(Math.max(...looks)).toBe(keys);
  await expectClean(t);
});
