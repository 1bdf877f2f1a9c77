import { z } from 'zod';
import { answerSchema, requestSchema } from './contract.ts';

/** A schema without what only a document of its own has. */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Readonly<Record<string, unknown>> {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io });
  return rest;
}

const json = (schema: Readonly<Record<string, unknown>>) => ({ content: { 'application/json': { schema } } });
const ref = (name: string) => ({ $ref: `#/components/schemas/${name}` });

/** The contract of an HTTP scorer as an OpenAPI 3.1 document. */
export function scorerOpenApi(): Readonly<Record<string, unknown>> {
  const retried = { description: 'Tried again, with pauses, as often as `limits.attempts` says.' };
  const refused = { description: 'Not tried again: the backfill stops where it is.' };
  return {
    openapi: '3.1.0',
    info: {
      title: 'Refill scorer',
      version: '1',
      description: 'What `refill backfill` sends to a scorer, and what it may answer. See docs/scorers.md.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths: {
      '/': {
        post: {
          summary: 'Judge a batch. Posted to the configured address itself, whatever its path is.',
          description: 'The same batch may come twice: after a crash, or where an answer was lost.',
          operationId: 'judge',
          security: [{ key: [] }, {}],
          requestBody: { required: true, ...json(ref('Request')) },
          responses: {
            200: { description: 'The judgements.', ...json(ref('Answer')) },
            429: retried,
            '4XX': refused,
            '5XX': retried,
          },
        },
      },
    },
    components: {
      securitySchemes: { key: { type: 'http', scheme: 'bearer' } },
      schemas: { Request: schemaOf(requestSchema, 'output'), Answer: schemaOf(answerSchema, 'input') },
    },
  };
}

/** The text of `scorer.openapi.json`. */
export function scorerOpenApiText(): string {
  return `${JSON.stringify(scorerOpenApi(), null, 2)}\n`;
}
