import { escapeLiteral } from 'pg';

import {
  agentName,
  conversationId,
  DAY_US,
  hex,
  HOUR_US,
  instant,
  KEY_STRIDE,
  KIND,
  oneOf,
  owner,
  pick,
  type SampleSpec,
} from './numbers.ts';
import type { SourceTable } from './postgres-schema.ts';
import { sampleTemplates } from './templates.ts';
import { COMMENTS, LANGUAGES } from './texts.ts';
import { CONTENTS } from './work-rows.ts';

/** The rows of each table. */
export const SELECTS: Readonly<Record<SourceTable, (spec: SampleSpec) => string>> = {
  users,
  chats,
  templates,
  scorecards,
  scores,
};

function templates(spec: SampleSpec): string {
  const rows = sampleTemplates(spec.seed).map(
    (t) =>
      `(${owner(spec)}, ${[t.templateId, t.revision].map((text) => escapeLiteral(text)).join(', ')}, ${t.type}, ${t.status},
        ${[t.title, JSON.stringify(t.structure), JSON.stringify(t.audience), t.createdAt].map((text) => escapeLiteral(text)).join(', ')})`,
  );
  return `VALUES ${rows.join(',\n')}`;
}

/** Agents of whom some are developers and some unknown, and reviewers. */
function users({ counts, ...spec }: SampleSpec): string {
  return `SELECT ${owner({ counts, ...spec })}, ${agentName('i')}, i % 97 = 0
FROM generate_series(0, ${counts.agents - 1}) AS i WHERE i % 61 <> 0
UNION ALL
SELECT ${owner({ counts, ...spec })}, 'reviewer-' || lpad(i::text, 2, '0'), i % 20 = 0 FROM generate_series(0, 59) AS i`;
}

function chats(spec: SampleSpec): string {
  const key = 'conversation_key';
  const agents = spec.counts.agents;
  // The smaller of two: some agents have far more conversations than others.
  const agent = `least(${pick(key, 31, agents)}, ${pick(key, 32, agents)})`;
  const ended = `created_us - CASE WHEN ${pick(key, 33, 100)} < 70 THEN ${pick(key, 34, HOUR_US / 2)}
    WHEN ${pick(key, 33, 100)} < 95 THEN ${pick(key, 34, 12 * HOUR_US)} ELSE ${pick(key, 34, 3 * DAY_US)} END - 1000000`;
  return `SELECT ${owner(spec)}, ${conversationId(key)}, CASE WHEN ${pick(key, 35, 100)} > 0 THEN ${agentName(agent)} END,
  ${instant(`(ended_us - 20000000 - ${pick(key, 36, (2 * HOUR_US) / 3)})`)},
  -- Some have not ended.
  CASE WHEN ${pick(key, 37, 100)} >= 2 THEN ${instant('ended_us')} END,
  ${oneOf(LANGUAGES, key, 38)},
  CASE ${pick(key, 39, 3)} WHEN 0 THEN '{}' WHEN 1 THEN '{"channel": "voice"}' ELSE '{"channel": "chat", "queue": "flights"}' END::jsonb
FROM (
  SELECT conversation_key, created_us FROM card
  WHERE kind IN (${KIND.conversation}, ${KIND.before}, ${KIND.after}, ${KIND.idleChat}) AND key = conversation_key
  UNION ALL
  -- The first of ten shells stands for their conversation, also where it has none itself.
  SELECT ${KIND.shell * KEY_STRIDE}::bigint + j / 10, created_us FROM card WHERE kind = ${KIND.shell} AND j % 10 = 0
) AS scored CROSS JOIN LATERAL (SELECT ${ended} AS ended_us) AS conversation`;
}

function scorecards(spec: SampleSpec): string {
  const { agents } = spec.counts;
  const conversationAgent = `least(${pick('conversation_key', 31, agents)}, ${pick('conversation_key', 32, agents)})`;
  // Mostly the conversation's agent; not where the conversation has changed hands since.
  const agent = `CASE WHEN ${pick('key', 40, 100)} = 0 THEN NULL
    WHEN conversation_key IS NULL OR ${pick('key', 40, 100)} < 6 THEN ${agentName(pick('key', 41, agents))}
    ELSE ${agentName(conversationAgent)} END`;
  const reviewer = (salt: number) => `'reviewer-' || lpad(${pick('key', salt, 60)}::text, 2, '0')`;
  return `SELECT ${owner(spec)}, id,
  CASE WHEN kind = ${KIND.templateNotFound} AND key % 2 = 0 THEN 'tpl-unknown' ELSE template_id END,
  -- A revision of another template, or of none.
  CASE WHEN kind = ${KIND.templateNotFound} THEN 'ffffffff' ELSE revision END,
  CASE WHEN process THEN ''
    WHEN kind = ${KIND.conversationNotFound} OR (kind = ${KIND.calibration} AND ${pick('key', 42, 5)} = 0)
      OR (kind = ${KIND.appeal} AND ${pick('key', 42, 100)} = 0) THEN 'gone-' || ${hex('mix(key, 43)', 16)}
    ELSE ${conversationId('conversation_key')} END,
  ${agent},
  CASE WHEN ${pick('key', 44, 10)} > 0 THEN ${reviewer(45)} END,
  CASE WHEN submitted AND ${pick('key', 46, 20)} > 0 THEN ${reviewer(47)} END,
  CASE WHEN kind = ${KIND.appeal} THEN 1 + key % 3 WHEN ${pick('key', 48, 2)} = 0 THEN 0 END::smallint,
  (CASE WHEN ${pick('key', 49, 8)} > 0 THEN ${pick('key', 50, 5)} END)::smallint,
  CASE WHEN kind = ${KIND.calibration} OR (kind = ${KIND.appeal} AND ${pick('key', 51, 100)} = 0)
    THEN 'original-' || ${hex(pick('key', 52, 2 ** 48), 12)} WHEN ${pick('key', 51, 10)} = 0 THEN '' END,
  CASE ${pick('key', 53, 24)} WHEN 0 THEN NULL WHEN 1 THEN 0 WHEN 2 THEN 100 WHEN 3 THEN 100.0::float8 / 3
    WHEN 4 THEN 0.1::float8 + 0.2::float8 ELSE ${pick('key', 54, 10001)} / 100.0::float8 END,
  CASE WHEN ${pick('key', 55, 100)} < 35 THEN NULL WHEN ${pick('key', 55, 100)} < 55 THEN ''
    -- Long texts are rare: else they would be most of the bytes.
    WHEN ${pick('key', 55, 1000)} = 999 THEN ${escapeLiteral(COMMENTS.at(-1) ?? '')}
    ELSE ${oneOf(COMMENTS.slice(0, -1), 'key', 56)} END,
  ${instant('created_us')}, ${instant('updated_us')}, CASE WHEN submitted THEN ${instant('t_us')} END
FROM card JOIN choice ON for_process = process AND choice_no = chosen
WHERE kind <> ${KIND.idleChat}
ORDER BY id`;
}

/**
 * Scores in the order of their scorecards and criteria, so that the rows are in the order of both of their indexes; those
 * without a scorecard come last, and their ids are the last too.
 */
function scores(spec: SampleSpec): string {
  const chapter = `kind IN (${KIND.conversation}, ${KIND.process}) AND j % 33 = 0 AND leaf_no = -2 - j / 33 % 3`;
  const onlyChapters = `kind = ${KIND.onlyChapters} AND (leaf_no = -2 OR (leaf_no = -1 AND j % 4 = 0))`;
  const values = 'numeric_value, text_value, weight, not_applicable, ai_scored, ai_value';
  // The scorecard's id up to the last group, then 8, the place among its scores, and 36 bits of the hash.
  const id = `id_start || to_hex(${8 * 2 ** 44} + (place << 36) + (hash >> 13 & ${2 ** 36 - 1}))`;
  const orphan = `'f' || substr(${hex('i', 8)}, 2) || '-gone-' || ${hex(pick('i', 91, 2 ** 32), 8)}`;
  return `SELECT ${owner(spec)}, ${id}, id, criterion, ${values}
FROM (
  SELECT id, id_start, criterion, place, mix(key * 64 + place, 69) AS hash
  FROM (SELECT kind, key, j, id, id_start, process, chosen, n, first_leaf FROM card WHERE n > 0 OR kind = ${KIND.onlyChapters} ORDER BY id) AS scored
  JOIN choice ON for_process = process AND choice_no = chosen
  CROSS JOIN LATERAL unnest(criteria, leaf_nos) WITH ORDINALITY AS item (criterion, leaf_no, place)
  -- As many of the template's leaves as the scorecard has scores, from somewhere on; and some chapters.
  WHERE CASE WHEN leaf_no >= 0 THEN (leaf_no + first_leaf) % leaf_count < n
    ELSE (${chapter}) OR (${onlyChapters}) END
  OFFSET 0
) AS score JOIN content ON content_no = hash & ${CONTENTS - 1}
UNION ALL
SELECT ${owner(spec)}, id || '-' || i % 3, id, 'c0' || 4 + i % 3, ${values}
FROM generate_series(1, ${spec.counts.orphanScores}::bigint) AS i CROSS JOIN LATERAL (SELECT ${orphan} AS id) AS gone
JOIN content ON content_no = i`;
}
