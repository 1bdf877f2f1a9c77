import { expect, test } from 'vitest';
import { benchTable } from '../../src/steps/workbench.ts';
import { rowHash } from '../../src/target/tables.ts';
import { openBench } from '../support/bench.ts';
import type { TestTenant } from '../support/tenant.ts';
import { NOON, notes, RANGE, sourceNotes, tableSql } from './notes.ts';

/** Two contents of one row: what the source says, and what stands in the target. Both lie in the same bucket. */
interface Contents {
  readonly id: string;
  readonly right: string;
  readonly wrong: string;
  /** XOR of both hashes. */
  readonly difference: bigint;
}

/** One in 1,024 of them lies in the wanted bucket: more than a hash has bits, so that some differences must cancel out. */
const KEYS = 150_000;
const BODIES = 4096;
const BUCKET = 0;

async function twoContents(t: TestTenant): Promise<readonly Contents[]> {
  const hash = rowHash(benchTable(await openBench(t), 'note'));
  const owner = `'${t.name.customer}' AS account, '${t.name.profile}' AS store`;
  const when = `toDateTime('${NOON}', 'UTC') AS written`;
  const synced = `toDateTime64('2026-01-20', 6, 'UTC') AS synced_at`;
  // First the keys whose row lies in the bucket with one body, then other bodies with which it lies there too.
  await t.command(
    `INSERT INTO candidate SELECT ${owner}, concat('n', toString(number)) AS id, ${when}, 'right' AS body, ${synced} FROM numbers(${KEYS})`,
  );
  await t.command(
    `INSERT INTO candidate SELECT ${owner}, id, ${when}, concat('b', toString(number)) AS body, ${synced}
     FROM (WITH ${hash} SELECT id FROM candidate WHERE refill_own_bucket = ${BUCKET}) AS k, numbers(${BODIES}) AS n`,
  );
  const found = await t.select<{ id: string; other: string; right: string; wrong: string }>(
    `SELECT id, argMinIf(body, body, body != 'right') AS other,
       anyIf(both, body = 'right') AS right, argMinIf(both, body, body != 'right') AS wrong
     FROM (
       WITH ${hash}
       SELECT id, body, toString(bitOr(bitShiftLeft(toUInt64(refill_own_xx), 32), toUInt64(refill_own_murmur))) AS both
       FROM candidate WHERE refill_own_bucket = ${BUCKET})
     GROUP BY id HAVING count() > 1 ORDER BY id`,
  );
  return found.map(({ id, other, right, wrong }) => ({
    id,
    right: 'right',
    wrong: other,
    difference: BigInt(right) ^ BigInt(wrong),
  }));
}

/** Rows whose differences are 0 under XOR, all together: Gaussian elimination, which remembers what it has added up. */
function cancellingOut(rows: readonly Contents[]): readonly Contents[] {
  const basis = new Map<number, { readonly difference: bigint; readonly of: bigint }>();
  for (const [index, row] of rows.entries()) {
    let { difference } = row;
    let of = 1n << BigInt(index);
    while (difference !== 0n) {
      const top = difference.toString(2).length;
      const known = basis.get(top);
      if (!known) {
        basis.set(top, { difference, of });
        break;
      }
      difference ^= known.difference;
      of ^= known.of;
    }
    if (difference === 0n) return rows.filter((_, one) => ((of >> BigInt(one)) & 1n) === 1n);
  }
  throw new Error('no rows cancel out');
}

test('stale rows whose hashes cancel out in an XOR, in one bucket and without a change of counts, are found by their sums', async () => {
  const t = await notes();
  await t.command(tableSql(t.database, 'candidate'));
  const rows = await twoContents(t);
  const wrong = cancellingOut(rows);
  expect(wrong.length).toBeGreaterThan(1);
  expect(wrong.reduce((all, { difference }) => all ^ difference, 0n)).toBe(0n);

  await sourceNotes(
    t,
    rows.map(({ id }) => id),
    rows.map(({ right }) => right),
  );
  const stands = async (contents: (row: Contents) => string) => {
    await t.command('TRUNCATE TABLE note');
    const [ids, bodies] = [rows.map(({ id }) => id), rows.map(contents)].map(
      (list) => `[${list.map((one) => `'${one}'`).join(', ')}]`,
    );
    await t.command(
      `INSERT INTO note SELECT * FROM candidate WHERE (id, body) IN (SELECT arrayJoin(arrayZip(${ids}, ${bodies})))`,
    );
    return await t.refill.verify({ tenant: t.name, range: RANGE });
  };
  const stale = new Set(wrong);
  const found = await stands((row) => (stale.has(row) ? row.wrong : row.right));
  expect(found.tables).toMatchObject([{ source: rows.length, target: rows.length, missing: 0, extra: 0 }]);
  expect(found.tables[0]?.stale).toBe(wrong.length);
  expect([...(found.tables[0]?.keys.stale ?? [])].sort()).toEqual(wrong.map(({ id }) => id).sort());
  expect(found.ok).toBe(false);
  // The same rows as the source has them are equal.
  expect(await stands((row) => row.right)).toMatchObject({ ok: true });
});
