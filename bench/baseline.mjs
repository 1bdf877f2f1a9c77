/**
 * The baselines: the same derivation as plain views in Postgres, and the statement with which ClickHouse pulls them
 * itself. Written apart from the dataset, as somebody would who has no Refill.
 */
const CARD = `
  coalesce(c.submitted_at, c.created_at) AS scorecard_time,
  CASE WHEN c.conversation_id <> '' THEN ch.started_at ELSE 'epoch' END AS conversation_start_time,
  CASE WHEN c.conversation_id <> '' THEN coalesce(ch.ended_at, ch.started_at) ELSE 'epoch' END AS conversation_end_time,
  coalesce(CASE WHEN c.conversation_id <> '' THEN ch.agent_user_id ELSE c.agent_user_id END, '') AS agent_user_id,
  c.template_id, c.template_revision`;

const KEPT = `coalesce(c.scorecard_type, 0) NOT IN (1, 2, 3) AND coalesce(c.calibrated_scorecard_id, '') = ''
  AND (c.conversation_id = '' OR ch.conversation_id IS NOT NULL)`;

const JOINS = `
  LEFT JOIN app.chats ch USING (customer, profile, conversation_id)
  JOIN director.scorecard_templates t ON t.customer = c.customer AND t.profile = c.profile
    AND t.resource_id = c.template_id AND t.revision = c.template_revision
  LEFT JOIN app.users u ON u.customer = c.customer AND u.profile = c.profile
    AND u.user_id = CASE WHEN c.conversation_id <> '' THEN ch.agent_user_id ELSE c.agent_user_id END`;

/** Leaf criteria as a table of its own: the views join it. */
const LEAVES = `CREATE TABLE bench_leaf AS
  WITH RECURSIVE item (template_id, revision, item) AS (
    SELECT resource_id, revision, i FROM director.scorecard_templates, jsonb_array_elements(structure->'items') i
    UNION ALL
    SELECT template_id, revision, i FROM item, jsonb_array_elements(coalesce(item->'items', '[]')) i
  ) SELECT DISTINCT template_id, revision, item->>'identifier' AS criterion FROM item
    WHERE item->'chapter' IS DISTINCT FROM 'true'`;

export const SOURCE_SETUP = [
  'DROP VIEW IF EXISTS bench_scorecard, bench_score',
  'DROP TABLE IF EXISTS bench_leaf',
  LEAVES,
  'ANALYZE bench_leaf',
  `CREATE VIEW bench_scorecard AS
   SELECT c.customer AS customer_id, c.profile AS profile_id, c.resource_id AS scorecard_id, c.conversation_id, ${CARD},
     coalesce(c.creator_user_id, '') AS creator_user_id, coalesce(c.submitter_user_id, '') AS submitter_user_id, t.type AS template_type,
     coalesce(c.submission_source, 0) AS submission_source,
     CASE WHEN c.conversation_id <> '' THEN coalesce(ch.language, '') ELSE '' END AS language,
     coalesce(u.is_dev_user, false)::int AS is_dev_user, c.score, coalesce(c.comment, '') AS comment, c.created_at,
     coalesce(c.submitted_at, 'epoch') AS submitted_at
   FROM director.scorecards c ${JOINS}
   WHERE ${KEPT} AND EXISTS (
     SELECT 1 FROM director.scores s JOIN bench_leaf l ON l.template_id = c.template_id AND l.revision = c.template_revision
       AND l.criterion = s.criterion_identifier
     WHERE s.customer = c.customer AND s.profile = c.profile AND s.scorecard_id = c.resource_id)`,
  `CREATE VIEW bench_score AS
   SELECT c.customer AS customer_id, c.profile AS profile_id, s.resource_id AS score_id, c.resource_id AS scorecard_id, c.conversation_id,
     ${CARD}, s.criterion_identifier AS criterion_id, s.numeric_value, coalesce(s.text_value, '') AS text_value,
     coalesce(s.weight, 1) AS weight, s.not_applicable::int AS not_applicable, s.ai_scored::int AS ai_scored, s.ai_value
   FROM director.scorecards c
   JOIN director.scores s ON s.customer = c.customer AND s.profile = c.profile AND s.scorecard_id = c.resource_id
   JOIN bench_leaf l ON l.template_id = c.template_id AND l.revision = c.template_revision AND l.criterion = s.criterion_identifier
   ${JOINS}
   WHERE ${KEPT}`,
];

export const TABLES = ['scorecard', 'score'];

/** The rows of a view that belong to a range. */
export const rowsOf = (table, range) =>
  `SELECT * FROM bench_${table} WHERE scorecard_time >= '${range.from}' AND scorecard_time < '${range.to}'`;

/** ClickHouse pulls a view by itself, the whole of it: its conditions on times do not reach Postgres. */
export function pullStatement(table, into, postgres, database) {
  const columns = {
    scorecard: `customer_id, profile_id, scorecard_id, conversation_id, scorecard_time, conversation_start_time, conversation_end_time,
      agent_user_id, creator_user_id, submitter_user_id, template_id, template_revision, template_type, submission_source, language,
      is_dev_user, score, comment, created_at, submitted_at`,
    score: `customer_id, profile_id, score_id, scorecard_id, conversation_id, scorecard_time, conversation_start_time,
      conversation_end_time, agent_user_id, template_id, template_revision, criterion_id, numeric_value, text_value, weight,
      not_applicable, ai_scored, ai_value`,
  }[table];
  const from = `postgresql('${postgres.host}:${postgres.port}', '${database}', 'bench_${table}', '${postgres.user}', '${postgres.password}')`;
  return `INSERT INTO \`${into}\`.${table} (${columns}, update_time) SELECT ${columns}, now64(6) FROM ${from}`;
}
