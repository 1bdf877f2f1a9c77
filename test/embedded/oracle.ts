import type { Client } from 'pg';

import { clickhouse } from '../../src/embedded/sample/clickhouse-http.ts';
import type { PlantKind } from '../../src/embedded/sample/planted.ts';
import type { TargetTable } from '../../src/embedded/sample/clickhouse-schema.ts';

/**
 * What the rows should be, once more, by Postgres and JavaScript: the sample's target is derived by ClickHouse, and its
 * ledger says what is wrong in it. This finds out without either.
 */

/**
 * `leaf (resource_id, revision, identifier)`: the criteria of every template revision that are no chapters. A table with
 * statistics: as a part of a query it would be joined row by row.
 */
const LEAVES = `CREATE TEMP TABLE IF NOT EXISTS leaf AS WITH RECURSIVE item (resource_id, revision, item) AS (
    SELECT resource_id, revision, jsonb_array_elements(structure -> 'items') FROM director.scorecard_templates
    UNION ALL
    SELECT resource_id, revision, jsonb_array_elements(item -> 'items') FROM item WHERE item ? 'items'
  )
  SELECT DISTINCT resource_id, revision, item ->> 'identifier' AS identifier FROM item
  WHERE coalesce((item ->> 'chapter')::boolean, false) = false;
ANALYZE leaf`;

/** Every scorecard with its reason to be left out ('kept': none), and its numbers of leaf and other scores. */
const CARDS = `
  scored AS (
    SELECT c.resource_id, count(s.resource_id) AS n, count(l.identifier) AS leaves
    FROM director.scorecards c LEFT JOIN director.scores s ON s.scorecard_id = c.resource_id
    LEFT JOIN leaf l ON l.resource_id = c.template_id AND l.revision = c.template_revision
      AND l.identifier = s.criterion_identifier
    GROUP BY 1
  ),
  reasoned AS (
    SELECT c.*, n, leaves, CASE
      WHEN scorecard_type IN (1, 2, 3) THEN 'appeal'
      WHEN calibrated_scorecard_id <> '' THEN 'calibration'
      WHEN c.conversation_id <> '' AND NOT EXISTS (SELECT FROM app.chats h WHERE h.conversation_id = c.conversation_id)
        THEN 'conversation_not_found'
      WHEN NOT EXISTS (SELECT FROM director.scorecard_templates t
        WHERE t.resource_id = c.template_id AND t.revision = c.template_revision) THEN 'template_not_found'
      WHEN n = 0 AND submitted_at IS NULL THEN 'unsubmitted_shell'
      WHEN n = 0 THEN 'no_scores'
      WHEN leaves = 0 THEN 'only_chapters'
      ELSE 'kept' END AS reason
    FROM director.scorecards c JOIN scored USING (resource_id)
  )`;

const REASONS = `WITH ${CARDS}
  SELECT reason, count(*)::int AS scorecards,
    sum(CASE WHEN reason = 'kept' THEN leaves ELSE n END)::int AS scores,
    sum(CASE WHEN reason = 'kept' THEN n - leaves ELSE 0 END)::int AS chapters
  FROM reasoned
  WHERE coalesce(submitted_at, created_at) >= $1 AND coalesce(submitted_at, created_at) < $2 GROUP BY 1`;

export interface ReasonCounts {
  readonly scorecards: number;
  readonly scores: number;
  readonly chapters: number;
}

/** Scorecards and scores of a range by reason; of the kept ones, scores of leaves and of chapters apart. */
export async function countReasons(client: Client, from: string, to: string): Promise<Map<string, ReasonCounts>> {
  await client.query(LEAVES);
  const { rows } = await client.query<ReasonCounts & { reason: string }>(REASONS, [from, to]);
  return new Map(rows.map(({ reason, ...counts }) => [reason, counts]));
}

const ms = (expression: string) =>
  `coalesce(to_char(date_trunc('milliseconds', ${expression}), 'YYYY-MM-DD HH24:MI:SS.MS'), '1970-01-01 00:00:00.000')`;

const CARD_COLUMNS = `c.customer AS customer_id, c.profile AS profile_id, c.resource_id AS scorecard_id,
  c.conversation_id, ${ms('coalesce(c.submitted_at, c.created_at)')} AS scorecard_time,
  ${ms('h.started_at')} AS conversation_start_time, ${ms('coalesce(h.ended_at, h.started_at)')} AS conversation_end_time,
  coalesce(CASE c.conversation_id WHEN '' THEN c.agent_user_id ELSE h.agent_user_id END, '') AS agent_user_id,
  c.template_id, c.template_revision`;
const ABOUT_CARD = `t.type AS template_type, coalesce(h.language, '') AS language, (u.is_dev_user IS TRUE)::int AS is_dev_user,
  ${ms('c.submitted_at')} AS submitted_at`;
const SCORE_COLUMNS = `s.resource_id AS score_id, s.criterion_identifier AS criterion_id, s.numeric_value,
  coalesce(s.text_value, '') AS text_value, coalesce(s.weight, 1) AS weight, s.not_applicable::int AS not_applicable`;
const COLUMNS: Readonly<Record<TargetTable, string>> = {
  scorecard: `${CARD_COLUMNS}, ${ABOUT_CARD}, coalesce(c.creator_user_id, '') AS creator_user_id,
    coalesce(c.submitter_user_id, '') AS submitter_user_id, coalesce(c.submission_source, 0) AS submission_source,
    c.score, coalesce(c.comment, '') AS comment, ${ms('c.created_at')} AS created_at`,
  score: `${CARD_COLUMNS}, ${SCORE_COLUMNS}, s.ai_scored::int AS ai_scored, s.ai_value`,
  scorecard_score: `${CARD_COLUMNS}, ${ABOUT_CARD}, ${SCORE_COLUMNS}, c.score AS scorecard_score`,
};

function expectedSql(table: TargetTable): string {
  const scores =
    table === 'scorecard'
      ? ''
      : `JOIN director.scores s ON s.scorecard_id = c.resource_id
         JOIN leaf l ON l.resource_id = c.template_id AND l.revision = c.template_revision
           AND l.identifier = s.criterion_identifier`;
  return `WITH ${CARDS}
    SELECT ${COLUMNS[table]} FROM reasoned c ${scores}
    LEFT JOIN app.chats h ON h.conversation_id = c.conversation_id
    JOIN director.scorecard_templates t ON t.resource_id = c.template_id AND t.revision = c.template_revision
    LEFT JOIN app.users u ON u.user_id = CASE c.conversation_id WHEN '' THEN c.agent_user_id ELSE h.agent_user_id END
    WHERE reason = 'kept'`;
}

type Row = Record<string, unknown>;

/** Keys of what is wrong in a table, by what kind of wrong it looks like. */
export async function compare(
  client: Client,
  url: string,
  database: string,
  table: TargetTable,
): Promise<Map<PlantKind, string[]>> {
  const id = table === 'scorecard' ? 'scorecard_id' : 'score_id';
  const key = (row: Row) => String(row[id]);
  await client.query(`SET timezone = 'UTC'; ${LEAVES}`);
  const expected = new Map((await client.query<Row>(expectedSql(table))).rows.map((row) => [key(row), row]));
  const found = new Map<string, Row[]>();
  const text = await clickhouse(
    { url },
    `SELECT * FROM ${database}.${table} FORMAT JSONEachRow SETTINGS output_format_json_quote_64bit_floats = 0`,
  );
  for (const line of text.split('\n')) {
    if (line === '') continue;
    const row: Row = JSON.parse(line);
    found.set(key(row), [...(found.get(key(row)) ?? []), row]);
  }
  const appeals = await ids(
    client,
    `SELECT resource_id AS id FROM director.scorecards WHERE scorecard_type IN (1, 2, 3)`,
  );
  const sourceScores = await ids(client, `SELECT resource_id AS id FROM director.scores`);
  const sourceCards = await ids(client, `SELECT resource_id AS id FROM director.scorecards`);

  const wrong = new Map<PlantKind, string[]>();
  const add = (kind: PlantKind, id: string) => {
    const keys = wrong.get(kind);
    if (keys === undefined) wrong.set(kind, [id]);
    else keys.push(id);
  };
  for (const [id, row] of expected) {
    const rows = found.get(id) ?? [];
    if (rows.length === 0) add(missingKind(row), id);
    const right = rows.findIndex((other) => differences(row, other).length === 0);
    rows.forEach((other, i) => i === right || add(wrongKind(row, other, right >= 0), id));
  }
  for (const [id, rows] of found) {
    if (expected.has(id)) continue;
    for (const row of rows) {
      const card = String(row['scorecard_id']);
      if (appeals.has(card)) add('appeal', id);
      else if (!sourceCards.has(card)) add('orphan', id);
      else if (table !== 'scorecard' && !sourceScores.has(id)) add('score_extra', id);
      else add('chapter', id);
    }
  }
  for (const keys of wrong.values()) keys.sort();
  return wrong;
}

async function ids(client: Client, sql: string): Promise<Set<string>> {
  return new Set((await client.query<{ id: string }>(sql)).rows.map(({ id }) => id));
}

function missingKind(row: Row): PlantKind {
  if (row['conversation_id'] === '') return 'process';
  const time = String(row['scorecard_time']);
  return time >= '2026-02-03 09' && time < '2026-02-03 13' ? 'hole' : 'score_missing';
}

/** What tells a wrong row from the right one, apart from its version. */
function differences(expected: Row, row: Row): string[] {
  return Object.keys(row).filter((column) => column !== 'update_time' && expected[column] !== row[column]);
}

function wrongKind(expected: Row, row: Row, rightIsThere: boolean): PlantKind {
  const columns = differences(expected, row).sort().join(',');
  if (rightIsThere) {
    if (columns === '') return 'duplicate';
    if (columns === 'agent_user_id') return 'key_agent';
    if (columns === 'conversation_end_time') return 'key_hour';
    if (
      columns.includes('scorecard_time') &&
      row['scorecard_time'] === (expected['created_at'] ?? row['scorecard_time'])
    ) {
      return 'other_partition';
    }
  } else {
    if (columns === 'score') return 'stale_score';
    if (columns === 'comment') return 'stale_comment';
    if (columns === 'numeric_value') return 'stale_value';
    if (columns === 'text_value') return 'stale_text';
    if (columns.includes('scorecard_time')) return 'moved';
  }
  throw new Error(`a row that was not planted differs in ${columns}`);
}
