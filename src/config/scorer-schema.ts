import { z } from 'zod';
import { between, expected, reference, serviceUrl, strict, whole } from './fields.ts';
import type { FunctionScorer } from './scorer.ts';

const SCORER_NAME = 'a name of up to 63 letters, digits, `_` and `-`, a letter first';

const LIMITS = {
  batch: whole(1, 1000).exactOptional().describe('Items a request; default 20.'),
  timeoutSeconds: between(0.1, 3600).exactOptional().describe('Seconds that a request may take; default 60.'),
};

const httpScorerSchema = strict(
  {
    url: serviceUrl('https://scorer.internal/judge').describe('Where batches are posted to.'),
    key: reference()
      .exactOptional()
      .describe('The key’s reference: env:NAME, file:PATH or exec:COMMAND. Sent as `Authorization: Bearer …`.'),
    ...LIMITS,
    answerMegabytes: whole(1, 1000).exactOptional().describe('Megabytes that an answer may have; default 8.'),
  },
  'a scorer',
);

const functionScorerSchema = strict(
  {
    score: z.custom<FunctionScorer['score']>((value) => typeof value === 'function', { error: expected('a function') }),
    ...LIMITS,
  },
  'a scorer',
);

const named = <const S extends z.ZodType>(scorer: S) =>
  z
    .record(z.string().regex(/^[A-Za-z][A-Za-z0-9_-]{0,62}$/u, { error: `expected ${SCORER_NAME}` }), scorer, {
      error: expected('a map of scorers by name'),
    })
    .describe('What judges conversations for `refill backfill`, by the names that `--scorer` takes.');

export const yamlScorersSchema = named(httpScorerSchema);

/** In TypeScript a scorer can be a function too. */
export const moduleScorersSchema = named(
  z.union([httpScorerSchema, functionScorerSchema], { error: expected('{ url } or what defineScorer returns') }),
);
