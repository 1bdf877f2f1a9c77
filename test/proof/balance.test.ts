import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { int, text } from '../../src/index.ts';
import type { TestTenant } from '../support/tenant.ts';
import { createReadings, fillSource, insertTarget, RANGE, refill, verified } from './support.ts';

/** The target's rows as the source has them now: a copy by plain SQL. */
async function copyToTarget(t: TestTenant, where = 'true', version = '2026-03-05 00:00:00'): Promise<void> {
  const { rows } = await t.pg.query<Record<string, unknown>>(
    `SELECT account, site, id, to_char(taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') AS taken_at, label, amount
     FROM plant.reading WHERE NOT draft AND ${where}`,
  );
  if (rows.length > 0)
    await t.ch.insert({
      table: 'reading',
      format: 'JSONEachRow',
      values: rows.map((row) => ({ ...row, synced_at: version })),
    });
}

const ids = (n: number, prefix = 'r') => Array.from({ length: n }, (_, i) => [`'${prefix}${i}'`]);

test('150,000 missing rows and 150,000 stale ones are all found', async () => {
  const t = await createReadings();
  const { customer, profile } = t.name;
  await t.pg.query(
    `INSERT INTO plant.reading SELECT '${customer}', '${profile}', 'r' || n, timestamptz '2026-03-01 00:00:00Z' + n % 4000 * interval '1 minute', 'label', n
     FROM generate_series(1, 300000) n`,
  );
  await insertTarget(
    t,
    `SELECT concat('r', toString(number + 1)) AS id, toDateTime64('2026-03-01 00:00:00', 3, 'UTC') + INTERVAL (number + 1) % 4000 MINUTE, 'wrong', toInt32(number + 1) FROM numbers(150000)`,
  );
  const { table } = await verified(t);
  expect(table).toMatchObject({ source: 300_000, target: 150_000, missing: 150_000, stale: 150_000, unexplained: 0 });
});

test('a row that has moved into the range and still stands where it was: named with that time, and no success', async () => {
  const t = await createReadings();
  await fillSource(t, ids(5));
  await copyToTarget(t);
  // It was written before it was confirmed, months ago; the source has it in the range now.
  await insertTarget(
    t,
    `SELECT 'r1' AS id, toDateTime64('2025-12-24 12:00:00', 3, 'UTC'), 'label 1', toInt32(1)`,
    '2025-12-24 12:00:00',
  );
  const { table, result } = await verified(t);
  expect(result.ok).toBe(false);
  expect(table).toMatchObject({ source: 5, target: 5, duplicated: 1, keys: { duplicated: ['r1'] } });
  expect(result.reasons).toEqual([{ table: 'reading', kind: 'duplicated', reason: 'moved_from', rows: 1 }]);
  expect(await refill(t, 'replace')).toBe('differences');
  expect(await refill(t, 'purge')).toBe('differences');
  const [run] = await t.refill.runs({ limit: 1 });
  const details = await t.refill.status(run?.id ?? '');
  expect(details.drift).toMatchObject([{ key: 'r1', reason: 'moved_from', elsewhere: ['2025-12-24T12:00:00.000Z'] }]);
  // It is gone where it was: right.
  await t.command(`ALTER TABLE reading DELETE WHERE taken_at < toDateTime64('2026-01-01 00:00:00', 3, 'UTC')`);
  expect((await verified(t)).result.ok).toBe(true);
});

test('replace under a writer that adds rows faster than differences are looked up again: what was written is proven', async () => {
  const t = await createReadings({ tenant: { limits: { graceSeconds: 0.2 } } });
  await fillSource(t, ids(200));
  await copyToTarget(t, `id <> 'r3'`, '2026-03-04 00:00:00');
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'replace' });
  const writing = new AbortController();
  let added = 0;
  const writer = (async () => {
    // Its pipeline is minutes behind: the target has none of these rows while the run is at work.
    while (!writing.signal.aborted) {
      await fillSource(t, ids(3, `new${(added += 1)}-`));
      await t.pg.query(`UPDATE plant.reading SET label = label || '.' WHERE id = 'r${added % 50}'`);
    }
  })();
  const events: string[] = [];
  for await (const event of t.refill.run(plan.id, { recount: false }))
    if (event.type === 'result') events.push(`${event.state} ${event.error?.code ?? ''}`);
  writing.abort();
  await writer;
  // Rows that came later are differences of the last proof; they are no reason to call what was written lost.
  expect(events[0]).toMatch(/^(?:succeeded|differences) $/u);
  expect(added).toBeGreaterThan(2);
});

/** What a random target is made of: the rows of the source, with some of these done to them. */
interface Plan {
  readonly composite: boolean;
  readonly merge: boolean;
  readonly rows: number;
  readonly deeds: readonly { readonly row: number; readonly deed: (typeof DEEDS)[number] }[];
}

const DEEDS = ['lose', 'change', 'double', 'orphan', 'move inside', 'move out', 'draft', 'move in'] as const;

const plans: fc.Arbitrary<Plan> = fc.record({
  composite: fc.boolean(),
  merge: fc.boolean(),
  rows: fc.integer({ min: 1, max: 40 }),
  deeds: fc.array(fc.record({ row: fc.nat(50), deed: fc.constantFrom(...DEEDS) }), { maxLength: 12 }),
});

interface Reading {
  readonly id: string;
  readonly line: number;
  readonly at: string;
  readonly label: string;
  readonly amount: number;
}

test('whatever is planted, counts and named rows balance, and an oracle that knows both sides names the same keys', async () => {
  await fc.assert(fc.asyncProperty(plans, checkPlan), { numRuns: 8, seed: 11, endOnFailure: true });
});

async function checkPlan(plan: Plan): Promise<void> {
  const key = plan.composite
    ? ({ id: ['text', 'String', text('r.id')], line: ['integer', 'Int32', int('r.line')] } as const)
    : ({ id: ['text', 'String', text('r.id')] } as const);
  const t = await createReadings({
    key,
    engine: plan.merge ? 'MergeTree' : 'ReplacingMergeTree(synced_at)',
    orderBy: plan.composite ? 'label, id, line' : 'label, id',
  });
  // Of a composite key two rows have one id.
  const named = (n: number) => (plan.composite ? [`'r${Math.floor(n / 2)}'`, String(n % 2)] : [`'r${n}'`]);
  await fillSource(
    t,
    Array.from({ length: plan.rows }, (_, n) => named(n)),
  );
  const source = await readSource(t, plan);
  const target = [...source];
  for (const [index, { row, deed }] of plan.deeds.entries())
    await doDeed(t, deed, source[row % source.length], target, index);
  await t.command('SYSTEM STOP MERGES reading');
  for (const [part, rows] of parts(target).entries()) await insertRows(t, plan, rows, `2026-03-05 00:00:0${part % 10}`);

  const { table } = await verified(t);
  const found = Object.entries(table.keys).flatMap(([kind, keys]) => keys.map((one) => `${kind} ${one}`));
  expect(found.sort()).toEqual(oracle(await readSource(t, plan), target, plan));
}

async function readSource(t: TestTenant, { composite }: Plan): Promise<Reading[]> {
  const { rows } = await t.pg.query<Reading & { amount: number }>(
    `SELECT id, ${composite ? 'line' : '0 AS line'}, to_char(taken_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.MS') AS at, label, amount
     FROM plant.reading WHERE NOT draft ORDER BY amount`,
  );
  return rows;
}

async function doDeed(
  t: TestTenant,
  deed: (typeof DEEDS)[number],
  row: Reading | undefined,
  target: Reading[],
  index: number,
): Promise<void> {
  const at = target.findIndex((one) => one.amount === row?.amount);
  if (!row || at === -1) return;
  const replace = (change: Partial<Reading>) => target.splice(at, 1, { ...row, ...change });
  const where = `amount = ${row.amount}`;
  switch (deed) {
    case 'lose':
      target.splice(at, 1);
      return;
    case 'change':
      replace({ label: 'changed' });
      return;
    case 'double':
      target.push({ ...row, label: 'another' });
      return;
    case 'orphan':
      target.push({ ...row, id: `orphan-${index}`, amount: 1000 + index });
      return;
    case 'move inside':
      replace({ at: '2026-03-02 11:11:11.111' });
      return;
    case 'move out':
      await t.pg.query(`UPDATE plant.reading SET taken_at = '2026-03-09Z' WHERE ${where}`);
      return;
    case 'draft':
      await t.pg.query(`UPDATE plant.reading SET draft = true WHERE ${where}`);
      return;
    case 'move in':
      target.push({ ...row, at: '2025-11-11 00:00:00.000' });
  }
}

/** Rows in blocks of which none has a sorting key twice, so that nothing collapses while it is inserted. */
function parts(rows: readonly Reading[]): Reading[][] {
  const blocks: Reading[][] = [];
  for (const row of rows) {
    const same = (one: Reading) => one.id === row.id && one.line === row.line && one.label === row.label;
    const block = blocks.find((rowsOf) => !rowsOf.some(same));
    if (block) block.push(row);
    else blocks.push([row]);
  }
  return blocks;
}

async function insertRows(
  t: TestTenant,
  { composite }: Plan,
  rows: readonly Reading[],
  version: string,
): Promise<void> {
  const values = rows.map(({ id, line, at, label, amount }) => ({
    account: t.name.customer,
    site: t.name.profile,
    id,
    ...(composite ? { line } : {}),
    taken_at: at,
    label,
    amount,
    synced_at: version,
  }));
  if (values.length > 0) await t.ch.insert({ table: 'reading', format: 'JSONEachRow', values });
}

/** What differs, by key, from the rows of both sides alone: nothing of the product is used. */
function oracle(source: readonly Reading[], target: readonly Reading[], { composite, merge }: Plan): string[] {
  const inRange = ({ at }: Reading) => at >= '2026-03-01 00:00:00.000' && at < '2026-03-04 00:00:00.000';
  const name = ({ id, line }: Reading) => (composite ? `id=${id},line=${line}` : id);
  // ReplacingMergeTree keeps one of the rows of a sorting key in each partition: here, of the same day.
  const seen = new Map<string, Reading>();
  for (const [index, row] of target.entries())
    seen.set(merge ? String(index) : JSON.stringify([row.label, row.id, row.line, row.at.slice(0, 10)]), row);
  const visible = [...seen.values()];
  const names = new Set([...source, ...visible].map(name));
  return [...names]
    .flatMap((key) => {
      const wanted = source.filter((row) => name(row) === key && inRange(row));
      const rows = visible.filter((row) => name(row) === key);
      const found = rows.filter(inRange);
      const [one] = wanted;
      if (!one) return found.length > 0 ? [`extra ${key}`] : [];
      if (found.length === 0) return [`missing ${key}`];
      if (found.length > 1) return [`duplicated ${key}`];
      if (JSON.stringify(found[0]) !== JSON.stringify(one)) return [`stale ${key}`];
      return rows.length > found.length ? [`duplicated ${key}`] : [];
    })
    .sort();
}
