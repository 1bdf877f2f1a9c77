import type { BackfillPlan } from '../../domain/backfill.ts';
import type { ExistingCard, ExistingScore } from '../../domain/judgement-diff.ts';
import type { Instant } from '../../domain/words.ts';
import type { Source } from '../../source/postgres.ts';

/** A scorecard that is there, with the time that the dataset gives it. */
export interface LockedCard extends ExistingCard {
  /** The conversation that it is of, or its own id where it is a process scorecard. */
  readonly item: string;
  readonly time: Instant;
}

/** Numbers as they are kept: `double precision` and back is the same number. */
interface ScoreRow extends Record<string, unknown>, ExistingScore {
  readonly card: string;
}

/**
 * The original scorecards of a template revision for some items, locked until the transaction ends, with their scores.
 * Where an item has several, the oldest counts, or that of an earlier backfill.
 *
 * @param ours Ids that a backfill gives, by item.
 */
export async function lockCards(
  source: Source,
  plan: BackfillPlan,
  items: readonly string[],
  ours: ReadonlyMap<string, string>,
): Promise<ReadonlyMap<string, LockedCard>> {
  const column = plan.kind === 'conversations' ? 'conversation_id' : 'resource_id';
  const { tenant, template } = plan;
  // In the order of ids, as everywhere: two programs that lock the same cards do not wait for each other for ever.
  const cards = await source.query<{ id: string; item: string; score: number | null; time: Date }>(
    `SELECT resource_id AS id, ${column} AS item, score, coalesce(submitted_at, created_at) AS time
     FROM director.scorecards
     WHERE customer = $1 AND profile = $2 AND template_id = $3 AND template_revision = $4 AND ${column} = ANY ($5)
       AND coalesce(scorecard_type, 0) = 0 AND coalesce(calibrated_scorecard_id, '') = ''
     ORDER BY resource_id FOR UPDATE`,
    [tenant.customer, tenant.profile, template.id, template.revision, items],
  );
  const chosen = new Map<string, (typeof cards)[number]>();
  for (const card of cards) {
    const known = chosen.get(card.item);
    const own = ours.get(card.item);
    if (!known || card.id === own || (known.id !== own && card.time < known.time)) chosen.set(card.item, card);
  }
  const scores = await scoresOf(
    source,
    plan,
    [...chosen.values()].map(({ id }) => id),
  );
  return new Map(
    [...chosen].map(([item, { id, score, time }]) => [
      item,
      { id, item, score, time: time.toISOString(), scores: scores.get(id) ?? [] },
    ]),
  );
}

async function scoresOf(
  source: Source,
  { tenant }: BackfillPlan,
  cards: readonly string[],
): Promise<ReadonlyMap<string, ExistingScore[]>> {
  const rows = await source.query<ScoreRow>(
    `SELECT scorecard_id AS card, resource_id AS id, criterion_identifier AS criterion, numeric_value AS value,
            text_value AS text, not_applicable AS "notApplicable", ai_value AS "aiValue", ai_scored AS "aiScored"
     FROM director.scores WHERE customer = $1 AND profile = $2 AND scorecard_id = ANY ($3)
     ORDER BY resource_id FOR UPDATE`,
    [tenant.customer, tenant.profile, cards],
  );
  const byCard = new Map<string, ExistingScore[]>();
  for (const { card, ...score } of rows) byCard.set(card, [...(byCard.get(card) ?? []), score]);
  return byCard;
}
