import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { createRefill } from '../../src/create-refill.ts';
import { type DebugPoint, onDebugPoint } from '../../src/steps/debug-points.ts';
import { fillCards, RANGE as ALL, thrown } from '../support/cards.ts';
import { createTenant } from '../support/tenant.ts';
import {
  addTemplate,
  backfilled,
  conversations,
  endedBackfill,
  NOT_DEV,
  others,
  ownScorer,
  RANGE,
  requestFor,
  rowsOf,
  TEMPLATE,
  valueOf,
  withScorers,
} from './support.ts';

async function prepared() {
  const t = await createTenant({ limits: { attempts: 2 } });
  await fillCards(t);
  await addTemplate(t);
  const refill = withScorers(t, { quality: ownScorer() });
  onTestFinished(() => refill.close());
  return { t, refill };
}

test('conversations get scorecards in Postgres, once, and ClickHouse has them, proven', async () => {
  const { t, refill } = await prepared();
  const untouched = await others(t);
  const wanted = await conversations(t, NOT_DEV);
  const plan = await refill.planBackfill(requestFor(t));
  expect(plan).toMatchObject({
    items: wanted.length,
    leftOut: { audience: 0 },
    before: { scorecards: 0, scores: 0 },
    template: { id: TEMPLATE, revision: 'r2' },
  });
  expect(plan.leftOut.dev_user).toBe((await conversations(t)).length - wanted.length);
  expect(await refill.rehearseBackfill(plan.id)).toMatchObject({
    judged: wanted.length,
    scorecardsCreated: wanted.length,
  });
  expect((await rowsOf(t)).cards).toEqual([]);

  const { result } = await endedBackfill(refill.backfill(plan.id));
  expect(result).toMatchObject({
    state: 'succeeded',
    before: { scorecards: 0, scores: 0 },
    after: { scorecards: wanted.length, scores: 2 * wanted.length },
    tally: { judged: wanted.length, unjudged: 0, scorecardsCreated: wanted.length, scoresCreated: 2 * wanted.length },
    run: expect.stringMatching(/^r-/u),
  });
  const { rows } = await t.pg.query<Record<string, unknown>>(
    `SELECT c.conversation_id, c.agent_user_id = h.agent_user_id AS agent, c.score, c.template_revision, c.submitted_at,
       c.created_at = date_trunc('milliseconds', coalesce(h.ended_at, h.started_at)) AS timed, s.numeric_value, s.text_value,
       s.weight, s.ai_scored, s.ai_value
     FROM director.scorecards c JOIN app.chats h USING (conversation_id)
     JOIN director.scores s ON s.scorecard_id = c.resource_id AND s.criterion_identifier = 'c1.q1'
     WHERE template_id = $1 ORDER BY 1`,
    [TEMPLATE],
  );
  expect(rows).toEqual(
    wanted.map((id) => ({
      conversation_id: id,
      agent: true,
      score: valueOf(id) * 20,
      template_revision: 'r2',
      submitted_at: null,
      timed: true,
      numeric_value: valueOf(id),
      text_value: `says ${id}`,
      weight: 2,
      ai_scored: true,
      ai_value: valueOf(id),
    })),
  );
  expect(await others(t)).toEqual(untouched);
  const found = await t.select<{ n: string }>(
    `SELECT toString(uniqExact(scorecard_id)) AS n FROM scorecard WHERE template_id = '${TEMPLATE}'`,
  );
  expect(found[0]?.n).toBe(String(wanted.length));

  // Again: nothing is written, nothing is re-indexed, whatever the first one's ids were.
  const before = await rowsOf(t);
  const again = await backfilled(refill, requestFor(t));
  expect(again.result).toMatchObject({
    state: 'succeeded',
    run: null,
    tally: {
      scorecardsCreated: 0,
      scorecardsChanged: 0,
      scorecardsUnchanged: wanted.length,
      scoresCreated: 0,
      scoresChanged: 0,
    },
  });
  expect(await rowsOf(t)).toEqual(before);
  expect(await thrown(() => endedBackfill(refill.backfill(plan.id)))).toMatchObject({ code: 'RUN_STATE' });

  // Who wrote what to the source is in the audit.
  const audit = await (await refill.ledger()).auditEntries({ subject: plan.id, limit: 100 });
  const writes = audit.filter(({ action }) => action === 'backfill.write');
  expect(writes.length).toBeGreaterThan(1);
  const created = writes.reduce((n, { details }) => n + Number(details['scorecardsCreated']), 0);
  expect(created).toBe(wanted.length);
});

test('what an earlier backfill wrote and nobody has proven is re-indexed by the next one, or it does not succeed', async () => {
  const { t, refill } = await prepared();
  const inTarget = async () => {
    const sql = `SELECT toString(uniqExact(scorecard_id)) AS n FROM scorecard WHERE template_id = '${TEMPLATE}'`;
    return Number((await t.select<{ n: string }>(sql))[0]?.n);
  };
  const wanted = (await conversations(t, NOT_DEV)).length;
  // Refused, as it deletes more than may be deleted unasked: everything is in Postgres by then, and nothing in ClickHouse.
  const careful = createRefill({
    ...t.config,
    scorers: { quality: ownScorer() },
    limits: { ...t.config.limits, blastRows: 1 },
  });
  onTestFinished(() => careful.close());
  for (const tally of [{ scorecardsCreated: wanted }, { scorecardsCreated: 0, scorecardsUnchanged: wanted }])
    expect((await backfilled(careful, requestFor(t))).result).toMatchObject({
      state: 'failed',
      error: { code: 'ROWS_NOT_CONFIRMED' },
      tally,
    });
  expect(await inTarget()).toBe(0);
  // One that judges none of these conversations has nothing to do with that.
  const elsewhere = { from: RANGE.to, to: '2026-01-31T02:00:00.000Z' };
  expect((await backfilled(refill, requestFor(t, { range: elsewhere, reindex: false }))).result.state).toBe(
    'succeeded',
  );

  const { events, result } = await backfilled(refill, requestFor(t));
  expect(result).toMatchObject({
    state: 'succeeded',
    run: expect.stringMatching(/^r-/u),
    tally: { scorecardsCreated: 0 },
  });
  expect(events).toContainEqual(
    expect.objectContaining({ message: expect.stringContaining('wrote what is not proven in ClickHouse') }),
  );
  expect(await inTarget()).toBe(wanted);
  // It was proven by that: nothing is left to do.
  expect((await backfilled(refill, requestFor(t))).result).toMatchObject({ state: 'succeeded', run: null });

  // So it is of one that was to leave the re-indexing out.
  await t.pg.query(
    `UPDATE director.scores s SET text_value = 'old' FROM director.scorecards c
     WHERE c.resource_id = s.scorecard_id AND c.template_id = $1`,
    [TEMPLATE],
  );
  await backfilled(refill, requestFor(t, { reindex: false }));
  const { result: later } = await backfilled(refill, requestFor(t));
  expect(later).toMatchObject({ state: 'succeeded', run: expect.stringMatching(/^r-/u), tally: { scoresChanged: 0 } });
});

test('historic scores are changed only where they differ, and never those of people', async () => {
  const { t, refill } = await prepared();
  await backfilled(refill, requestFor(t, { reindex: false }));
  const [first = '', second = ''] = await conversations(t, NOT_DEV);
  const score = `FROM director.scorecards c WHERE c.resource_id = s.scorecard_id AND c.template_id = '${TEMPLATE}'`;
  await t.pg.query(
    `UPDATE director.scores s SET numeric_value = 77, text_value = 'old' ${score} AND conversation_id = $1`,
    [first],
  );
  await t.pg.query(
    `UPDATE director.scores s SET numeric_value = 88, ai_scored = false ${score} AND conversation_id = $1 AND criterion_identifier = 'c1.q1'`,
    [second],
  );
  await t.pg.query(`UPDATE director.scorecards SET score = 99 WHERE template_id = $1 AND conversation_id = ANY ($2)`, [
    TEMPLATE,
    [first, second],
  ]);
  const { result } = await backfilled(refill, requestFor(t));
  expect(result).toMatchObject({
    state: 'succeeded',
    tally: { scorecardsCreated: 0, scorecardsChanged: 1, scoresCreated: 0, scoresChanged: 2, scoresKept: 1 },
  });
  const { rows } = await t.pg.query(
    `SELECT c.conversation_id AS id, c.score, s.numeric_value AS value FROM director.scorecards c
     JOIN director.scores s ON s.scorecard_id = c.resource_id AND criterion_identifier = 'c1.q1'
     WHERE template_id = $1 AND conversation_id = ANY ($2) ORDER BY conversation_id = $3 DESC`,
    [TEMPLATE, [first, second], first],
  );
  expect(rows).toEqual([
    { id: first, score: valueOf(first) * 20, value: valueOf(first) },
    { id: second, score: 99, value: 88 },
  ]);
});

test('audience, dev users and revision', async () => {
  const t = await createTenant();
  await fillCards(t);
  await addTemplate(t, { languages: ['en'] });
  const refill = withScorers(t, { quality: ownScorer() });
  onTestFinished(() => refill.close());
  const english = await conversations(t, `language = 'en'`);
  const everybody = (await conversations(t)).length;
  expect(await refill.planBackfill(requestFor(t, { includeDevUsers: true, revision: 'r1' }))).toMatchObject({
    items: english.length,
    leftOut: { audience: everybody - english.length, dev_user: 0 },
    template: { revision: 'r1' },
  });
  const narrow = { includeDevUsers: true, audience: { agentUserIds: ['agent-1'] } };
  const both = await conversations(t, `language = 'en' AND agent_user_id = 'agent-1'`);
  expect(await refill.planBackfill(requestFor(t, narrow))).toMatchObject({ items: both.length });
  expect(await thrown(() => refill.planBackfill(requestFor(t, { template: 'none' })))).toMatchObject({
    code: 'TEMPLATE_UNKNOWN',
  });
  expect(await thrown(() => refill.planBackfill(requestFor(t, { scorer: 'none' })))).toMatchObject({
    code: 'SCORER_UNKNOWN',
    message: 'no scorer none in the configuration; it has quality',
  });
});

test('process scorecards that are there are judged; none is made', async () => {
  const t = await createTenant();
  await fillCards(t);
  const refill = withScorers(t, { quality: ownScorer(1) });
  onTestFinished(() => refill.close());
  await t.pg.query(`UPDATE director.scorecard_templates SET type = 2 WHERE resource_id = 'template-0'`);
  const request = requestFor(t, { range: ALL, template: 'template-0', revision: 'r1', includeDevUsers: true });
  const { rows } = await t.pg.query<{ n: number; ai: number }>(
    `SELECT count(DISTINCT c.resource_id)::int AS n, count(s.*) FILTER (WHERE s.ai_scored AND s.criterion_identifier IN ('c1.q1', 'q9'))::int AS ai
     FROM director.scorecards c LEFT JOIN director.scores s ON s.scorecard_id = c.resource_id
     WHERE template_id = 'template-0' AND template_revision = 'r1' AND conversation_id = '' AND coalesce(scorecard_type, 0) = 0
       AND coalesce(calibrated_scorecard_id, '') = '' AND coalesce(submitted_at, created_at) >= $1 AND coalesce(submitted_at, created_at) < $2`,
    [ALL.from, ALL.to],
  );
  const [{ n, ai } = { n: 0, ai: 0 }] = rows;
  expect(n).toBeGreaterThan(3);
  const cards = async () => (await t.pg.query('SELECT count(*)::int AS n FROM director.scorecards')).rows;
  const before = await cards();
  const { result } = await backfilled(refill, request);
  expect(result).toMatchObject({ state: 'succeeded', tally: { judged: n, scorecardsCreated: 0, scoresChanged: ai } });
  expect(await cards()).toEqual(before);
});

test('a plan is refused where its template or its conversations are others by now', async () => {
  const { t, refill } = await prepared();
  const plan = await refill.planBackfill(requestFor(t));
  await t.pg.query(`UPDATE app.chats SET started_at = started_at + interval '30 days' WHERE agent_user_id = 'agent-1'`);
  expect(await thrown(() => endedBackfill(refill.backfill(plan.id)))).toMatchObject({ code: 'PLAN_DRIFTED' });
  await t.pg.query(`UPDATE director.scorecard_templates SET structure = '{"items":[]}' WHERE resource_id = $1`, [
    TEMPLATE,
  ]);
  expect(await thrown(() => endedBackfill(refill.backfill(plan.id)))).toMatchObject({ code: 'PLAN_FOREIGN' });
  expect((await rowsOf(t)).cards).toEqual([]);
});

test('asked from elsewhere it pauses, is shown so, and goes on; cancelled, it ends with the run that re-indexes', async () => {
  const { t, refill } = await prepared();
  const other = withScorers(t, { quality: ownScorer() });
  onTestFinished(() => other.close());
  const wanted = (await conversations(t, NOT_DEV)).length;
  const { id } = await refill.planBackfill(requestFor(t));
  expect(await other.backfills()).toMatchObject([{ id, state: 'planned', run: null }]);

  onDebugPoint(once('chunk-committed', () => other.pauseBackfill(id)));
  const paused = await endedBackfill(refill.backfill(id));
  expect(paused.result).toMatchObject({ state: 'paused', run: null });
  expect(paused.result.tally.judged).toBeLessThan(wanted);
  expect(await other.backfillStatus(id)).toMatchObject({ state: 'paused', wanted: 'pause', holder: null });

  onDebugPoint(once('run-created', () => other.cancelBackfill(id)));
  const cancelled = await endedBackfill(other.resumeBackfill(id));
  expect(cancelled.result).toMatchObject({ state: 'cancelled', tally: { judged: wanted } });
  const { run } = await other.backfillStatus(id);
  expect((await refill.status(run ?? '')).run.state).toBe('cancelled');
  expect(await thrown(() => endedBackfill(refill.backfill(id)))).toMatchObject({
    code: 'RUN_STATE',
    hint: expect.stringContaining(`refill retry ${id}`),
  });

  const { result } = await endedBackfill(refill.retryBackfill(id));
  expect(result).toMatchObject({ state: 'succeeded', run, tally: { judged: wanted, scorecardsCreated: wanted } });
});

test('Ctrl-C while it re-indexes pauses that too; nobody is at work on it: pause and cancel are done at once', async () => {
  const { t, refill } = await prepared();
  const { id } = await refill.planBackfill(requestFor(t));
  const drain = new AbortController();
  onDebugPoint(once('run-created', () => drain.abort()));
  const { result } = await endedBackfill(refill.backfill(id, { drain: drain.signal }));
  expect(result).toMatchObject({ state: 'paused', run: expect.stringMatching(/^r-/u) });
  expect(await refill.cancelBackfill(id)).toMatchObject({ state: 'cancelled' });
  expect((await refill.status(result.run ?? '')).run.state).toBe('cancelled');
  expect(await thrown(() => refill.pauseBackfill(id))).toMatchObject({ code: 'RUN_STATE' });
});

test('a ledger that comes back without our lock is not told that the backfill is paused', async () => {
  const { t, refill } = await prepared();
  const { id } = await refill.planBackfill(requestFor(t));
  const ledger = await refill.ledger();
  onDebugPoint(
    once('chunk-committed', async () => {
      await t.pg.query(
        `SELECT pg_terminate_backend(l.pid) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
         WHERE l.locktype = 'advisory' AND d.datname = $1`,
        [t.config.ledger.database],
      );
      await expect.poll(async () => (await ledger.backfill(id)).holder).toBeNull();
    }),
  );
  expect(await thrown(() => endedBackfill(refill.backfill(id)))).toMatchObject({ code: 'LEDGER_UNREACHABLE' });
  expect(await ledger.backfill(id)).toMatchObject({ state: 'running' });
});

/** Does something when a point is passed for the first time; nothing any more when the test has ended. */
function once(point: DebugPoint, act: () => unknown): (passed: DebugPoint) => Promise<void> {
  onTestFinished(() => onDebugPoint(undefined));
  let done = false;
  return async (passed) => {
    if (done || passed !== point) return;
    done = true;
    await act();
    // What somebody wants is looked at every second.
    await sleep(1500);
  };
}
