import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import type { RunResult } from '../../src/domain/events.ts';
import type { Range, Strategy } from '../../src/domain/words.ts';
import { type DebugPoint, onDebugPoint } from '../../src/steps/debug-points.ts';
import {
  ended,
  expectClean,
  fillCards,
  liveRows,
  liveWrite,
  type Row,
  sourceRows,
  targetRows,
} from '../support/cards.ts';
import { createTenant, NOTICED_MS, type TestTenant } from '../support/tenant.ts';

/** One partition, and with it one delete; one window too. */
const RANGE: Range = { from: '2026-01-29T00:00:00.000Z', to: '2026-02-01T00:00:00.000Z' };
const IN_RANGE = '2026-01-30 12:00:00.5Z';
const LATER = '2026-02-02 12:00:00Z';

afterEach(() => onDebugPoint(undefined));

/**
 * Everything that people do to cards while a run is at work, each to a card of its own. The live writer's model: it
 * commits in Postgres, then derives the card, and writes it with that moment as its version. It never deletes.
 */
interface People {
  readonly act: () => Promise<void>;
  readonly late: () => Promise<void>;
  /** Keys whose rows are in the end what a snapshot from before `act` says, while the source has moved on. */
  readonly unseen: (key: string) => boolean;
}

async function people(t: TestTenant): Promise<People> {
  const { rows } = await t.pg.query<{ id: string; chat: string; submitted: boolean; inside: boolean }>(
    `SELECT resource_id AS id, conversation_id AS chat, submitted_at IS NOT NULL AS submitted,
       coalesce(submitted_at, created_at) BETWEEN $1 AND $2::timestamptz - interval '1 second' AS inside
     FROM director.scorecards c WHERE conversation_id <> '' AND scorecard_type IS NULL AND calibrated_scorecard_id IS NULL
       AND EXISTS (SELECT FROM director.scores s WHERE s.scorecard_id = c.resource_id AND criterion_identifier = 'q9')
       AND EXISTS (SELECT FROM app.chats h WHERE h.conversation_id = c.conversation_id)
       AND template_revision <> 'r9' ORDER BY created_at`,
    [RANGE.from, RANGE.to],
  );
  const take = (submitted: boolean, inside: boolean) => {
    const at = rows.findIndex((row) => row.submitted === submitted && row.inside === inside);
    const [row] = rows.splice(at, 1);
    if (at < 0 || !row) throw new Error('the fixture has no such card');
    return row;
  };
  const [rekeyed, edited, deleted, late] = [take(true, true), take(true, true), take(true, true), take(true, true)];
  const [movesIn, movesOut] = [take(false, false), take(false, true)];
  const setAgent = (agent: string) =>
    t.pg.query('UPDATE app.chats SET agent_user_id = $2 WHERE conversation_id = $1', [rekeyed.chat, agent]);
  const submit = (id: string, at: string) =>
    t.pg.query('UPDATE director.scorecards SET submitted_at = $2, updated_at = $2 WHERE resource_id = $1', [id, at]);
  const rescore = (id: string) =>
    t.pg.query('UPDATE director.scorecards SET score = coalesce(score, 0) + 1000 WHERE resource_id = $1', [id]);
  // An old writer read this card, and will write it when it is out of date.
  const outOfDate = await liveRows(t, [late.id]);
  return {
    act: async () => {
      await t.pg.query(
        `INSERT INTO director.scorecards SELECT customer, profile, 'new-card', template_id, template_revision, conversation_id,
           agent_user_id, creator_user_id, submitter_user_id, scorecard_type, submission_source, calibrated_scorecard_id, score,
           comment, $2, $2, $2 FROM director.scorecards WHERE resource_id = $1`,
        [edited.id, IN_RANGE],
      );
      await t.pg.query(
        `INSERT INTO director.scores SELECT customer, profile, 'new-score', 'new-card', 'q9', 1 FROM director.scorecards WHERE resource_id = 'new-card'`,
      );
      await liveWrite(t, 'new-card');
      // Twice: of the two rows that the writer leaves neither is older than the run.
      for (const agent of ['agent-first', 'agent-second']) {
        await setAgent(agent);
        await liveWrite(t, rekeyed.id);
      }
      await rescore(edited.id);
      await submit(movesIn.id, IN_RANGE);
      await submit(movesOut.id, LATER);
      await liveWrite(t, edited.id, movesIn.id, movesOut.id);
      await t.pg.query('DELETE FROM director.scores WHERE scorecard_id = $1', [deleted.id]);
      await t.pg.query('DELETE FROM director.scorecards WHERE resource_id = $1', [deleted.id]);
      await rescore(late.id);
      await liveWrite(t, late.id);
    },
    late: () => outOfDate.write(),
    unseen: (key) =>
      [deleted.id, movesOut.id, late.id].some((id) => key === id || key.startsWith(`${id.replace('card', 'score')}-`)),
  };
}

const keyOf = (row: Row) => String(row['score_id'] ?? row['scorecard_id']);

/** Keys that differ between the oracle and what readers see; the two must be the ones that the run names. */
async function wrongKeys(t: TestTenant, table: 'scorecard' | 'score'): Promise<{ wrong: string[]; missing: string[] }> {
  const [found, wanted] = [await targetRows(t, table, RANGE), await sourceRows(t, table, RANGE)];
  const byKey = (rows: readonly Row[]) => {
    const map = new Map<string, string[]>();
    for (const row of rows) {
      const text = JSON.stringify(Object.entries(row).sort(([a], [b]) => (a < b ? -1 : 1)));
      map.set(keyOf(row), [...(map.get(keyOf(row)) ?? []), text]);
    }
    return map;
  };
  const [a, b] = [byKey(found), byKey(wanted)];
  const keys = [...new Set([...a.keys(), ...b.keys()])];
  return {
    wrong: keys.filter((key) => (a.get(key) ?? []).join() !== (b.get(key) ?? []).join()).sort(),
    missing: [...b.keys()].filter((key) => !a.has(key)),
  };
}

/**
 * The end is clean, or the run has named exactly what is wrong, and nothing is lost in either case. What was taken away
 * from the source after the snapshot, without a word to the target, is equal in the run's proof, which is of that
 * snapshot, and so is what an old writer put back: `verify` names both.
 */
async function expectHonest(t: TestTenant, result: RunResult, unseen: (key: string) => boolean): Promise<void> {
  let wrong = 0;
  const verified = await t.refill.verify({ tenant: t.name, range: RANGE });
  for (const table of ['scorecard', 'score'] as const) {
    const actual = await wrongKeys(t, table);
    const named = (tables: RunResult['tables']) => {
      const keys = tables.find((one) => one.table === table)?.keys;
      return Object.values(keys ?? {})
        .flat()
        .sort();
    };
    expect({ table, named: named(verified.tables) }).toEqual({ table, named: actual.wrong });
    const byRun = named(result.tables);
    // Where another key of its bucket differs, the run comes upon such a key as well.
    expect({ table, byRun: byRun.filter((key) => !unseen(key)) }).toEqual({
      table,
      byRun: actual.wrong.filter((key) => !unseen(key)),
    });
    expect(actual.wrong).toEqual(expect.arrayContaining(byRun));
    expect({ table, missing: actual.missing }).toEqual({ table, missing: [] });
    wrong += byRun.length;
  }
  expect(result).toMatchObject({ state: wrong > 0 ? 'differences' : 'succeeded', differences: wrong });
}

test.each([
  ['purge', 'epoch-kept'],
  ['purge', 'mutations-assigned'],
  ['purge', 'attempt-kept'],
  ['purge', 'window-written'],
  ['purge', 'mutations-finished'],
  ['replace', 'epoch-kept'],
  ['replace', 'attempt-kept'],
  ['replace', 'window-inserted'],
  ['replace', 'rows-proven'],
  ['replace', 'mutations-assigned'],
  ['replace', 'mutations-finished'],
] as const satisfies readonly (readonly [Strategy, DebugPoint])[])(
  '%s, people at work at %s: nothing newer is lost, what is wrong is named, retry ends clean',
  async (strategy, at) => {
    const t = await createTenant();
    await fillCards(t, { cards: 120 });
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy });
    expect([plan.windows.length, plan.deletes.length]).toEqual([1, 1]);
    const { act, late, unseen } = await people(t);
    let acted = 0;
    onDebugPoint(async (point) => {
      if (point === at && acted === 0) {
        acted = 1;
        await act();
      }
      // The stale row comes last of all: with a newer version than everything, and before the proof.
      if (point === 'mutations-finished' && acted === 1) {
        acted = 2;
        await late();
      }
    });
    const first = await ended(t.refill.run(plan.id));
    onDebugPoint(undefined);
    expect(acted).toBe(2);
    const before = at === 'epoch-kept' || (strategy === 'purge' && at === 'mutations-assigned');
    await expectHonest(t, first.result, before ? () => false : unseen);
    // The card that changed hands stands under two keys at least, or the stale row is seen: there is something to name.
    expect(first.result.state).toBe('differences');
    const again = await ended(t.refill.retry());
    expect(again.result).toMatchObject({ state: 'succeeded', differences: 0 });
    await expectClean(t, RANGE);
  },
);

test('replace: what a live writer left under two keys before the first snapshot is gone after one run', async () => {
  const t = await createTenant();
  await fillCards(t, { cards: 120 });
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'replace' });
  const { act } = await people(t);
  onDebugPoint(async (point) => {
    if (point === 'epoch-kept') await act();
  });
  const { result } = await ended(t.refill.run(plan.id));
  expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  await expectClean(t, RANGE);
});

test('a run that is paused and resumed keeps what was written meanwhile', async () => {
  const t = await createTenant();
  await fillCards(t, { cards: 120 });
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE, strategy: 'replace' });
  // Written, and not deleted yet.
  onDebugPoint(async (point) => {
    if (point !== 'rows-proven') return;
    await t.refill.pause();
    await sleep(NOTICED_MS);
  });
  expect((await ended(t.refill.run(plan.id))).result.state).toBe('paused');
  onDebugPoint(undefined);
  const { act, unseen } = await people(t);
  await act();
  const { result } = await ended(t.refill.resume());
  await expectHonest(t, result, unseen);
  expect((await ended(t.refill.retry())).result.state).toBe('succeeded');
  await expectClean(t, RANGE);
});
