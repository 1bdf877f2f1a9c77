import type { BackfillChunk, BackfillPlan, BackfillTally } from '../../domain/backfill.ts';
import { type CardChange, diffJudgement, writes } from '../../domain/judgement-diff.ts';
import type { Judgement, ScorerItem } from '../../domain/scorer.ts';
import type { Instant } from '../../domain/words.ts';
import type { Source } from '../../source/postgres.ts';
import { lockCards } from './cards.ts';
import { stableId } from './stable-id.ts';
import type { Template } from './template.ts';

/** A change with the card that it is about. */
interface CardWrite extends CardChange {
  readonly card: string;
  readonly item: ScorerItem;
  /** The time that the dataset gives the card. */
  readonly time: Instant;
}

/** What was written, or would be. */
export type WrittenCards = Pick<BackfillChunk, 'touched'> & {
  readonly tally: Omit<BackfillTally, 'judged' | 'unjudged'>;
};

/** The id that a backfill gives to an item's scorecard: one for conversation and template revision. */
const cardId = ({ tenant, template }: BackfillPlan, item: string): string =>
  stableId(tenant.customer, tenant.profile, template.id, template.revision, item);

/**
 * Writes judgements to the source, in the transaction that is open: scorecards that are not there are created, scores of
 * scorers are changed where they differ, scores of people stay. The scorecards are locked from the comparison on.
 *
 * @param dry Nothing is written; what would be is counted all the same.
 */
export async function writeJudgements(
  source: Source,
  plan: BackfillPlan,
  template: Template,
  items: readonly ScorerItem[],
  judgements: readonly Judgement[],
  dry: boolean,
): Promise<WrittenCards> {
  const byId = new Map(items.map((item) => [item.id, item]));
  const ids = judgements.map(({ id }) => id).sort();
  const ours = new Map(ids.map((id) => [id, cardId(plan, id)]));
  const cards = await lockCards(source, plan, ids, ours);
  const changes: CardWrite[] = [];
  for (const judgement of judgements) {
    const [item, card] = [byId.get(judgement.id), cards.get(judgement.id)];
    // A process scorecard that is gone meanwhile is not made again.
    if (!item || (plan.kind === 'process-scorecards' && !card)) continue;
    const change = diffJudgement(judgement, card ?? null);
    const time = card?.time ?? item.endedAt ?? item.startedAt;
    if (change) changes.push({ ...change, card: card?.id ?? ours.get(item.id) ?? '', item, time });
  }
  const written = changes.filter(writes);
  if (!dry && written.length > 0) await apply(source, plan, template, written);
  return summaryOf(changes, written, judgements.length);
}

function summaryOf(changes: readonly CardWrite[], written: readonly CardWrite[], judged: number): WrittenCards {
  const sum = (of: (change: CardWrite) => number) => changes.reduce((n, change) => n + of(change), 0);
  const times = written.map(({ time }) => time).sort();
  const [first, last] = [times[0], times.at(-1)];
  const created = written.filter(({ create }) => create).length;
  return {
    tally: {
      scorecardsCreated: created,
      scorecardsChanged: written.length - created,
      scorecardsUnchanged: judged - written.length,
      scoresCreated: sum(({ added }) => added.length),
      scoresChanged: sum(({ changed }) => changed.length),
      scoresKept: sum(({ kept }) => kept),
    },
    touched: first === undefined || last === undefined ? null : { first, last },
  };
}

async function apply(
  source: Source,
  plan: BackfillPlan,
  template: Template,
  changes: readonly CardWrite[],
): Promise<void> {
  const owner = [plan.tenant.customer, plan.tenant.profile];
  const run = (sql: string, rows: readonly unknown[]) =>
    rows.length === 0 ? Promise.resolve([]) : source.query(sql, [...owner, JSON.stringify(rows)]);
  await run(
    CREATE_CARDS,
    changes
      .filter(({ create }) => create)
      .map(({ card, item, time, score }) => ({
        card,
        template: template.id,
        revision: template.revision,
        conversation: item.id,
        agent: item.agentUserId,
        score: score?.value ?? null,
        time,
      })),
  );
  await run(
    UPDATE_CARDS,
    changes
      .filter(({ create }) => !create)
      .map(({ card, score }) => ({ card, rescored: score !== null, score: score?.value ?? null })),
  );
  await run(
    ADD_SCORES,
    changes.flatMap(({ card, added }) =>
      added.map((given) => ({
        ...given,
        id: stableId(...owner, card, given.criterion),
        card,
        weight: template.weights.get(given.criterion) ?? null,
      })),
    ),
  );
  await run(
    CHANGE_SCORES,
    changes.flatMap(({ changed }) => changed),
  );
}

/** `updated_at` is that of the write, as live indexers go by it, and never before `created_at`. */
const CREATE_CARDS = `
INSERT INTO director.scorecards (customer, profile, resource_id, template_id, template_revision, conversation_id,
  agent_user_id, scorecard_type, score, created_at, updated_at)
SELECT $1, $2, card, template, revision, conversation, agent, 0, score, time, greatest(clock_timestamp(), time)
FROM jsonb_to_recordset($3::jsonb) AS r (card text, template text, revision text, conversation text, agent text,
  score double precision, time timestamptz)
ON CONFLICT DO NOTHING`;

const UPDATE_CARDS = `
UPDATE director.scorecards c
SET score = CASE WHEN r.rescored THEN r.score ELSE c.score END, updated_at = greatest(clock_timestamp(), c.created_at)
FROM jsonb_to_recordset($3::jsonb) AS r (card text, rescored boolean, score double precision)
WHERE c.customer = $1 AND c.profile = $2 AND c.resource_id = r.card`;

const ADD_SCORES = `
INSERT INTO director.scores (customer, profile, resource_id, scorecard_id, criterion_identifier, numeric_value,
  text_value, weight, not_applicable, ai_scored, ai_value)
SELECT $1, $2, id, card, criterion, value, text, weight, "notApplicable", true, value
FROM jsonb_to_recordset($3::jsonb) AS r (id text, card text, criterion text, value double precision, text text,
  weight double precision, "notApplicable" boolean)
ON CONFLICT DO NOTHING`;

const CHANGE_SCORES = `
UPDATE director.scores s
SET numeric_value = r.value, text_value = r.text, not_applicable = r."notApplicable", ai_value = r.value
FROM jsonb_to_recordset($3::jsonb) AS r (id text, value double precision, text text, "notApplicable" boolean)
WHERE s.customer = $1 AND s.profile = $2 AND s.resource_id = r.id AND s.ai_scored`;
