import { z } from 'zod';

/**
 * The contract of a scorer, version 1: what it is sent and what it may answer. scorer.openapi.json is made of it, and
 * every answer is checked by it. Keys that it does not name are ignored in an answer, so that it can grow.
 */

const instant = () => z.iso.datetime();

export const requestSchema = z.object({
  version: z.literal(1).describe('Version of this contract.'),
  customer: z.string(),
  profile: z.string(),
  kind: z
    .enum(['conversations', 'process-scorecards'])
    .describe('What the items are: conversations, or process scorecards, which have no conversation.'),
  template: z.object({
    id: z.string(),
    revision: z.string(),
    title: z.string(),
    criteria: z.array(z.string()).describe('Identifiers of the leaf criteria: only these can have scores.'),
    structure: z.unknown().describe('The whole structure of the revision, as the source has it.'),
  }),
  items: z.array(
    z.object({
      id: z.string().describe('Id of the conversation, or of the process scorecard.'),
      agentUserId: z.string().nullable(),
      startedAt: instant(),
      endedAt: instant().nullable(),
      language: z.string().nullable(),
      metadata: z.record(z.string(), z.unknown()),
    }),
  ),
});

const scoreSchema = z.object({
  criterion: z.string().min(1).describe('Identifier of a leaf criterion of the template revision.'),
  value: z.number().nullable().optional(),
  text: z.string().max(100_000).nullable().optional(),
  notApplicable: z.boolean().optional(),
});

export const judgementSchema = z.object({
  id: z.string().describe('Id of an item of the request.'),
  score: z.number().nullable().optional().describe('Percent of the whole scorecard.'),
  scores: z.array(scoreSchema).max(10_000).describe('One for each criterion that was judged.'),
});

export const declinedSchema = z.object({
  id: z.string(),
  error: z
    .string()
    .regex(/^[A-Z][A-Z0-9_]{0,63}$/u)
    .describe('Why it cannot be judged, as a code such as NO_TRANSCRIPT: it is kept, so it must not quote anybody.'),
});

export const answerSchema = z.object({
  results: z
    .array(z.union([judgementSchema, declinedSchema]))
    .describe('One for each item, in any order. An item that is missing counts as failed.'),
});
