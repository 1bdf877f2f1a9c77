import { escapeLiteral } from 'pg';

import { DAY_US, hex, HOUR_US, KEY_STRIDE, KIND, oneOf, pick, textArray, type SampleSpec } from './numbers.ts';
import { hourShares } from './shape.ts';
import { OUTSIDE, type SampleCounts } from './sizes.ts';
import { sampleTemplates, type SampleTemplate } from './templates.ts';
import { ANSWERS } from './texts.ts';

/** Where the rows are thought out before they are made; it goes at the end. */
export const WORK_SCHEMA = 'refill_sample';

/** A criterion that some scores have and no template does. */
const RETIRED_CRITERION = 'retired';

/** What the tables are made from: which scorecards there will be, and which templates they can have. */
export function workSql(spec: SampleSpec): string {
  return `CREATE SCHEMA ${WORK_SCHEMA}; SET search_path = ${WORK_SCHEMA};
${helpers(spec)} ${choices(spec)} ${contents()} ${slots(spec)}`;
}

/** Functions, which Postgres inlines, and the hours of each period with their share of its rows. */
function helpers(spec: SampleSpec): string {
  // Wider than the seed: a large one times a thousand is no int.
  const seed = `${spec.seed}::bigint * 1000`;
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

/** How many different contents a score can have: as many as a hash can choose by its last bits. */
export const CONTENTS = 8192;

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
      WHEN kind IN (${KIND.conversation}, ${KIND.process}) THEN ${pick('key', 3, 100)} >= ${counts.draftPercent}
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
