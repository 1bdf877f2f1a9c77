import { PLANT_EFFECTS, type PlantKind } from './planted.ts';
import { quoteText, type TargetTable } from './clickhouse-schema.ts';

/**
 * What goes into the target, from the tables `card` and `wronged` and the view `joined` of the staging
 * database. Two layers, in this
 * order: what was there before, and what is right. They are separate inserts because ClickHouse collapses rows of one
 * key within an insert, and the pairs would never exist.
 */
export type Layer = 'old' | 'right';

const list = (kinds: readonly (PlantKind | '')[]) => kinds.map((kind) => quoteText(kind)).join(', ');

/** Kinds of a scorecard whose right rows are there, possibly beside others. */
const CARD_RIGHT = ['', 'key_agent', 'key_hour', 'duplicate', 'other_partition', 'orphan'] as const;
/** Kinds of a scorecard that put another row there, for it and for its scores. */
const BOTH_OLD = ['appeal', 'key_agent', 'key_hour', 'duplicate', 'other_partition', 'moved', 'orphan'] as const;
const CARD_STALE = ['stale_score', 'stale_comment'] as const;
const SCORE_OLD = ['stale_value', 'stale_text', 'score_extra', 'chapter'] as const;
const BOTH_MISSING = ['process', 'hole'] as const;

const CARD_ROWS: Readonly<Record<Layer, string>> = {
  right: `plant IN (${list(CARD_RIGHT)})`,
  old: `plant IN (${list([...BOTH_OLD, ...CARD_STALE])})`,
};
const SCORE_ROWS: Readonly<Record<Layer, string>> = {
  // A stale scorecard's scores are right.
  right: `plant IN (${list([...CARD_RIGHT, ...CARD_STALE])}) AND score_plant IN (${list(['', 'score_extra'])})`,
  old: `(plant IN (${list(BOTH_OLD)}) AND is_leaf) OR score_plant IN (${list(SCORE_OLD)})`,
};

/** Columns of `wronged` and `card` that differ in the old layer, with their names there. */
const OLD_COLUMNS: Readonly<Record<string, string>> = {
  scorecard_id: 'old_scorecard_id',
  score_id: 'old_score_id',
  scorecard_time: 'old_time',
  conversation_end_time: 'old_end',
  agent_user_id: 'old_agent',
  submitter_user_id: 'old_submitter',
  submitted_at: 'old_submitted_at',
  score: 'old_score',
  comment: 'old_comment',
  numeric_value: 'old_numeric_value',
  text_value: 'old_text_value',
  update_time: 'old_update_time',
};

const CARD_KEY_COLUMNS = [
  'customer_id',
  'profile_id',
  'scorecard_id',
  'conversation_id',
  'scorecard_time',
  'conversation_start_time',
  'conversation_end_time',
  'agent_user_id',
  'template_id',
  'template_revision',
];
const SCORE_COLUMNS = ['score_id', 'criterion_id', 'numeric_value', 'text_value', 'weight', 'not_applicable'];
const COLUMNS: Readonly<Record<TargetTable, readonly string[]>> = {
  scorecard: [
    ...CARD_KEY_COLUMNS,
    'creator_user_id',
    'submitter_user_id',
    'template_type',
    'submission_source',
    'language',
    'is_dev_user',
    'score',
    'comment',
    'created_at',
    'submitted_at',
    'update_time',
  ],
  score: [...CARD_KEY_COLUMNS, ...SCORE_COLUMNS, 'ai_scored', 'ai_value', 'update_time'],
  scorecard_score: [
    ...CARD_KEY_COLUMNS,
    ...SCORE_COLUMNS,
    'template_type',
    'language',
    'is_dev_user',
    'scorecard_score',
    'submitted_at',
    'update_time',
  ],
};

/** The insert of a layer into a table; `into` is the quoted name of the table, local or distributed. */
export function insertLayer(table: TargetTable, layer: Layer, into: string): string {
  const columns = COLUMNS[table];
  const source = (column: string) => {
    // The denormalised table repeats the scorecard's right score: its own staleness is that of the score's columns.
    if (column === 'scorecard_score') return 'score';
    return layer === 'old' ? (OLD_COLUMNS[column] ?? column) : column;
  };
  const scores = layer === 'old' ? 'wronged' : 'joined';
  const from = table === 'scorecard' ? `card WHERE ${CARD_ROWS[layer]}` : `${scores} WHERE ${SCORE_ROWS[layer]}`;
  return `INSERT INTO ${into} (${columns.join(', ')})
SELECT ${columns.map(source).join(', ')} FROM ${from}
SETTINGS distributed_foreground_insert = 1, max_partitions_per_insert_block = 100`;
}

const KEYS_LIMIT = 1000;

/** Kind, number of rows and first keys of all that was planted in `scorecard` (`card`) or in the scores' tables. */
export function plantedRows(of: 'card' | 'score'): string {
  const [kind, id, from] =
    of === 'card'
      ? ['plant', 'old_scorecard_id', `card WHERE plant IN (${list([...BOTH_OLD, ...CARD_STALE, ...BOTH_MISSING])})`]
      : [
          `if(score_plant <> '', score_plant, plant)`,
          'old_score_id',
          `wronged WHERE (plant IN (${list([...BOTH_OLD, ...BOTH_MISSING])}) AND is_leaf)
             OR score_plant IN (${list([...SCORE_OLD, 'score_missing'])})`,
        ];
  return `SELECT ${kind} AS kind, count() AS count, groupArraySorted(${KEYS_LIMIT})(${id}) AS keys
FROM ${from} GROUP BY kind ORDER BY kind FORMAT JSONEachRow`;
}

export function isPlantKind(kind: string): kind is PlantKind {
  return kind in PLANT_EFFECTS;
}
