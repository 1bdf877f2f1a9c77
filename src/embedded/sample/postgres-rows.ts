import { escapeLiteral } from 'pg';

import type { Range, TenantName } from '../../domain/words.ts';
import type { SourceTable } from './postgres-schema.ts';
import { hourShares } from './shape.ts';
import { OUTSIDE, type SampleCounts } from './sizes.ts';
import { sampleTemplates, type SampleTemplate } from './templates.ts';
import { ANSWERS, COMMENTS, LANGUAGES } from './texts.ts';

/**
 * The SQL that fills the source. Everything is a function of a row's number and the seed, by Postgres's own hash: the
 * same seed gives the same bytes, on every machine and in every run, and the rows never leave the server.
 */

/** Kinds of scorecards by number, as they stand in the statements. */
const KIND = {
  conversation: 1,
  process: 2,
  appeal: 3,
  calibration: 4,
  conversationNotFound: 5,
  templateNotFound: 6,
  shell: 7,
  noScores: 8,
  onlyChapters: 9,
  before: 10,
  after: 11,
  idleChat: 12,
} as const;

export interface SampleSpec extends TenantName {
  readonly counts: SampleCounts;
  readonly range: Range;
  readonly seed: number;
}

/** Where the rows are thought out before they are made; it goes at the end. */
export const WORK_SCHEMA = 'refill_sample';

/** A criterion that some scores have and no template does. */
const RETIRED_CRITERION = 'retired';
const KEY_STRIDE = 1_000_000_000;
const HOUR_US = 3_600_000_000;
const DAY_US = 24 * HOUR_US;

/** What the tables are made from: which scorecards there will be, and which templates they can have. */
export function workSql(spec: SampleSpec): string {
  return `CREATE SCHEMA ${WORK_SCHEMA}; SET search_path = ${WORK_SCHEMA};
${helpers(spec)} ${choices(spec)} ${contents()} ${slots(spec)}`;
}

/** The rows of each table. */
export const SELECTS: Readonly<Record<SourceTable, (spec: SampleSpec) => string>> = {
  users,
  chats,
  templates,
  scorecards,
  scores,
};

/** `pick(key, salt, n)`: a number from 0 to n - 1, always the same. */
const pick = (key: string, salt: number, n: number | string) => `pick(${key}, ${salt}, ${n})`;
const oneOf = (values: readonly (string | null)[], key: string, salt: number) =>
  `(${textArray(values)})[1 + ${pick(key, salt, values.length)}]`;
/** Exact: interval arithmetic in whole microseconds, not floating seconds. */
const instant = (us: string) => `(timestamptz '1970-01-01 00:00:00+00' + ${us} * interval '1 microsecond')`;
const hex = (n: string, digits: number) => `lpad(to_hex(${n}), ${digits}, '0')`;
const agentName = (n: string) => `'agent-' || lpad((${n})::text, 4, '0')`;
const conversationId = (key: string) => `'conv-' || ${hex(`mix(${key}, 30)`, 16)}`;

function textArray(values: readonly (string | null)[]): string {
  return `ARRAY[${values.map((value) => (value === null ? 'NULL' : escapeLiteral(value))).join(', ')}]::text[]`;
}

function owner(spec: SampleSpec): string {
  return `${escapeLiteral(spec.customer)}, ${escapeLiteral(spec.profile)}`;
}

/** Functions, which Postgres inlines, and the hours of each period with their share of its rows. */
function helpers(spec: SampleSpec): string {
  const seed = `${spec.seed} * 1000`;
  const cells = (
    [
      ['main', spec.range],
      ['before', OUTSIDE.before],
      ['after', OUTSIDE.after],
    ] as const
  ).flatMap(([period, range]) =>
    hourShares(range, spec.seed).map(
      ({ startUs, from, to, total }) =>
        `('${period}', ${startUs}::bigint, ${from}::bigint, ${to}::bigint, ${total}::bigint)`,
    ),
  );
  return `
CREATE FUNCTION mix(key bigint, salt int) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN hashint8extended(key, ${seed} + salt);
CREATE FUNCTION pick(key bigint, salt int, n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE
  RETURN (hashint8extended(key, ${seed} + salt) & 9223372036854775807) % n;
CREATE UNLOGGED TABLE cell (period, start_us, w0, w1, total) AS VALUES ${cells.join(',\n')};
`;
}

function templates(spec: SampleSpec): string {
  const rows = sampleTemplates(spec.seed).map(
    (t) =>
      `(${owner(spec)}, ${[t.templateId, t.revision].map((text) => escapeLiteral(text)).join(', ')}, ${t.type}, ${t.status},
        ${[t.title, JSON.stringify(t.structure), JSON.stringify(t.audience), t.createdAt].map((text) => escapeLiteral(text)).join(', ')})`,
  );
  return `VALUES ${rows.join(',\n')}`;
}

/** The templates that a scorecard can have, with their criteria in the order of their names. */
function choices(spec: SampleSpec): string {
  const all = sampleTemplates(spec.seed);
  const rows = [false, true].flatMap((process) =>
    all
      .filter((t) => t.process === process)
      .map(
        (t, i) =>
          `(${process}, ${i}::bigint, ${escapeLiteral(t.templateId)}, ${escapeLiteral(t.revision)}, ${t.leaves.length}, ${criteriaOf(t)})`,
      ),
  );
  return `
CREATE UNLOGGED TABLE choice (for_process, choice_no, template_id, revision, leaf_count, criteria, leaf_nos)
  AS VALUES ${rows.join(',\n')};
ANALYZE choice;
`;
}

/**
 * Two arrays: names of criteria, chapters and one that no template has, in the order of their names, and for each its
 * number among the leaves, or less than 0.
 */
function criteriaOf(template: SampleTemplate): string {
  const others = [...template.chapters, RETIRED_CRITERION];
  const numbers = new Map(template.leaves.map((leaf, i) => [leaf, i]));
  others.forEach((name, i) => numbers.set(name, name === RETIRED_CRITERION ? -1 : -2 - i));
  const names = [...numbers.keys()].sort();
  return `${textArray(names)}, ARRAY[${names.map((name) => numbers.get(name)).join(', ')}]`;
}

/** Agents of whom some are developers and some unknown, and reviewers. */
function users({ counts, ...spec }: SampleSpec): string {
  return `SELECT ${owner({ counts, ...spec })}, ${agentName('i')}, i % 97 = 0
FROM generate_series(0, ${counts.agents - 1}) AS i WHERE i % 61 <> 0
UNION ALL
SELECT ${owner({ counts, ...spec })}, 'reviewer-' || lpad(i::text, 2, '0'), i % 20 = 0 FROM generate_series(0, 59) AS i`;
}

/**
 * One row a scorecard, with what the tables need to know of each other. `t_us` is the scorecard's time in
 * microseconds; what it was made from is found backwards, so that the number of scorecards in the range is exact.
 */
function slots(spec: SampleSpec): string {
  const { counts, seed } = spec;
  const conversations = counts.kept - counts.process;
  const kinds: [keyof typeof KIND, number, string][] = [
    ['conversation', conversations, 'main'],
    ['process', counts.process, 'main'],
    ['appeal', counts.appeals, 'main'],
    ['calibration', counts.calibration, 'main'],
    ['conversationNotFound', counts.conversationNotFound, 'main'],
    ['templateNotFound', counts.templateNotFound, 'main'],
    ['shell', counts.shells, 'main'],
    ['noScores', counts.noScores, 'main'],
    ['onlyChapters', counts.onlyChapters, 'main'],
    ['before', counts.before, 'before'],
    ['after', counts.after, 'after'],
    ['idleChat', counts.idleChats, 'main'],
  ];
  const choices = (process: boolean) => sampleTemplates(seed).filter((t) => t.process === process).length;
  // Every seventh scorecard shares the conversation of the one before it.
  const shared = (j: string) => `${KIND.conversation * KEY_STRIDE}::bigint + ${j} - (${j} % 7 = 3)::int`;
  return `
CREATE UNLOGGED TABLE slot AS
WITH kind (kind, n, period) AS (VALUES ${kinds.map(([kind, n, period]) => `(${KIND[kind]}, ${n}::bigint, '${period}')`).join(', ')}),
placed AS (
  SELECT kind, j, kind * ${KEY_STRIDE}::bigint + j AS key,
    start_us + ((j - lo) * ${HOUR_US} + ${pick(`kind * ${KEY_STRIDE}::bigint + j`, 1, HOUR_US)}) / (hi - lo) AS us
  FROM kind JOIN cell USING (period)
  CROSS JOIN LATERAL (SELECT n * w0 / total AS lo, n * w1 / total AS hi) AS share
  CROSS JOIN LATERAL generate_series(lo, hi - 1) AS j
),
timed AS (
  SELECT kind, j, key,
    -- Whole seconds, the last microsecond before one, whole milliseconds, and mostly neither.
    CASE ${pick('key', 2, 20)} WHEN 0 THEN us / 1000000 * 1000000 WHEN 1 THEN us / 1000000 * 1000000 + 999999
      WHEN 2 THEN us / 1000 * 1000 ELSE us END AS t_us,
    CASE WHEN kind = ${KIND.shell} THEN false WHEN kind = ${KIND.noScores} THEN true
      WHEN kind IN (${KIND.conversation}, ${KIND.process}) THEN ${pick('key', 3, 100)} >= 3
      ELSE ${pick('key', 3, 100)} >= 8 END AS submitted,
    kind = ${KIND.process} OR (kind BETWEEN ${KIND.appeal} AND ${KIND.onlyChapters}
      AND kind <> ${KIND.conversationNotFound} AND ${pick('key', 11, 100)} < 3) AS process
  FROM placed
),
made AS (
  SELECT *, t_us - CASE WHEN NOT submitted THEN 0
    -- Submitted one to seven days after it was made.
    WHEN ${pick('key', 4, 100)} < 6 THEN ${DAY_US} + ${pick('key', 5, 6 * DAY_US)}
    ELSE 5000000 + ${pick('key', 5, 2 * HOUR_US)} END AS created_us
  FROM timed
)
SELECT kind, j, key, t_us, submitted, process, created_us,
  t_us + CASE ${pick('key', 6, 4)} WHEN 0 THEN 0 ELSE ${pick('key', 7, 2 * DAY_US)} END AS updated_us,
  ${scorecardId()} AS id,
  CASE WHEN process OR kind = ${KIND.conversationNotFound} THEN NULL
    WHEN kind = ${KIND.conversation} THEN ${shared('j')}
    WHEN kind = ${KIND.shell} THEN ${KIND.shell * KEY_STRIDE}::bigint + j / 10
    WHEN kind = ${KIND.appeal} THEN ${shared(`(j * ${conversations} / ${Math.max(counts.appeals, 1)})`)}
    WHEN kind >= ${KIND.before} THEN key
    ELSE ${shared(`(${pick('key', 10, conversations)})`)} END AS conversation_key,
  ${scoreCount(counts)} AS n,
  CASE WHEN process THEN ${pick('key', 12, choices(true))} ELSE ${pick('key', 12, choices(false))} END AS chosen,
  ${pick('key', 70, 64)} AS first_leaf
FROM made;
CREATE UNLOGGED TABLE card AS SELECT *, left(id, 24) AS id_start FROM slot ORDER BY id;
DROP TABLE slot;
ANALYZE card;
`;
}

/**
 * Ids that sort by the time of their making, like UUIDs of version 7: so the rows come in the order of their primary
 * keys, which makes the sample's indexes quick to build, and is what such tables look like.
 */
function scorecardId(): string {
  const time = hex('created_us / 1000', 12);
  const a = hex('mix(key, 20)', 16);
  return `left(${time}, 8) || '-' || right(${time}, 4) || '-7' || left(${a}, 3) || '-' || substr(${a}, 4, 4) || '-' ||
    ${hex(pick('key', 21, 2 ** 48), 12)}`;
}

/** How many scores a scorecard has: 4 to 13, in pairs that make up for each other, so that the sum is exact. */
function scoreCount(counts: SampleCounts): string {
  const exact = (i: string, rows: number, scores: number, salt: number) => {
    const even = rows % 2 === 0 ? '' : `WHEN ${i} = ${rows - 1} THEN 0 `;
    return `(${i} + 1) * ${scores} / ${Math.max(rows, 1)} - ${i} * ${scores} / ${Math.max(rows, 1)}
      + CASE ${even}WHEN ${i} % 2 = 0 THEN ${pick(`${i} / 2`, salt, 5)} ELSE -${pick(`${i} / 2`, salt, 5)} END`;
  };
  const kept = `(j + CASE WHEN kind = ${KIND.process} THEN ${counts.kept - counts.process} ELSE 0 END)`;
  return `CASE
    WHEN kind IN (${KIND.conversation}, ${KIND.process}) THEN ${exact(kept, counts.kept, counts.keptScores, 8)}
    WHEN kind = ${KIND.appeal} THEN ${exact('j', counts.appeals, counts.appealScores, 9)}
    WHEN kind IN (${KIND.shell}, ${KIND.noScores}, ${KIND.onlyChapters}, ${KIND.idleChat}) THEN 0
    WHEN kind IN (${KIND.before}, ${KIND.after}) THEN 4 + ${pick('key', 13, 8)}
    -- Left out with and without scores: the reason that comes first counts.
    WHEN ${pick('key', 14, 10)} = 0 THEN 0
    ELSE 1 + ${pick('key', 13, 13)} END`;
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

/** How many different contents a score can have: as many as a hash can choose by its last bits. */
const CONTENTS = 8192;

/** What a score can say, for a hash to choose from: choosing is far quicker than making up each. */
function contents(): string {
  return `
CREATE UNLOGGED TABLE content AS SELECT i AS content_no,
  CASE ${pick('i', 60, 16)} WHEN 0 THEN NULL WHEN 1 THEN ${pick('i', 61, 100)} / 7.0::float8 WHEN 2 THEN -1.5
    WHEN 3 THEN 1e-7 ELSE ${pick('i', 61, 6)} END AS numeric_value,
  CASE WHEN ${pick('i', 62, 100)} < 15 THEN ${oneOf(ANSWERS, 'i', 63)} END AS text_value,
  CASE ${pick('i', 64, 8)} WHEN 0 THEN NULL WHEN 1 THEN 0 WHEN 2 THEN 2.5 ELSE 1 END AS weight,
  ${pick('i', 65, 25)} = 0 AS not_applicable, ${pick('i', 66, 2)} = 0 AS ai_scored,
  CASE WHEN ${pick('i', 66, 2)} = 0 AND ${pick('i', 67, 10)} > 0 THEN ${pick('i', 68, 1001)} / 1000.0::float8 END AS ai_value
FROM generate_series(0, ${CONTENTS - 1}::bigint) AS i;
ANALYZE content;
`;
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
