import { z } from 'zod';
import { RefillError } from '../domain/errors.ts';
import type { Judged, Judgement, ScorerRequest, Unjudged } from '../domain/scorer.ts';
import { declinedSchema, judgementSchema } from './contract.ts';

const envelope = z.object({ results: z.array(z.unknown()) });
const identified = z.object({ id: z.string() });

/** `scores[2].value`, of the first thing that is wrong. A value is never repeated: it is somebody's conversation. */
function fieldOf(error: z.ZodError): string {
  const path = error.issues[0]?.path ?? [];
  return path.reduce<string>(
    (text, part) => (typeof part === 'number' ? `${text}[${part}]` : `${text}${text === '' ? '' : '.'}${String(part)}`),
    '',
  );
}

/** What is wrong with a judgement that a schema cannot say; undefined where it is right. */
function wrongCriterion(judgement: Judgement, criteria: ReadonlySet<string>): string | undefined {
  const seen = new Set<string>();
  for (const [index, { criterion }] of judgement.scores.entries()) {
    if (!criteria.has(criterion)) return `scores[${index}].criterion is no leaf criterion of the template revision`;
    if (seen.has(criterion)) return `scores[${index}].criterion stands twice`;
    seen.add(criterion);
  }
  return undefined;
}

function readResult(id: string, result: unknown, criteria: ReadonlySet<string>): Judgement | Unjudged {
  const declined = declinedSchema.safeParse(result);
  if (declined.success)
    return { id, code: 'SCORER_DECLINED', message: `the scorer declined it: ${declined.data.error}` };
  const parsed = judgementSchema.safeParse(result);
  if (!parsed.success) return { id, code: 'SCORER_SHAPE', message: `${fieldOf(parsed.error)} is missing or wrong` };
  const judgement: Judgement = {
    id,
    score: parsed.data.score ?? null,
    scores: parsed.data.scores.map(({ criterion, value, text, notApplicable }) => ({
      criterion,
      value: value ?? null,
      text: text ?? null,
      notApplicable: notApplicable ?? false,
    })),
  };
  const wrong = wrongCriterion(judgement, criteria);
  return wrong === undefined ? judgement : { id, code: 'SCORER_SHAPE', message: wrong };
}

/**
 * Sorts an answer's results: each item of the request is judged or unjudged, for a reason.
 *
 * @throws RefillError `SCORER_SHAPE` where the answer as a whole is wrong, or nothing of it can be used: then the scorer
 * is at fault and not some conversations.
 */
export function checkAnswer(scorer: string, request: ScorerRequest, answer: unknown): Judged {
  const results = envelope.safeParse(answer);
  if (!results.success) throw wrongAnswer(scorer, `${fieldOf(results.error) || 'the answer'} is missing or wrong`);
  const asked = new Set(request.items.map(({ id }) => id));
  const criteria = new Set(request.template.criteria);
  const found = new Map<string, Judgement | Unjudged>();
  for (const [index, result] of results.data.results.entries()) {
    const id = identified.safeParse(result).data?.id;
    if (id === undefined) throw wrongAnswer(scorer, `results[${index}].id is missing or wrong`);
    if (!asked.has(id)) throw wrongAnswer(scorer, `results[${index}].id was not asked for`);
    if (found.has(id)) throw wrongAnswer(scorer, `results[${index}].id stands twice`, id);
    found.set(id, readResult(id, result, criteria));
  }
  for (const id of asked) {
    if (!found.has(id)) found.set(id, { id, code: 'SCORER_PARTIAL', message: 'the answer does not have it' });
  }
  const all = [...found.values()];
  const judgements = all.filter((one): one is Judgement => 'scores' in one);
  const unjudged = all.filter((one): one is Unjudged => 'code' in one);
  const misshapen = unjudged.find(({ code }) => code === 'SCORER_SHAPE');
  if (judgements.length === 0 && misshapen) throw wrongAnswer(scorer, misshapen.message, misshapen.id);
  return { judgements, unjudged };
}

function wrongAnswer(scorer: string, what: string, id?: string): RefillError {
  const where = id === undefined ? '' : `, of ${JSON.stringify(id)}`;
  return new RefillError('SCORER_SHAPE', `scorer ${scorer}: ${what}${where}`, {
    details: { scorer, ...(id === undefined ? {} : { id }) },
  });
}
