import type { Range, TenantName } from '../../domain/words.ts';
import { quoteText } from './clickhouse-schema.ts';
import { HOLE } from './sizes.ts';

/**
 * How the old code derived its rows, in ClickHouse's SQL, from raw copies of the source's tables; and which rows it
 * got wrong. Written from the description of the tables alone, and apart from the product's dataset on purpose: a test
 * that compares the two must be able to fail.
 */

/** Raw copies: as they come from Postgres, instants in microseconds. */
export const RAW_TABLES: Readonly<Record<string, string>> = {
  raw_card: `scorecard_id String, template_id String, template_revision String, conversation_id String,
    agent Nullable(String), creator Nullable(String), submitter Nullable(String), type Nullable(Int16),
    source Nullable(Int16), calibrated Nullable(String), score Nullable(Float64), comment Nullable(String),
    created_us Int64, updated_us Int64, submitted_us Nullable(Int64)`,
  raw_chat: `conversation_id String, agent Nullable(String), started_us Int64, ended_us Nullable(Int64), language Nullable(String)`,
  raw_user: `user_id String, is_dev UInt8`,
  raw_template: `template_id String, template_revision String, type UInt8`,
  raw_leaf: `template_id String, template_revision String, criterion_id String`,
  raw_score: `score_id String, scorecard_id String, criterion_id String, numeric_value Nullable(Float64),
    text_value Nullable(String), weight Nullable(Float64), not_applicable UInt8, ai_scored UInt8, ai_value Nullable(Float64)`,
};

export interface Derivation extends TenantName {
  readonly range: Range;
  readonly seed: number;
  readonly agents: number;
  /** Whether anything is made wrong. */
  readonly wrong: boolean;
}

/** Cut to milliseconds: the microseconds of an instant after 1970 are simply dropped. */
const millis = (us: string) => `fromUnixTimestamp64Milli(intDiv(${us}, 1000), 'UTC')`;
const EPOCH = `fromUnixTimestamp64Milli(toInt64(0), 'UTC')`;

/**
 * `card`: every scorecard with its columns as they should be, what was done to it (`plant`, '' for nothing, `unwritten`
 * for what the old code left out as well), and what the row was before (`old_…`).
 */
export function cardTable(d: Derivation): string {
  const us = (instant: string) => `${Date.parse(instant)}000`;
  const time = 'ifNull(submitted_us, created_us)';
  const within = (column: string, range: Range) => `${column} >= ${us(range.from)} AND ${column} < ${us(range.to)}`;
  const hashed = (salt: string) => `sipHash64(scorecard_id, ${quoteText(salt)}, ${d.seed})`;
  const otherAgent = `concat('agent-', leftPad(toString(${hashed('agent')} % ${d.agents}), 4, '0'))`;
  const plant = !d.wrong
    ? `multiIf(NOT complete OR is_appeal, 'unwritten', '')`
    : `multiIf(
      NOT complete, 'unwritten',
      is_appeal AND (conversation_id = '' OR NOT in_range OR in_hole), 'unwritten',
      is_appeal, 'appeal',
      NOT in_range, '',
      conversation_id = '', 'process',
      in_hole, 'hole',
      was_draft AND toYYYYMM(created_at) <> toYYYYMM(scorecard_time), if(bucket % 2 = 0, 'other_partition', 'moved'),
      was_draft AND bucket < 300, 'moved',
      late, '',
      bucket < 5, 'stale_score', bucket < 7, 'stale_comment', bucket < 12, 'key_agent', bucket < 17, 'key_hour',
      bucket < 22, 'duplicate', bucket < 25, 'orphan',
      '')`;
  return `CREATE TABLE card ENGINE = MergeTree ORDER BY scorecard_id AS
WITH derived AS (
  SELECT s.scorecard_id AS scorecard_id, s.conversation_id AS conversation_id,
    ${millis(time)} AS scorecard_time,
    if(s.conversation_id = '', ${EPOCH}, ${millis('assumeNotNull(started_us)')}) AS conversation_start_time,
    if(s.conversation_id = '', ${EPOCH}, ${millis('assumeNotNull(ifNull(ended_us, started_us))')}) AS conversation_end_time,
    ifNull(if(s.conversation_id = '', s.agent, c.agent), '') AS agent_user_id,
    ifNull(creator, '') AS creator_user_id, ifNull(submitter, '') AS submitter_user_id,
    s.template_id AS template_id, s.template_revision AS template_revision,
    toUInt8(ifNull(t.type, 0)) AS template_type, toUInt8(ifNull(s.source, 0)) AS submission_source,
    if(s.conversation_id = '', '', ifNull(c.language, '')) AS language,
    s.score AS score, ifNull(comment, '') AS comment,
    ${millis('created_us')} AS created_at, if(submitted_us IS NULL, ${EPOCH}, ${millis('assumeNotNull(submitted_us)')}) AS submitted_at,
    -- Written within the hour after the last change, and never before the year began.
    fromUnixTimestamp64Micro(greatest(updated_us, 1767312000000000) + toInt64(${hashed('written')} % 3600000000), 'UTC') AS update_time,
    -- What can be derived at all.
    (s.conversation_id = '' OR c.conversation_id IS NOT NULL) AND t.template_id IS NOT NULL AND ifNull(calibrated, '') = '' AS complete,
    ifNull(s.type, 0) IN (1, 2, 3) AS is_appeal,
    ${within(time, d.range)} AS in_range, ${within(time, HOLE)} AS in_hole,
    submitted_us IS NOT NULL AND submitted_us - created_us > 86400000000 AS late,
    late AND ${within('created_us', d.range)} AND NOT (${within('created_us', HOLE)}) AS was_draft,
    ${hashed('plant')} % 1000 AS bucket
  FROM raw_card AS s
  LEFT JOIN raw_chat AS c ON c.conversation_id = s.conversation_id
  LEFT JOIN raw_template AS t ON t.template_id = s.template_id AND t.template_revision = s.template_revision
)
SELECT ${quoteText(d.customer)} AS customer_id, ${quoteText(d.profile)} AS profile_id, derived.*,
  toUInt8(ifNull(u.is_dev, 0)) AS is_dev_user,
  ${plant} AS plant,
  plant IN ('moved', 'other_partition') AS is_draft_row,
  if(plant = 'orphan', concat(left(scorecard_id, 24), lower(leftPad(hex(${hashed('orphan')} % 281474976710656), 12, '0'))), scorecard_id) AS old_scorecard_id,
  if(plant = 'key_agent', if(${otherAgent} = agent_user_id, 'agent-left', ${otherAgent}), agent_user_id) AS old_agent,
  if(plant = 'key_hour', conversation_end_time - toIntervalHour(1 + bucket % 3), conversation_end_time) AS old_end,
  if(is_draft_row, created_at, scorecard_time) AS old_time,
  if(is_draft_row, ${EPOCH}, submitted_at) AS old_submitted_at,
  if(is_draft_row, '', submitter_user_id) AS old_submitter,
  if(plant = 'stale_score', ifNull(score, 0) + 1, score) AS old_score,
  if(plant = 'stale_comment', concat(comment, ' (before it was edited)'), comment) AS old_comment,
  -- Older than the right row, and still of this year: at most 18 hours.
  update_time - toIntervalMinute(61 + bucket) AS old_update_time
FROM derived LEFT JOIN raw_user AS u ON u.user_id = derived.agent_user_id`;
}

/** Whether anything is done to a score by itself. */
const scoreBucket = (d: Derivation) => `sipHash64(score_id, 'plant', ${d.seed}) % 2000`;
const CHAPTER_BUCKETS = 500;

/** `joined`: a view of scores with their scorecards, and what was done to each score by itself. */
export function joinedView(d: Derivation): string {
  return `CREATE VIEW joined AS ${joined(d, '1')}`;
}

/** `wronged`: the scores of `joined` to which something was done: few, and read several times. */
export function wrongedTable(d: Derivation): string {
  // What cannot be among them is left out before the join, which is most of the work.
  const possible = `scorecard_id IN (SELECT scorecard_id FROM card WHERE plant NOT IN ('', 'unwritten'))
    OR ${scoreBucket(d)} < ${CHAPTER_BUCKETS}`;
  return `CREATE TABLE wronged ENGINE = MergeTree ORDER BY tuple() AS
SELECT * FROM (${joined(d, possible)})
WHERE (plant <> '' AND is_leaf) OR score_plant NOT IN ('', 'unwritten')`;
}

function joined(d: Derivation, where: string): string {
  const extraId = `lower(leftPad(hex(sipHash64(s.score_id, 'extra', ${d.seed}) % 1099511627776), 10, '0'))`;
  const plain = `c.plant = '' AND c.in_range`;
  const scorePlant = !d.wrong
    ? `if(is_leaf, '', 'unwritten')`
    : `multiIf(
      NOT is_leaf, if(${plain} AND s.score_bucket < ${CHAPTER_BUCKETS}, 'chapter', 'unwritten'),
      NOT (${plain}), '',
      s.score_bucket < 4, 'stale_value', s.score_bucket < 6, 'stale_text',
      s.score_bucket < 8, 'score_missing', s.score_bucket < 10, 'score_extra',
      '')`;
  return `SELECT c.* EXCEPT (scorecard_id, bucket), c.scorecard_id AS scorecard_id, s.score_id AS score_id,
  s.criterion_id AS criterion_id, s.numeric_value AS numeric_value, ifNull(s.text_value, '') AS text_value,
  ifNull(s.weight, 1) AS weight, s.not_applicable AS not_applicable, s.ai_scored AS ai_scored, s.ai_value AS ai_value,
  (c.template_id, c.template_revision, s.criterion_id) IN (SELECT * FROM raw_leaf) AS is_leaf,
  ${scorePlant} AS score_plant,
  if(c.plant = 'orphan' OR score_plant = 'score_extra', concat(left(s.score_id, 26), ${extraId}), s.score_id) AS old_score_id,
  if(score_plant = 'stale_value', ifNull(s.numeric_value, 0) + 1, s.numeric_value) AS old_numeric_value,
  if(score_plant = 'stale_text', concat(ifNull(s.text_value, ''), ' (before)'), ifNull(s.text_value, '')) AS old_text_value
FROM (SELECT *, ${scoreBucket(d)} AS score_bucket FROM raw_score WHERE ${where}) AS s
INNER JOIN card AS c ON c.scorecard_id = s.scorecard_id
WHERE c.plant <> 'unwritten'`;
}
