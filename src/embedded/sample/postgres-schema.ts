/**
 * The users' tables in Postgres, as they are in production. Tests and samples make their databases with these.
 *
 * They belong to the users' application: Refill reads them only.
 */

interface Table {
  readonly name: string;
  /** Column to type, with NOT NULL and default as CREATE TABLE has them. */
  readonly columns: Readonly<Record<string, string>>;
}

const TABLES = {
  users: {
    name: 'app.users',
    columns: {
      customer: 'text NOT NULL',
      profile: 'text NOT NULL',
      user_id: 'text NOT NULL',
      is_dev_user: 'boolean NOT NULL DEFAULT false',
    },
  },
  chats: {
    name: 'app.chats',
    columns: {
      customer: 'text NOT NULL',
      profile: 'text NOT NULL',
      conversation_id: 'text NOT NULL',
      agent_user_id: 'text',
      started_at: 'timestamptz NOT NULL',
      ended_at: 'timestamptz',
      language: 'text',
      metadata: `jsonb NOT NULL DEFAULT '{}'`,
    },
  },
  templates: {
    name: 'director.scorecard_templates',
    columns: {
      customer: 'text NOT NULL',
      profile: 'text NOT NULL',
      resource_id: 'text NOT NULL',
      revision: 'text NOT NULL',
      type: 'smallint NOT NULL',
      status: 'smallint NOT NULL',
      title: 'text NOT NULL',
      structure: 'jsonb NOT NULL',
      audience: `jsonb NOT NULL DEFAULT '{}'`,
      created_at: 'timestamptz NOT NULL',
    },
  },
  scorecards: {
    name: 'director.scorecards',
    columns: {
      customer: 'text NOT NULL',
      profile: 'text NOT NULL',
      resource_id: 'text NOT NULL',
      template_id: 'text NOT NULL',
      template_revision: 'text NOT NULL',
      conversation_id: `text NOT NULL DEFAULT ''`,
      agent_user_id: 'text',
      creator_user_id: 'text',
      submitter_user_id: 'text',
      scorecard_type: 'smallint',
      submission_source: 'smallint',
      calibrated_scorecard_id: 'text',
      score: 'double precision',
      comment: 'text',
      created_at: 'timestamptz NOT NULL',
      updated_at: 'timestamptz NOT NULL',
      submitted_at: 'timestamptz',
    },
  },
  scores: {
    name: 'director.scores',
    columns: {
      customer: 'text NOT NULL',
      profile: 'text NOT NULL',
      resource_id: 'text NOT NULL',
      scorecard_id: 'text NOT NULL',
      criterion_identifier: 'text NOT NULL',
      numeric_value: 'double precision',
      text_value: 'text',
      weight: 'double precision',
      not_applicable: 'boolean NOT NULL DEFAULT false',
      ai_scored: 'boolean NOT NULL DEFAULT false',
      ai_value: 'double precision',
    },
  },
} as const satisfies Record<string, Table>;

export type SourceTable = keyof typeof TABLES;
export const SOURCE_TABLES: readonly SourceTable[] = ['users', 'chats', 'templates', 'scorecards', 'scores'];

/** Index name to columns after `customer, profile`. No index on `created_at`: the largest table has 606 million rows. */
const INDEXES: Readonly<Record<SourceTable, Readonly<Record<string, string>>>> = {
  users: { users_pkey: 'user_id' },
  chats: { chats_pkey: 'conversation_id', chats_started_at: 'started_at' },
  templates: { scorecard_templates_pkey: 'resource_id, revision' },
  scorecards: {
    scorecards_pkey: 'resource_id',
    scorecards_submitted_at: 'submitted_at',
    scorecards_updated_at: 'updated_at',
    scorecards_conversation_id: 'conversation_id',
  },
  scores: { scores_pkey: 'resource_id', scores_scorecard: 'scorecard_id, criterion_identifier' },
};

const SCHEMAS = 'CREATE SCHEMA app;\nCREATE SCHEMA director;\n';
const isPrimary = (index: string) => index.endsWith('_pkey');

export function schemasSql(): string {
  return SCHEMAS;
}

/** `app.chats` for `chats`. */
export function tableName(table: SourceTable): string {
  return TABLES[table].name;
}

function createTableSql(table: SourceTable): string {
  const columns = Object.entries(TABLES[table].columns).map(([name, type]) => `  ${name} ${type}`);
  return `CREATE TABLE ${TABLES[table].name} (\n${columns.join(',\n')}\n);`;
}

/**
 * Makes a table from the rows of `select`, whose columns are the table's in order. Unlike INSERT it keeps the rows in
 * their order on disk, and an index on a column that they are ordered by is then built without sorting.
 */
export function createFilledSql(table: SourceTable, select: string): string {
  const { name } = TABLES[table];
  const columns = Object.entries<string>(TABLES[table].columns);
  const typed = columns.map(([column, type]) => `${column}::${type.replace(/ (NOT NULL|DEFAULT).*$/u, '')}`);
  const alter = columns.flatMap(([column, type]) => [
    ...(type.includes(' NOT NULL') ? [`ALTER ${column} SET NOT NULL`] : []),
    ...(type.includes(' DEFAULT ') ? [`ALTER ${column} SET DEFAULT ${type.replace(/^.* DEFAULT /u, '')}`] : []),
  ]);
  return `CREATE TABLE ${name} AS SELECT ${typed.join(', ')}
FROM (${select}) AS made (${columns.map(([column]) => column).join(', ')});
ALTER TABLE ${name} ${alter.join(', ')};`;
}

/** A statement an index, those of the primary keys among them. */
export function indexesSql(table: SourceTable): string[] {
  return Object.entries(INDEXES[table]).map(
    ([index, columns]) =>
      `CREATE ${isPrimary(index) ? 'UNIQUE ' : ''}INDEX ${index} ON ${TABLES[table].name} (customer, profile, ${columns})`,
  );
}

/** The primary key, of an index that is there: this part locks the table, for a moment only. */
export function primaryKeySql(table: SourceTable): string {
  const index = Object.keys(INDEXES[table]).find(isPrimary) ?? '';
  return `ALTER TABLE ${TABLES[table].name} ADD CONSTRAINT ${index} PRIMARY KEY USING INDEX ${index}`;
}

/** Everything a tenant's Postgres database has, as one script. */
export function postgresSchemaSql(): string {
  const tables = SOURCE_TABLES.map(createTableSql);
  const indexes = SOURCE_TABLES.flatMap((table) => [...indexesSql(table), primaryKeySql(table)]);
  return `${SCHEMAS}\n${tables.join('\n\n')}\n\n${indexes.join(';\n')};\n`;
}
