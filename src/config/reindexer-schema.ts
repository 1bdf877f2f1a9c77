import { z } from 'zod';
import { between, expected, oneOf, strict, whole, words } from './fields.ts';
import { connectionFields } from './temporal-schema.ts';

const path = () => words('a path such as 0.State.ReindexedConversations');

/** A workflow that exists and derives a dataset's rows on a cluster. */
const reindexerSchema = strict(
  {
    type: oneOf(['temporal']),
    ...connectionFields,
    workflowType: words('a workflow’s type').describe('Type of the workflow.'),
    taskQueue: words('a task queue').describe('Task queue that its workers listen on.'),
    workflowId: words('a pattern for ids')
      .regex(/\{id\}/u, { error: 'expected a pattern for ids that has {id}' })
      .describe('Pattern of its ids, with {customer}, {profile} and {id}; {id} is chosen by Refill.'),
    payload: z
      .json({ error: expected('a JSON value') })
      .describe('Its one argument; {customer}, {profile}, {from}, {to} and {id} are put in, in every text.'),
    progress: strict({
      done: path().default('0.State.ReindexedConversations'),
      failed: path().default('0.State.FailedConversations'),
      total: path().default('0.State.TotalConversationCount'),
    })
      .prefault({})
      .describe('Where its heartbeat’s details have the numbers.'),
    atOnce: whole(1, 100).default(2).describe('Workflows at once; default 2.'),
    aimSeconds: between(0.1, 86_400).default(3600).describe('Seconds that a workflow aims at; default 3600.'),
    pollSeconds: between(0.05, 600).default(10).describe('Seconds between looks at a workflow; default 10.'),
  },
  'a re-indexer',
);

export const reindexersSchema = z
  .record(words('a dataset’s name'), reindexerSchema, { error: expected('a map of re-indexers by dataset') })
  .describe('Workflows that derive datasets in place of Refill, by the dataset’s name.');
