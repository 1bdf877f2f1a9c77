import type { Row, Rows } from './tenant.ts';

/**
 * Two hundred scorecards of one week of January 2026, each kind in a block of ids, and what the old code made of them:
 *
 * | cards     | source                       | target                                      |
 * | --------- | ---------------------------- | ------------------------------------------- |
 * | 0 … 149   | of conversations, two scores | right, but for those below                  |
 * | 20 … 29   |                              | a hole: neither card nor scores             |
 * | 40 … 44   |                              | stale: another score                        |
 * | 45        |                              | the card is right, its first score is stale |
 * | 50 … 52   |                              | twice: the key has changed                  |
 * | 150 … 169 | processes, two scores        | missing                                     |
 * | 170 … 189 | appeals, two scores          | 170 … 179 are there                         |
 * | 190 … 199 | shells without a score       |                                             |
 * | orphans   |                              | three with a score each                     |
 *
 * Every tenth card has a score of a chapter, too.
 */
export const RANGE = ['--from', '2026-01-05', '--to', '2026-01-13'];

const START = Date.parse('2026-01-05T00:00:00Z');
const MINUTE = 60_000;
const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
const iso = (ms: number) => new Date(ms).toISOString();
const cardId = (n: number) => `card-${String(n).padStart(3, '0')}`;
/** As ClickHouse reads a DateTime64(3). */
const ticks = (ms: number) => iso(ms).replace('T', ' ').replace('Z', '');

export const ids = (from: number, to: number) => numbers(from, to).map(cardId);
export const scoreIds = (from: number, to: number) => ids(from, to).flatMap((id) => [`${id}-greet`, `${id}-solve`]);

const createdAt = (n: number) => START + n * 45 * MINUTE;
const submittedAt = (n: number) => (n < 190 ? createdAt(n) + 10 * MINUTE : null);
const isProcess = (n: number) => n >= 150 && n < 170;
const isAppeal = (n: number) => n >= 170 && n < 190;
const conversation = (n: number) => (isProcess(n) ? '' : `conv-${n % 150}`);
const agent = (n: number) => `agent-${(isProcess(n) ? n : n % 150) % 5}`;

const TEMPLATE = { template_id: 'tpl-1', template_revision: 'r1' };
const STRUCTURE = {
  items: [
    { identifier: 'greet' },
    { identifier: 'solve' },
    { identifier: 'closing', chapter: true, items: [{ identifier: 'thanks' }] },
  ],
};

/** A scorecard of the source; tests of single values change some of it. */
export function sourceCard(n: number, change: Row = {}): Row {
  const submitted = submittedAt(n);
  return {
    resource_id: cardId(n),
    ...TEMPLATE,
    conversation_id: conversation(n),
    agent_user_id: agent(n),
    creator_user_id: 'maker',
    submitter_user_id: 'maker',
    scorecard_type: isAppeal(n) ? 1 + (n % 3) : null,
    submission_source: 1,
    score: n / 200,
    comment: `card ${n}`,
    created_at: iso(createdAt(n)),
    updated_at: iso((submitted ?? createdAt(n)) + MINUTE),
    submitted_at: submitted === null ? null : iso(submitted),
    ...change,
  };
}

function sourceScores(n: number, change: Row = {}): Row[] {
  if (n >= 190) return [];
  const criteria = n % 10 === 0 ? ['greet', 'solve', 'closing'] : ['greet', 'solve'];
  return criteria.map((criterion) => ({
    resource_id: `${cardId(n)}-${criterion}`,
    scorecard_id: cardId(n),
    criterion_identifier: criterion,
    numeric_value: n % 7,
    text_value: null,
    weight: null,
    not_applicable: false,
    ai_scored: n % 2 === 0,
    ai_value: null,
    ...change,
  }));
}

/** Everything of the source but scorecards and scores. */
const AROUND = {
  'app.users': numbers(0, 5).map((n) => ({ user_id: `agent-${n}`, is_dev_user: n === 4 })),
  'app.chats': numbers(0, 150).map((n) => ({
    conversation_id: `conv-${n}`,
    agent_user_id: `agent-${n % 5}`,
    started_at: iso(START + n * 20 * MINUTE),
    ended_at: iso(START + n * 20 * MINUTE + 7 * MINUTE),
    language: 'en',
    metadata: {},
  })),
  'director.scorecard_templates': [
    {
      resource_id: TEMPLATE.template_id,
      revision: TEMPLATE.template_revision,
      type: 2,
      status: 1,
      title: 'A template',
      structure: STRUCTURE,
      audience: {},
      created_at: iso(START),
    },
  ],
};

/** What all target tables have of a card. */
function targetOf(n: number): Row {
  const start = START + (n % 150) * 20 * MINUTE;
  return {
    scorecard_id: cardId(n),
    conversation_id: conversation(n),
    scorecard_time: ticks(submittedAt(n) ?? createdAt(n)),
    conversation_start_time: ticks(start),
    conversation_end_time: ticks(start + 7 * MINUTE),
    agent_user_id: agent(n),
    ...TEMPLATE,
    update_time: '2026-01-20 00:00:00',
  };
}

function targetCard(n: number, change: Row = {}): Row {
  return {
    ...targetOf(n),
    creator_user_id: 'maker',
    submitter_user_id: 'maker',
    template_type: 2,
    submission_source: 1,
    language: 'en',
    is_dev_user: agent(n) === 'agent-4' ? 1 : 0,
    score: n / 200,
    comment: `card ${n}`,
    created_at: ticks(createdAt(n)),
    submitted_at: ticks(submittedAt(n) ?? 0),
    ...change,
  };
}

function targetScores(n: number, change: Row = {}): Row[] {
  return ['greet', 'solve'].map((criterion) => ({
    ...targetOf(n),
    score_id: `${cardId(n)}-${criterion}`,
    criterion_id: criterion,
    numeric_value: n === 45 && criterion === 'greet' ? 99 : n % 7,
    weight: 1,
    ai_scored: n % 2 === 0 ? 1 : 0,
    ...change,
  }));
}

/** The table above. */
export function wrongTenant(): Rows {
  const written = [...numbers(0, 20), ...numbers(30, 150), ...numbers(170, 180)];
  const twice = numbers(50, 53);
  const orphans = numbers(0, 3);
  const moved = { agent_user_id: 'agent-gone', update_time: '2026-01-19 00:00:00' };
  return {
    source: {
      ...AROUND,
      'director.scorecards': numbers(0, 200).map((n) => sourceCard(n)),
      'director.scores': numbers(0, 190).flatMap((n) => sourceScores(n)),
    },
    target: {
      scorecard: [
        ...written.map((n) => targetCard(n, n >= 40 && n < 45 ? { score: 9 } : {})),
        ...twice.map((n) => targetCard(n, moved)),
        ...orphans.map((n) => targetCard(n, { scorecard_id: `orphan-${n}` })),
      ],
      score: [
        ...written.flatMap((n) => targetScores(n)),
        ...twice.flatMap((n) => targetScores(n, moved)),
        ...orphans.flatMap((n) => targetScores(n, { score_id: `orphan-${n}-greet` }).slice(0, 1)),
      ],
    },
  };
}

/** A few conversation cards, the first of them changed; the target has the others, and one orphan. */
export function fewCards(card: Row = {}, score: Row = {}): Rows {
  return {
    source: {
      ...AROUND,
      'director.scorecards': numbers(1, 6).map((n) => sourceCard(n, n === 1 ? card : {})),
      'director.scores': numbers(1, 6).flatMap((n) => sourceScores(n, n === 1 ? score : {})),
    },
    target: {
      scorecard: [...numbers(2, 6).map((n) => targetCard(n)), targetCard(7, { scorecard_id: 'orphan-7' })],
      score: numbers(2, 6).flatMap((n) => targetScores(n)),
    },
  };
}
