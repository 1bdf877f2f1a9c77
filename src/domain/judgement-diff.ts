import type { GivenScore, Judgement } from './scorer.ts';

/** A scorecard of the source that a judgement is about, as far as it counts here. */
export interface ExistingCard {
  readonly id: string;
  readonly score: number | null;
  readonly scores: readonly ExistingScore[];
}

export interface ExistingScore {
  readonly id: string;
  readonly criterion: string;
  readonly value: number | null;
  readonly text: string | null;
  readonly notApplicable: boolean;
  readonly aiValue: number | null;
  /** Whether a scorer gave it; false for a person's. */
  readonly aiScored: boolean;
}

/** What has to be written so that the source says what the scorer says. */
export interface CardChange {
  readonly create: boolean;
  /** The card's percent, where it is written. */
  readonly score: { readonly value: number | null } | null;
  readonly added: readonly GivenScore[];
  readonly changed: readonly (GivenScore & { readonly id: string })[];
  /** Scores of a person that the scorer sees otherwise: they stay. */
  readonly kept: number;
}

const sameScore = (given: GivenScore, there: ExistingScore): boolean =>
  given.value === there.value && given.text === there.text && given.notApplicable === there.notApplicable;

/**
 * What a judgement changes. A score that a person gave is never changed, and the percent of a card with such a score is
 * that person's too. What is equal already is not written, so that a second backfill writes nothing.
 *
 * @returns Null where there is nothing to write and nothing was kept.
 */
export function diffJudgement(judgement: Judgement, card: ExistingCard | null): CardChange | null {
  if (card === null) {
    // A card without a score would be an empty shell.
    if (judgement.scores.length === 0) return null;
    return { create: true, score: { value: judgement.score }, added: judgement.scores, changed: [], kept: 0 };
  }
  const there = new Map<string, ExistingScore>();
  for (const score of card.scores) if (!there.has(score.criterion)) there.set(score.criterion, score);
  const added = judgement.scores.filter(({ criterion }) => !there.has(criterion));
  const changed: (GivenScore & { readonly id: string })[] = [];
  let kept = 0;
  for (const given of judgement.scores) {
    const known = there.get(given.criterion);
    if (known === undefined || (sameScore(given, known) && (!known.aiScored || known.aiValue === given.value)))
      continue;
    if (known.aiScored) changed.push({ ...given, id: known.id });
    else kept += 1;
  }
  const byPerson = card.scores.some(({ aiScored }) => !aiScored);
  const score = !byPerson && judgement.score !== null && judgement.score !== card.score;
  if (!score && added.length === 0 && changed.length === 0 && kept === 0) return null;
  return { create: false, score: score ? { value: judgement.score } : null, added, changed, kept };
}

/** Whether a change writes anything. */
export const writes = ({ create, score, added, changed }: CardChange): boolean =>
  create || score !== null || added.length > 0 || changed.length > 0;
