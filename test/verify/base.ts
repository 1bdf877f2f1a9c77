import { clickhouseSchemaSql } from '../../src/embedded/sample/clickhouse-schema.ts';
import type { Range } from '../../src/domain/words.ts';
import { createTenant, type TestTenant, type TestTenantOptions } from '../support/tenant.ts';

export const RANGE: Range = { from: '2026-01-30T00:00:00.000Z', to: '2026-02-03T12:00:00.000Z' };
export const TABLES = ['scorecard', 'score', 'scorecard_score'] as const;
export type TableName = (typeof TABLES)[number];
export const KEYS = { scorecard: 'scorecard_id', score: 'score_id', scorecard_score: 'score_id' } as const;

/** Cards `k0001` … every 4 minutes through the range, each with a score `s0001` …; and one card for each reason. */
export const CARDS = 1250;
export const card = (n: number): string => `k${String(n).padStart(4, '0')}`;
export const score = (n: number): string => `s${String(n).padStart(4, '0')}`;
/** Excluded cards, each with a score of a leaf unless the reason is that it has none. */
export const EXCLUDED = {
  appeal: { scorecard_type: 2 },
  calibration: { calibrated_scorecard_id: 'k0001' },
  conversation_not_found: { conversation_id: 'nowhere' },
  template_not_found: { template_revision: '9' },
  unsubmitted_shell: { submitted_at: null },
  no_scores: {},
  only_chapters: {},
} as const;

const SOURCE = `
  INSERT INTO app.users VALUES ('C', 'P', 'agent', true);
  INSERT INTO app.chats VALUES ('C', 'P', 'talk', 'agent', '2026-01-30T01:00:00Z', '2026-01-30T01:30:00Z', 'en');
  INSERT INTO director.scorecard_templates VALUES ('C', 'P', 't', '1', 2, 1, '',
    '{"items": [{"identifier": "chapter", "chapter": true, "items": [{"identifier": "leaf"}]}]}', '{}', '2026-01-01');
  INSERT INTO director.scorecards (customer, profile, resource_id, template_id, template_revision, conversation_id, agent_user_id,
    creator_user_id, submitter_user_id, submission_source, score, comment, created_at, updated_at, submitted_at)
  SELECT 'C', 'P', 'k' || to_char(n, 'FM0000'), 't', '1', CASE WHEN n <= 40 THEN 'talk' ELSE '' END, 'agent', 'creator', 'submitter', 3, n, 'fine',
    '2026-01-29T12:00:00Z', '2026-02-04', '2026-01-30T00:00:00Z'::timestamptz + (n - 1) * interval '4 minutes'
  FROM generate_series(1, ${CARDS}) n;
  INSERT INTO director.scores SELECT 'C', 'P', 's' || to_char(n, 'FM0000'), 'k' || to_char(n, 'FM0000'), 'leaf', n, 'text', 2, false, true, 0.5
  FROM generate_series(1, ${CARDS}) n;
  INSERT INTO director.scores SELECT 'C', 'P', 'chapter', 'k0001', 'chapter', 1, 'text', 2, false, true, 0.5;
  ${Object.entries(EXCLUDED)
    .map(([reason, change]) => {
      const row = {
        customer: 'C',
        profile: 'P',
        resource_id: reason,
        template_id: 't',
        template_revision: '1',
        conversation_id: '',
        created_at: '2026-02-01T10:00:00Z',
        updated_at: '2026-02-01T10:00:00Z',
        submitted_at: '2026-02-01T10:00:00Z',
        ...change,
      };
      const scored = reason !== 'no_scores' && reason !== 'unsubmitted_shell';
      return `INSERT INTO director.scorecards SELECT * FROM jsonb_populate_record(NULL::director.scorecards, '${JSON.stringify(row)}');
        ${scored ? `INSERT INTO director.scores VALUES ('C', 'P', 's_${reason}', '${reason}', '${reason === 'only_chapters' ? 'chapter' : 'leaf'}')` : ''};`;
    })
    .join('\n')}`;

export interface Base {
  readonly t: TestTenant;
  /** Makes a table again from the right rows: without some, with columns changed, with more rows, each in a part of its own. */
  rebuild(table: TableName, change?: Rebuild): Promise<void>;
}

export interface Rebuild {
  /** A ClickHouse condition on the rows that are left out. */
  readonly without?: string;
  /** Column to the expression that takes its place. */
  readonly replace?: Readonly<Record<string, string>>;
  /** More rows: a condition on the right rows, and what replaces their columns. */
  readonly more?: readonly { readonly of: string; readonly replace?: Readonly<Record<string, string>> }[];
}

/** A tenant with a clean target after a run, and the right rows kept aside. `scorecard_score` is a MergeTree that collapses nothing. */
export async function createBase(options: TestTenantOptions = {}): Promise<Base> {
  const t = await createTenant({
    ...options,
    targetSchema: (database) =>
      clickhouseSchemaSql({ database })
        .slice(1)
        .map((sql) =>
          sql.includes('.scorecard_score') ? sql.replace('ReplacingMergeTree(update_time)', 'MergeTree') : sql,
        ),
  });
  const name = (sql: string) =>
    sql
      .replaceAll(`'C', 'P'`, `'${t.name.customer}', '${t.name.profile}'`)
      .replaceAll(`"customer":"C","profile":"P"`, `"customer":"${t.name.customer}","profile":"${t.name.profile}"`);
  await t.pg.query(name(SOURCE));
  // Without statistics Postgres reads these few rows by nested loops, for seconds.
  await t.pg.query('ANALYZE');
  const plan = await t.refill.plan({ tenant: t.name, range: RANGE, tables: TABLES });
  for await (const event of t.refill.run(plan.id, { recount: false })) {
    if (event.type === 'result' && event.state !== 'succeeded') throw new Error(`the run is ${event.state}`);
  }
  for (const table of TABLES) {
    await t.command(`CREATE TABLE right_${table} ENGINE = Memory AS SELECT * FROM ${table}`);
    await t.command(`SYSTEM STOP MERGES ${table}`);
  }
  const selected = (replace: Readonly<Record<string, string>> = {}) => {
    const list = Object.entries(replace).map(([column, expression]) => `${expression} AS ${column}`);
    return list.length > 0 ? `* REPLACE (${list.join(', ')})` : '*';
  };
  const insert = (table: TableName, replace: Rebuild['replace'], where: string) =>
    t.command(
      `INSERT INTO ${table} SELECT ${selected(replace)} FROM (SELECT * FROM right_${table} WHERE ${where}) SETTINGS optimize_on_insert = 0`,
    );
  return {
    t,
    async rebuild(table, { without = '0', replace, more = [] } = {}) {
      await t.command(`TRUNCATE TABLE ${table}`);
      await insert(table, replace, `NOT (${without})`);
      for (const m of more) await insert(table, m.replace, m.of);
    },
  };
}
