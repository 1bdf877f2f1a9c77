import { expect, test } from 'vitest';
import { DRIFT_KINDS } from '../../src/domain/words.ts';
import type { Drift } from '../../src/domain/drift.ts';
import { newId } from '../../src/ledger/ids.ts';
import { rateOf } from '../../src/ledger/rate.ts';
import { usePostgres } from './postgres.ts';
import { ACTOR, day, drift, newRun, OTHER, plan, proof, TENANT } from './samples.ts';

const server = usePostgres();
const RANGE = { from: day(5), to: day(9) };
const ASKED = { run: null, tenant: TENANT, dataset: 'scorecards', range: RANGE, unproven: [] };

test('a verification collects proofs and drift in parts, and is closed', async () => {
  const ledger = await server.ledger();
  const id = await ledger.startVerification(ASKED, ACTOR);
  expect(id).toMatch(/^v-/u);
  expect(await ledger.verifications({ id, limit: 1 })).toEqual([
    { ...ASKED, id, ok: null, at: expect.stringMatching(/Z$/u) },
  ]);
  const first = proof({ from: day(7), to: day(9) }, null, { table: 'score', duplicated: 1 });
  const second = proof({ from: day(5), to: day(7) }, null, { table: 'scorecard', targetSum: '-5' });
  await ledger.addProofs(id, [first], [drift('b', { kind: 'duplicated', time: null })]);
  await ledger.addProofs(id, [second], [drift('a')]);
  await ledger.finishVerification(id, false);
  expect(await ledger.proofs(id)).toEqual([second, first]);
  expect((await ledger.drift(id, { limit: 10 })).map((one) => one.key)).toEqual(['a', 'b']);
  expect((await ledger.verifications({ limit: 10 }))[0]?.ok).toBe(false);
  await expect(ledger.addProofs(id, [first], [])).rejects.toMatchObject({ code: 'BUG' });
  await expect(ledger.finishVerification(id, true)).rejects.toMatchObject({ code: 'BUG' });
  await expect(ledger.addProofs('v-none', [], [])).rejects.toMatchObject({ code: 'BUG' });
});

test('a verification of a run belongs to it, and its proofs are its own', async () => {
  const ledger = await server.ledger();
  const run = await newRun(ledger);
  const alone = await ledger.startVerification(ASKED, ACTOR);
  const id = await ledger.startVerification({ ...ASKED, run: run.id }, ACTOR);
  await ledger.addProofs(id, [proof(RANGE, null)], [drift('k')]);
  expect((await ledger.verifications({ run: run.id, limit: 10 })).map((one) => one.id)).toEqual([id]);
  expect((await ledger.verifications({ limit: 10 })).map((one) => one.id)).toEqual([id, alone]);
  expect(await ledger.proofs(run.id)).toEqual([]);
  expect(await ledger.proofs(alone)).toEqual([]);
  expect(await ledger.drift(run.id, { limit: 1 })).toEqual([]);
  await expect(ledger.startVerification({ ...ASKED, run: 'r-none' }, ACTOR)).rejects.toMatchObject({
    code: 'RUN_UNKNOWN',
  });
});

test('drift is returned by table, kind and key, page by page, each row once', async () => {
  const ledger = await server.ledger();
  const id = await ledger.startVerification(ASKED, ACTOR);
  const rows: Drift[] = [];
  for (const table of ['scorecard', 'score']) {
    for (const kind of ['extra', 'duplicated', 'missing', 'stale'] as const) {
      for (const key of ['b', 'a', 'B', 'a/1']) {
        // The same key at two times, and without one: three rows of one key, which pages must not lose.
        rows.push(drift(key, { table, kind, time: null }));
        rows.push(drift(key, { table, kind, time: day(6), reason: 'moved' }));
        rows.push(drift(key, { table, kind, time: day(6), reason: 'older' }));
      }
    }
  }
  await ledger.addProofs(id, [], rows);
  const all = await ledger.drift(id, { limit: 1_000 });
  const sortKey = (one: Drift) =>
    [one.table, DRIFT_KINDS.indexOf(one.kind), one.key, one.time ?? '', one.reason].join('\u0001');
  expect(all).toEqual([...rows].sort((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1)));

  const paged: Drift[] = [];
  for (;;) {
    const after = paged.at(-1);
    const page = await ledger.drift(id, { limit: 7, ...(after === undefined ? {} : { after }) });
    if (page.length === 0) break;
    expect(page.length).toBeLessThanOrEqual(7);
    paged.push(...page);
  }
  expect(paged).toEqual(all);

  const score = await ledger.drift(id, { table: 'score', limit: 1_000 });
  expect(score).toEqual(all.filter((one) => one.table === 'score'));
});

test('twenty thousand rows of drift are kept, and their first pages come by an index', async () => {
  const database = await server.database();
  const ledger = await server.open(database);
  const id = await ledger.startVerification(ASKED, ACTOR);
  const rows = Array.from({ length: 20_000 }, (_, index) => drift(`k${String(index).padStart(5, '0')}`));
  await ledger.addProofs(id, [], rows);
  expect((await ledger.drift(id, { limit: 3 })).map((one) => one.key)).toEqual(['k00000', 'k00001', 'k00002']);
  expect(await server.query(database, 'SELECT count(*)::integer AS n FROM refill.drift')).toEqual([{ n: 20_000 }]);
  await server.query(database, 'ANALYZE refill.drift');
  const plan = await server.query<{ 'QUERY PLAN': string }>(
    database,
    `EXPLAIN SELECT * FROM refill.drift WHERE owner = '${id}' ORDER BY table_name, kind, key LIMIT 3`,
  );
  expect(plan.map((row) => row['QUERY PLAN']).join('\n')).toContain('drift_owner');
});

test('a key that Postgres cannot hold is kept readable', async () => {
  const ledger = await server.ledger();
  const id = await ledger.startVerification(ASKED, ACTOR);
  const odd = ['nul\u0000l', 'half\uD83Dpair', 'whole\u{1F600}pair', 'quote"\\u0000\\'];
  await ledger.addProofs(
    id,
    [],
    odd.map((key) => drift(key)),
  );
  const keys = (await ledger.drift(id, { limit: 10 })).map((one) => one.key);
  expect(keys.sort()).toEqual(['half\uFFFDpair', 'nul\u2400l', 'quote"\\u0000\\', 'whole\u{1F600}pair'].sort());
});

test('a plan comes back as it was saved, and is never changed', async () => {
  const ledger = await server.ledger();
  const made = plan();
  await ledger.savePlan(made, ACTOR);
  expect(await ledger.plan(made.id)).toEqual(made);
  await ledger.savePlan(made, ACTOR);
  await expect(ledger.savePlan({ ...made, fingerprint: 'other' }, ACTOR)).rejects.toMatchObject({ code: 'BUG' });
  expect(await ledger.plan(made.id)).toEqual(made);
  expect(await ledger.auditEntries({ subject: made.id, limit: 10 })).toHaveLength(1);
  await expect(ledger.plan('p-none')).rejects.toMatchObject({ code: 'PLAN_UNKNOWN' });

  const newer = { ...plan(), createdAt: '2026-01-21T08:00:00.000Z' };
  await ledger.savePlan(newer, ACTOR);
  const { id, createdAt, createdBy, tenant, dataset, strategy, range, cost } = newer;
  const summary = { id, createdAt, createdBy, tenant, dataset, strategy, range, cost };
  expect(await ledger.plans(1)).toEqual([summary]);
  expect((await ledger.plans(10)).map((one) => one.id)).toEqual([newer.id, made.id]);
});

test('the audit is read newest first, of one subject or of all', async () => {
  const ledger = await server.ledger();
  const entry = { action: 'login', subject: 'a', details: { from: 'here', n: 1 } };
  await ledger.audit({ ...entry, actor: ACTOR });
  await ledger.audit({ ...entry, actor: OTHER, subject: 'b' });
  await ledger.audit({ ...entry, actor: OTHER });
  const all = await ledger.auditEntries({ limit: 10 });
  const at: unknown = expect.stringMatching(/Z$/u);
  expect(all).toEqual([
    { ...entry, actor: OTHER, at },
    { ...entry, actor: OTHER, subject: 'b', at },
    { ...entry, actor: ACTOR, at },
  ]);
  expect(await ledger.auditEntries({ subject: 'b', limit: 10 })).toEqual([all[1]]);
  expect(await ledger.auditEntries({ limit: 1 })).toEqual([all[0]]);
});

test('ids differ and are made of their alphabet', () => {
  const ids = Array.from({ length: 1_000 }, () => newId('p'));
  expect(new Set(ids).size).toBe(1_000);
  for (const id of ids) expect(id).toMatch(/^p-[0-9a-hjkmnp-tv-z]{10}$/u);
});

test('a rate needs rows and time, and counts no second twice', () => {
  const at = (second: number) => new Date(second * 1_000).toISOString();
  const window = (started: number, finished: number, rows: number) => ({
    started: at(started),
    finished: at(finished),
    rows,
  });
  expect(rateOf([])).toBeNull();
  expect(rateOf([window(0, 0, 100)])).toBeNull();
  expect(rateOf([window(0, 10, 0)])).toBeNull();
  expect(rateOf([window(0, 10, 100)])).toBe(10);
  // One within another, one that overlaps, one that touches, one after a gap; in no order.
  const several = [
    window(40, 50, 100),
    window(10, 20, 100),
    window(0, 10, 100),
    window(2, 5, 100),
    window(18, 30, 100),
  ];
  expect(rateOf(several)).toBe(500 / 40);
});
