import { setTimeout as sleep } from 'node:timers/promises';
import { beforeAll, expect, onTestFinished, test } from 'vitest';
import type { VerifiedTable, VerifyResult } from '../../src/domain/events.ts';
import type { Limits } from '../../src/domain/limits.ts';
import type { Range } from '../../src/domain/words.ts';
import {
  type Base,
  card,
  CARDS,
  createBase,
  EXCLUDED,
  KEYS,
  RANGE,
  type Rebuild,
  score,
  type TableName,
  TABLES,
} from './base.ts';
import { openRefill } from '../support/executor.ts';

/** One clean tenant for all of these tests: each makes the tables again as it needs them. */
let base: Base;
beforeAll(async () => {
  let end: (() => Promise<void>) | undefined;
  base = await createBase({ onEnd: (given) => (end = given) });
  return () => end?.();
});

const NONE = {
  missing: 0,
  extra: 0,
  stale: 0,
  duplicated: 0,
  unexplained: 0,
  surplus: 0,
  unsettled: 0,
  keys: { missing: [], extra: [], stale: [], duplicated: [] },
};
const KEPT_OUT = { appeal: 1, calibration: 1, conversation_not_found: 1, template_not_found: 1, only_chapters: 1 };
const CLEAN: Readonly<Record<TableName, VerifiedTable>> = {
  scorecard: {
    table: 'scorecard',
    source: CARDS,
    target: CARDS,
    ...NONE,
    excluded: { ...KEPT_OUT, unsubmitted_shell: 1, no_scores: 1 },
  },
  score: { table: 'score', source: CARDS, target: CARDS, ...NONE, excluded: { ...KEPT_OUT, chapter: 1 } },
  scorecard_score: {
    table: 'scorecard_score',
    source: CARDS,
    target: CARDS,
    ...NONE,
    excluded: { ...KEPT_OUT, chapter: 1 },
  },
};

type Kind = 'missing' | 'extra' | 'stale' | 'duplicated';
interface Expected {
  readonly target?: number;
  /** Keys by kind, and all of them: the counts follow. */
  readonly keys?: Partial<Record<Kind, readonly string[]>>;
  readonly reasons?: Readonly<Record<string, number>>;
}

const verify = ({ t }: Base, tables: readonly TableName[], range: Range = RANGE) =>
  t.refill.verify({ tenant: t.name, range, tables });

/** Counts and keys of one table, and `kind reason` of all that differs. */
function expectTable(result: VerifyResult, table: TableName, expected: Expected): void {
  const { target = CARDS, keys = {}, reasons } = expected;
  const all = { missing: [], extra: [], stale: [], duplicated: [], ...keys };
  const counts = Object.fromEntries(Object.entries(all).map(([kind, list]) => [kind, list.length]));
  const named = Object.fromEntries(Object.entries(all).map(([kind, list]) => [kind, [...list].sort()]));
  const found = result.tables.find((v) => v.table === table);
  expect(
    found && {
      ...found,
      keys: Object.fromEntries(Object.entries(found.keys).map(([kind, list]) => [kind, [...list].sort()])),
    },
  ).toEqual({
    ...CLEAN[table],
    target,
    ...counts,
    // Counts balance, whatever differs.
    surplus: target - CARDS + (counts['missing'] ?? 0) - (counts['extra'] ?? 0),
    keys: named,
  });
  if (!reasons) return;
  const own = result.reasons.filter((r) => r.table === table);
  expect(Object.fromEntries(own.map((r) => [`${r.kind} ${r.reason}`, r.rows]))).toEqual(reasons);
}

/** Rebuilds a table, verifies it, and compares. */
async function drift(base: Base, table: TableName, change: Rebuild, expected: Expected): Promise<void> {
  await base.rebuild(table, change);
  const result = await verify(base, [table]);
  expectTable(result, table, expected);
  expect(result.ok).toBe(Object.values(expected.keys ?? {}).every((list) => list.length === 0));
}

const is = (table: TableName, ...keys: readonly string[]) =>
  `${KEYS[table]} IN (${keys.map((k) => `'${k}'`).join(', ')})`;
const at = (time: string) => `toDateTime64('${time}', 3, 'UTC')`;

test('a clean target has no differences, and what is left out is counted by reason', async () => {
  const result = await verify(base, TABLES);
  expect(result).toMatchObject({ ok: true, reasons: [], range: RANGE, tenant: base.t.name });
  expect(result.tables).toEqual(TABLES.map((table) => CLEAN[table]));
  expect(Date.parse(result.snapshot)).toBeGreaterThan(Date.now() - 120_000);
});

test('missing: the smallest and the greatest key, the first and the last time, and all of them', async () => {
  const ends = [score(1), score(600), score(CARDS)];
  await drift(
    base,
    'score',
    { without: is('score', ...ends) },
    { target: CARDS - 3, keys: { missing: ends }, reasons: { 'missing not_in_target': 3 } },
  );
  // A row that the tenant's owner columns do not name is not the tenant's row.
  await drift(
    base,
    'scorecard',
    { replace: { profile_id: `if(${is('scorecard', card(7))}, 'another', profile_id)` } },
    { target: CARDS - 1, keys: { missing: [card(7)] } },
  );

  await base.rebuild('score', { without: '1' });
  const result = await verify(base, ['score']);
  expect(result.ok).toBe(false);
  expect(result.tables[0]).toMatchObject({
    source: CARDS,
    target: 0,
    missing: CARDS,
    extra: 0,
    stale: 0,
    duplicated: 0,
  });
  expect(result.tables[0]?.keys.missing).toHaveLength(100);
  const { missing } = await named(base, result);
  expect(missing).toEqual(Array.from({ length: CARDS }, (_, n) => score(n + 1)));
});

test('extra: by each reason for which the source leaves a row out, and rows that it does not have', async () => {
  const reasons = Object.keys(EXCLUDED);
  const copies = (table: TableName, keys: readonly string[]) =>
    keys.map((key) => ({
      of: is(table, table === 'scorecard' ? card(5) : score(5)),
      replace: { [KEYS[table]]: `'${key}'`, scorecard_time: at('2026-02-01 10:00:00.000') },
    }));
  await drift(
    base,
    'scorecard',
    { more: copies('scorecard', [...reasons, 'nobody knows', `o\\'b\\\\`]) },
    {
      target: CARDS + 9,
      keys: { extra: [...reasons, 'nobody knows', `o'b\\`] },
      reasons: { ...Object.fromEntries(reasons.map((r) => [`extra ${r}`, 1])), 'extra not_in_source': 2 },
    },
  );
  const scored = Object.keys(KEPT_OUT);
  await drift(
    base,
    'score',
    { more: copies('score', [...scored.map((r) => `s_${r}`), 'chapter', 'nothing']) },
    {
      target: CARDS + 7,
      keys: { extra: [...scored.map((r) => `s_${r}`), 'chapter', 'nothing'] },
      reasons: {
        ...Object.fromEntries(scored.map((r) => [`extra ${r}`, 1])),
        'extra chapter': 1,
        'extra not_in_source': 1,
      },
    },
  );
});

/** A wrong value for each type of column. */
function wrongValue(column: string, type: string): string {
  if (type.startsWith('DateTime64')) return `${column} + INTERVAL 1 MILLISECOND`;
  if (type.startsWith('Nullable')) return `if(modulo(cityHash64(${column}), 2) = 0, NULL, ${column} + 1)`;
  if (type.startsWith('UInt8')) return `toUInt8(1 - least(1, ${column}))`;
  if (type === 'Float64') return `${column} + 1e-12`;
  return `concat(toString(${column}), ' ')`;
}

test.each(TABLES)('stale: any one column of %s', async (table) => {
  const columns = await base.t.select<{ name: string; type: string }>(
    `SELECT name, type FROM system.columns WHERE database = currentDatabase() AND table = '${table}'
     AND name NOT IN ('customer_id', 'profile_id', 'update_time', '${KEYS[table]}') ORDER BY position`,
  );
  expect(columns.length).toBeGreaterThan(14);
  // Row n has column n wrong, so that one look finds them all.
  const key = (n: number) => (table === 'scorecard' ? card(n + 10) : score(n + 10));
  const replace = Object.fromEntries(
    columns.map(({ name, type }, n) => [name, `if(${is(table, key(n))}, ${wrongValue(name, type)}, ${name})`]),
  );
  const time = columns.findIndex((c) => c.name === 'scorecard_time');
  await drift(
    base,
    table,
    { replace },
    {
      keys: { stale: columns.map((_, n) => key(n)) },
      reasons: { 'stale differs': columns.length - 1, 'stale moved': 1 },
    },
  );
  const explained = await base.t.refill.explain({ tenant: base.t.name, id: key(time) });
  expect(explained.find((e) => e.table === table)).toMatchObject({ verdict: 'stale', reason: 'moved' });
});

test('duplicated: under another sorting key, in another partition, and both', async () => {
  const other = { agent_user_id: `'somebody else'` };
  const earlier = { scorecard_time: at('2026-01-30 00:00:00.001') };
  await drift(
    base,
    'scorecard',
    {
      more: [
        { of: is('scorecard', card(100)), replace: other },
        // The same row to the last column but the time, in January and in February.
        { of: is('scorecard', card(1200)), replace: earlier },
        { of: is('scorecard', card(1201)), replace: { ...other, ...earlier } },
        { of: is('scorecard', card(1201)), replace: { agent_user_id: `'a third'` } },
      ],
    },
    {
      target: CARDS + 4,
      keys: { duplicated: [card(100), card(1200), card(1201)] },
      reasons: { 'duplicated several_rows': 3 },
    },
  );
});

test('duplicated: identical rows that no merge puts together, in pairs that would cancel out in an XOR', async () => {
  const table = 'scorecard_score';
  const ghost = { of: is(table, score(5)), replace: { score_id: `'ghost'` } };
  await drift(
    base,
    table,
    { more: [{ of: is(table, score(9)) }, { of: is(table, score(10)) }, { of: is(table, score(10)) }, ghost, ghost] },
    { target: CARDS + 5, keys: { duplicated: [score(9), score(10)], extra: ['ghost'] } },
  );
});

test('rows that only a pending merge keeps are no difference, wherever their times lie', async () => {
  const older = `toDateTime64('2025-01-01 00:00:00', 6, 'UTC')`;
  const newer = `update_time + INTERVAL 1 SECOND`;
  const inside = { from: '2026-02-01T00:00:00.000Z', to: '2026-02-02T00:00:00.000Z' };
  await base.rebuild('scorecard', {
    without: is('scorecard', card(1249)),
    more: [
      { of: is('scorecard', card(800)), replace: { comment: `'older'`, update_time: older } },
      { of: is('scorecard', card(801)) },
      // An older row of another time in the same partition: the newer row is the only one that counts.
      {
        of: is('scorecard', card(802)),
        replace: { scorecard_time: at('2026-02-03 11:00:00.000'), update_time: older },
      },
      // Submitted after the range that is verified below: its newer row lies in a part whose times are all outside of it.
      {
        of: is('scorecard', card(1249)),
        replace: { scorecard_time: at('2026-02-01 12:00:00.000'), update_time: older },
      },
      { of: is('scorecard', card(1249)) },
    ],
  });
  expect(await base.t.select('SELECT toUInt32(count()) AS n FROM scorecard')).toEqual([{ n: CARDS + 4 }]);
  expectTable(await verify(base, ['scorecard']), 'scorecard', {});
  const part = await verify(base, ['scorecard'], inside);
  expect(part).toMatchObject({ ok: true, reasons: [] });
  expect(part.tables[0]).toMatchObject({ source: 360, target: 360 });

  // The newest counts also where it is the wrong one.
  await drift(
    base,
    'scorecard',
    { more: [{ of: is('scorecard', card(803)), replace: { comment: `'newer'`, update_time: newer } }] },
    { keys: { stale: [card(803)] } },
  );
});

test('moved: inside of the range it is stale, over its ends it is extra on one side and missing on the other', async () => {
  const move = (key: string, time: string) => `if(${is('scorecard', key)}, ${at(time)}, scorecard_time)`;
  await drift(
    base,
    'scorecard',
    { replace: { scorecard_time: move(card(30), '2026-02-03 01:00:00.000') } },
    { keys: { stale: [card(30)] }, reasons: { 'stale moved': 1 } },
  );
  await drift(
    base,
    'scorecard',
    { replace: { scorecard_time: move(card(30), '2026-02-03 12:00:00.000') } },
    { target: CARDS - 1, keys: { missing: [card(30)] } },
  );

  await base.rebuild('scorecard', { replace: { scorecard_time: move(card(30), '2026-02-01 00:00:00.000') } });
  const before = await verify(base, ['scorecard'], { from: RANGE.from, to: '2026-02-01T00:00:00.000Z' });
  expect(before.reasons).toEqual([{ table: 'scorecard', kind: 'missing', reason: 'not_in_target', rows: 1 }]);
  const after = await verify(base, ['scorecard'], { from: '2026-02-01T00:00:00.000Z', to: RANGE.to });
  expect(after.reasons).toEqual([{ table: 'scorecard', kind: 'extra', reason: 'moved', rows: 1 }]);
  expect(after.tables[0]?.keys.extra).toEqual([card(30)]);
});

test('a row that moved from one end of many windows to the other is named once', async () => {
  const time = `if(${is('scorecard', card(3))}, ${at('2026-02-03 11:00:00.000')}, scorecard_time)`;
  await base.rebuild('scorecard', { replace: { scorecard_time: time } });
  const refill = refillWith(base, { windowRows: 1 });
  const result = await refill.verify({ tenant: base.t.name, range: RANGE, tables: ['scorecard'] });
  expectTable(result, 'scorecard', { keys: { stale: [card(3)] }, reasons: { 'stale moved': 1 } });
  const ledger = await refill.ledger();
  expect((await ledger.proofs(result.verification)).length).toBeGreaterThan(64);
});

test('1,000 missing and 200 changed rows: every one is counted and kept, a hundred of each are named', async () => {
  await base.rebuild('score', {
    without: `score_id <= '${score(1000)}'`,
    replace: { text_value: `if(score_id > '${score(1050)}', 'changed', text_value)` },
  });
  const result = await verify(base, ['score']);
  expect(result.tables[0]).toMatchObject({
    source: CARDS,
    target: 250,
    missing: 1000,
    extra: 0,
    stale: 200,
    duplicated: 0,
  });
  expect(result.tables[0]?.keys.missing).toHaveLength(100);
  expect(result.tables[0]?.keys.stale).toHaveLength(100);
  const found = await named(base, result);
  expect(found['missing']).toEqual(Array.from({ length: 1000 }, (_, n) => score(n + 1)));
  expect(found['stale']).toEqual(Array.from({ length: 200 }, (_, n) => score(n + 1051)));
});

function refillWith({ t }: Base, limits: Partial<Limits>) {
  const refill = openRefill({ ...t.config, limits: { ...t.config.limits, ...limits } });
  onTestFinished(() => refill.close());
  return refill;
}

test('a row that a live writer repairs during the grace period is no drift', async () => {
  await base.rebuild('scorecard', { without: is('scorecard', card(50), card(51)) });
  const begun = Date.now();
  let repaired: Promise<void> | undefined;
  const result = await refillWith(base, { graceSeconds: 3 }).verify({
    tenant: base.t.name,
    range: RANGE,
    tables: ['scorecard'],
    onProgress: (done, total) => {
      if (done !== total) return;
      repaired = sleep(1500).then(() =>
        base.t.command(`INSERT INTO scorecard SELECT * FROM right_scorecard WHERE ${is('scorecard', card(50))}`),
      );
    },
  });
  await repaired;
  expect(Date.now() - begun).toBeGreaterThan(3000);
  expect(result.tables[0]).toMatchObject({ missing: 1, unsettled: 0, keys: { missing: [card(51)] } });
});

test('a row whose source changes at every look is unsettled: not equal, and not drift', async () => {
  await base.rebuild('scorecard', { without: is('scorecard', card(61)) });
  const stop = new AbortController();
  const writer = (async () => {
    for (let n = 0; !stop.signal.aborted; n += 1) {
      await base.t.pg.query('UPDATE director.scorecards SET comment = $1 WHERE resource_id = $2', [
        String(n),
        card(60),
      ]);
      await sleep(5);
    }
  })();
  const result = await refillWith(base, { graceSeconds: 0.3 }).verify({
    tenant: base.t.name,
    range: RANGE,
    tables: ['scorecard'],
  });
  stop.abort();
  await writer;
  await base.t.pg.query(`UPDATE director.scorecards SET comment = 'fine' WHERE resource_id = $1`, [card(60)]);
  expect(result.ok).toBe(false);
  expect(result.tables[0]).toMatchObject({ missing: 1, extra: 0, stale: 0, duplicated: 0, unsettled: 1 });
  expect(result.tables[0]?.keys).toEqual({
    missing: [card(61)],
    extra: [],
    stale: [],
    duplicated: [],
  });
});

// The last one: nothing is left of the source after it.
test('an empty source makes every row extra; with the target empty too there is nothing to say', async () => {
  await base.rebuild('scorecard');
  await base.t.pg.query('TRUNCATE director.scorecards, director.scores');
  const result = await verify(base, ['scorecard']);
  expect(result.tables[0]).toMatchObject({ source: 0, target: CARDS, extra: CARDS, missing: 0, excluded: {} });
  expect(result.reasons).toEqual([{ table: 'scorecard', kind: 'extra', reason: 'not_in_source', rows: CARDS }]);
  await base.rebuild('scorecard', { without: '1' });
  expect(await verify(base, ['scorecard'])).toMatchObject({ ok: true, tables: [{ source: 0, target: 0 }] });
});

/** Every differing key of a verification that the ledger keeps, by kind. */
async function named({ t }: Base, { verification }: VerifyResult): Promise<Record<string, string[]>> {
  const all = await (await t.refill.ledger()).drift(verification, { limit: 100_000 });
  const kinds: Record<string, string[]> = {};
  for (const { kind, key } of all) (kinds[kind] ??= []).push(key);
  for (const keys of Object.values(kinds)) keys.sort();
  return kinds;
}
