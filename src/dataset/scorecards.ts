import {
  bool,
  float,
  int,
  text,
  timestamp,
  type ColumnDefinition,
  type DatasetDefinition,
  type Exclusion,
} from './definition.ts';

/**
 * The built-in dataset: conversation and process scorecards with their scores, in three tables.
 *
 * Range and window time of all three is `scorecard_time`: `submitted_at` where it is set, else `created_at`.
 */

const CARD_COLUMNS = `customer, profile, resource_id, template_id, template_revision, conversation_id, agent_user_id,
  creator_user_id, submitter_user_id, scorecard_type, submission_source, calibrated_scorecard_id, score, comment,
  created_at, updated_at, submitted_at`;

const cards = (where: string) => `SELECT ${CARD_COLUMNS} FROM director.scorecards
  WHERE customer = :customer AND profile = :profile AND ${where}`;

/**
 * Two scans of two indexes. One query that says `submitted_at … OR created_at …` would read the whole table, which has no
 * index on `created_at`: a card that was created in the range was also updated since the range began.
 */
const cardsInRange = (which: string) => `${cards(`submitted_at >= :from AND submitted_at < :to${which}`)}
  UNION ALL
  ${cards(`submitted_at IS NULL AND updated_at >= :from AND created_at >= :from AND created_at < :to${which}`)}`;

const CARDS_IN_RANGE = cardsInRange('');

/** Which cards there are: with a conversation, or without. */
const SUBSETS = {
  conversation: { rowsInRange: cardsInRange(` AND conversation_id <> ''`), target: `conversation_id != ''` },
  process: { rowsInRange: cardsInRange(` AND conversation_id = ''`), target: `conversation_id = ''` },
} as const;

/** Cards by their ids, and with them their scores. */
const BY_ID = {
  column: 'scorecard_id',
  rowsInRange: cards(`resource_id = ANY (:ids)
    AND coalesce(submitted_at, created_at) >= :from AND coalesce(submitted_at, created_at) < :to`),
} as const;

const array = (json: string) => `CASE WHEN jsonb_typeof(${json}) = 'array' THEN ${json} ELSE '[]' END`;

/**
 * `{template: {revision: {criterion: true}}}` of the leaf criteria. An uncorrelated subquery, so that Postgres evaluates
 * it once and its parallel workers can use it; a CTE that is joined would keep the whole query from being parallel.
 */
const LEAVES = `(WITH RECURSIVE item (template_id, revision, item) AS (
    SELECT resource_id, revision, i.value
    FROM director.scorecard_templates, jsonb_array_elements(${array("structure->'items'")}) i
    WHERE customer = :customer AND profile = :profile
    UNION ALL
    SELECT template_id, revision, i.value FROM item, jsonb_array_elements(${array("item->'items'")}) i
  ), leaf AS (
    SELECT template_id, revision, jsonb_object_agg(item->>'identifier', true) AS criteria
    FROM item WHERE item->>'identifier' IS NOT NULL AND item->'chapter' IS DISTINCT FROM 'true' GROUP BY 1, 2
  )
  SELECT jsonb_object_agg(template_id, revisions)
  FROM (SELECT template_id, jsonb_object_agg(revision, criteria) AS revisions FROM leaf GROUP BY 1) t)`;

/**
 * What both kinds of rows are joined with. `coalesce` around the leaves is not for NULL alone: without it Postgres would
 * take the criteria of a template out of the whole JSON once a score, with it once a template. Templates by id and revision: else every card would be counted once a revision. */
const JOINS = `LEFT JOIN app.chats ch
    ON ch.customer = :customer AND ch.profile = :profile AND ch.conversation_id = c.conversation_id AND c.conversation_id <> ''
  LEFT JOIN (
    SELECT resource_id, revision, type, coalesce(${LEAVES} -> resource_id -> revision, '{}') AS leaves
    FROM director.scorecard_templates WHERE customer = :customer AND profile = :profile
  ) t ON t.resource_id = c.template_id AND t.revision = c.template_revision
  LEFT JOIN app.users u ON u.customer = :customer AND u.profile = :profile
    AND u.user_id = CASE WHEN c.conversation_id <> '' THEN ch.agent_user_id ELSE c.agent_user_id END`;

const SCORES_OF_CARD = `director.scores o WHERE o.customer = :customer AND o.profile = :profile AND o.scorecard_id = c.resource_id`;
const NO_SCORES = `NOT EXISTS (SELECT 1 FROM ${SCORES_OF_CARD})`;
const LEAF_SCORES = `EXISTS (SELECT 1 FROM ${SCORES_OF_CARD} AND t.leaves ? o.criterion_identifier)`;

const CARD_EXCLUSIONS: readonly Exclusion[] = [
  {
    reason: 'appeal',
    when: 'c.scorecard_type IN (1, 2, 3)',
    why: 'It is a replica, a request or a resolution of an appeal, not an original scorecard.',
  },
  {
    reason: 'calibration',
    when: `c.calibrated_scorecard_id <> ''`,
    why: 'It is a calibration copy of another scorecard.',
  },
  {
    reason: 'conversation_not_found',
    when: `c.conversation_id <> '' AND ch.conversation_id IS NULL`,
    why: 'It names a conversation that does not exist.',
  },
  { reason: 'template_not_found', when: 't.resource_id IS NULL', why: 'No template has its id and revision.' },
];

const EMPTY_CARD_EXCLUSIONS: readonly Exclusion[] = [
  {
    reason: 'unsubmitted_shell',
    when: `c.submitted_at IS NULL AND ${NO_SCORES}`,
    why: 'It was never submitted, and nobody scored anything.',
  },
  {
    reason: 'no_scores',
    // One lookup instead of two for nearly every submitted card.
    unless: LEAF_SCORES,
    when: NO_SCORES,
    why: 'It was submitted without a single score.',
  },
  {
    reason: 'only_chapters',
    when: `NOT ${LEAF_SCORES}`,
    why: 'Its scores are of chapters only, none of a leaf criterion.',
  },
];

const IS_LEAF = `coalesce(t.leaves ? s.criterion_identifier, false)`;

const SCORE_EXCLUSIONS: readonly Exclusion[] = [
  {
    reason: 'only_chapters',
    unless: IS_LEAF,
    when: `NOT ${LEAF_SCORES}`,
    why: 'Its scorecard has scores of chapters only, none of a leaf criterion.',
  },
  {
    reason: 'chapter',
    when: `NOT ${IS_LEAF}`,
    why: 'Its criterion is a chapter, not a leaf of that template revision.',
  },
];

const CONVERSATION_COLUMNS: Record<string, ColumnDefinition> = {
  scorecard_id: text('c.resource_id'),
  conversation_id: text('c.conversation_id'),
  scorecard_time: timestamp('coalesce(c.submitted_at, c.created_at)'),
  conversation_start_time: timestamp('ch.started_at'),
  conversation_end_time: timestamp('coalesce(ch.ended_at, ch.started_at)'),
  // A conversation may have changed hands since the card was made: the conversation's agent counts.
  agent_user_id: text(`CASE WHEN c.conversation_id <> '' THEN ch.agent_user_id ELSE c.agent_user_id END`),
  template_id: text('c.template_id'),
  template_revision: text('c.template_revision'),
};

const SCORE_COLUMNS: Record<string, ColumnDefinition> = {
  score_id: text('s.resource_id'),
  ...CONVERSATION_COLUMNS,
  criterion_id: text('s.criterion_identifier'),
  numeric_value: float('s.numeric_value', { ifNull: null }),
  text_value: text('s.text_value'),
  weight: float('s.weight', { ifNull: 1 }),
  not_applicable: bool('s.not_applicable'),
};

const COMMON = {
  time: 'scorecard_time',
  subsets: SUBSETS,
  byId: BY_ID,
  version: 'update_time',
  owner: { customer: 'customer_id', profile: 'profile_id' },
  shard: `toUnixTimestamp(if(conversation_id = '', scorecard_time, conversation_start_time))`,
} as const;

const SCORE_SOURCE = {
  from: `:rows AS c
  JOIN director.scores s ON s.customer = :customer AND s.profile = :profile AND s.scorecard_id = c.resource_id
  ${JOINS}`,
  rowsInRange: CARDS_IN_RANGE,
  rowsByKey: cards(`resource_id IN (
    SELECT scorecard_id FROM director.scores WHERE customer = :customer AND profile = :profile AND resource_id = ANY (:keys))`),
  whereKey: 's.resource_id = ANY (:keys)',
  big: ['director.scorecards', 'director.scores'],
} as const;

const ORPHAN_SCORES = {
  reason: 'scorecard_not_found',
  select: `SELECT s.resource_id AS key FROM director.scores s
    WHERE s.customer = :customer AND s.profile = :profile AND NOT EXISTS (
      SELECT 1 FROM director.scorecards c
      WHERE c.customer = s.customer AND c.profile = s.profile AND c.resource_id = s.scorecard_id)`,
  why: 'Its scorecard does not exist, so it has no time.',
} as const;

export const scorecards: DatasetDefinition = {
  name: 'scorecards',
  // A loose index scan over the primary key: as many steps as there are tenants, whatever the table's size.
  tenants: `WITH RECURSIVE tenant (customer, profile) AS (
      (SELECT customer, profile FROM director.scorecards ORDER BY customer, profile LIMIT 1)
      UNION ALL
      SELECT n.customer, n.profile FROM tenant, LATERAL (
        SELECT customer, profile FROM director.scorecards s
        WHERE (s.customer, s.profile) > (tenant.customer, tenant.profile) ORDER BY customer, profile LIMIT 1) n
    ) SELECT customer, profile FROM tenant`,
  tables: [
    {
      ...COMMON,
      name: 'scorecard',
      key: 'scorecard_id',
      source: {
        from: `:rows AS c\n  ${JOINS}`,
        rowsInRange: CARDS_IN_RANGE,
        rowsByKey: cards('resource_id = ANY (:keys)'),
        whereKey: 'c.resource_id = ANY (:keys)',
        big: ['director.scorecards', 'director.scores'],
      },
      exclusions: [...CARD_EXCLUSIONS, ...EMPTY_CARD_EXCLUSIONS],
      columns: {
        ...CONVERSATION_COLUMNS,
        creator_user_id: text('c.creator_user_id'),
        submitter_user_id: text('c.submitter_user_id'),
        template_type: int('t.type'),
        submission_source: int('c.submission_source'),
        language: text('ch.language'),
        is_dev_user: bool('u.is_dev_user'),
        score: float('c.score', { ifNull: null }),
        comment: text('c.comment'),
        created_at: timestamp('c.created_at'),
        submitted_at: timestamp('c.submitted_at'),
      },
    },
    {
      ...COMMON,
      name: 'score',
      key: 'score_id',
      source: SCORE_SOURCE,
      exclusions: [...CARD_EXCLUSIONS, ...SCORE_EXCLUSIONS],
      untimed: [ORPHAN_SCORES],
      columns: { ...SCORE_COLUMNS, ai_scored: bool('s.ai_scored'), ai_value: float('s.ai_value', { ifNull: null }) },
    },
    {
      ...COMMON,
      name: 'scorecard_score',
      optional: true,
      key: 'score_id',
      source: SCORE_SOURCE,
      exclusions: [...CARD_EXCLUSIONS, ...SCORE_EXCLUSIONS],
      untimed: [ORPHAN_SCORES],
      columns: {
        ...SCORE_COLUMNS,
        template_type: int('t.type'),
        language: text('ch.language'),
        is_dev_user: bool('u.is_dev_user'),
        scorecard_score: float('c.score', { ifNull: null }),
        submitted_at: timestamp('c.submitted_at'),
      },
    },
  ],
};
