import { expect, onTestFailed } from 'vitest';
import type { RunEvent, RunResult } from '../../src/domain/events.ts';
import type { Range, TenantName } from '../../src/domain/words.ts';
import type { TestTenant } from './tenant.ts';

/** Cards lie in eight days around the end of a month, so that a run has two partitions, and with it two deletes. */
const FIRST_DAY = '2026-01-28 00:00:00Z';
const DAYS = 8;

/** Most of them, with cards before and after it. */
export const RANGE: Range = { from: '2026-01-29T00:00:00.000Z', to: '2026-02-04T00:00:00.000Z' };

/** When the old code wrote the target. */
const OLD_VERSION = '2026-02-10 00:00:00.000000';
const OLDER_VERSION = '2026-02-09 00:00:00.000000';

export type Table = 'scorecard' | 'score' | 'scorecard_score';
export type Row = Record<string, unknown>;

export interface FillOptions {
  /** Cards in all eight days. Default 240. */
  readonly cards?: number;
  /** Whose they are. Default the test's tenant. */
  readonly owner?: TenantName;
  /** Begins every id. */
  readonly prefix?: string;
  /** Fills `scorecard_score` as well. Default false: then a run leaves it out. */
  readonly denormalised?: boolean;
  /** What the old code got wrong. Default true. */
  readonly wrongs?: boolean;
}

/** Fills a tenant's source with cards of every kind, and its target with what the old code wrote. */
export async function fillCards(t: TestTenant, options: FillOptions = {}): Promise<void> {
  const { cards = 240, owner = t.name, prefix = '', denormalised = false, wrongs = true } = options;
  const values = [owner.customer, owner.profile, prefix, cards];
  await t.pg.query(`SET timezone = 'UTC'`);
  for (const sql of SOURCE) await t.pg.query(sql, values.slice(0, sql.includes('$4') ? 4 : sql.includes('$3') ? 3 : 2));
  await t.pg.query('ANALYZE');
  const tables: Table[] = denormalised ? ['scorecard', 'score', 'scorecard_score'] : ['scorecard', 'score'];
  for (const table of tables) {
    const rows = (await derive(t, table, { owner, old: true })).filter((row) =>
      String(row['scorecard_id']).startsWith(prefix),
    );
    if (!wrongs) {
      await insert(t, table, rows, OLD_VERSION);
      continue;
    }
    const every = (n: number, at: number) => rows.filter((row) => numberOf(row) % n === at);
    const edited = (some: readonly Row[], edit: (row: Row) => Row) => some.map((row) => ({ ...row, ...edit(row) }));
    const stale = (): Row => (table === 'scorecard' ? { score: -1 } : { text_value: 'stale' });
    // Appeals are in it; some rows are missing, and some have an older content.
    const written = rows
      .filter((row) => numberOf(row) % 17 !== 4)
      .map((row) => (numberOf(row) % 11 === 2 ? { ...row, ...stale() } : row));
    await insert(t, table, written, OLD_VERSION);
    // The agent changed: the row stands there under two keys, which no merge puts together.
    const rekeyed = edited(every(13, 6), () => ({ agent_user_id: 'agent-of-then' }));
    // It was written before it was submitted.
    const moved = edited(every(10, 1), (row) => ({ scorecard_time: row['created'] ?? row['scorecard_time'] }));
    const orphans = edited(every(41, 8), (row) => ({
      scorecard_id: `${String(row['scorecard_id'])}-orphan`,
      ...(table === 'scorecard' ? {} : { score_id: `${String(row['score_id'])}-orphan` }),
    }));
    await insert(t, table, [...rekeyed, ...moved, ...orphans], OLDER_VERSION);
    await insert(t, table, every(19, 7), '2026-02-10 00:00:01.000000');
  }
}

/** The number in an id such as `card-17`. */
function numberOf(row: Row): number {
  return Number(/card-(\d+)/u.exec(String(row['scorecard_id']))?.[1] ?? 0);
}

const CREATED = `timestamptz '${FIRST_DAY}' + n * (interval '${DAYS} days' / $4::int) + interval '123456 microseconds'`;

/** $1 and $2 are the owner, $3 the ids' beginning, $4 the number of cards. */
const SOURCE = [
  `INSERT INTO app.users SELECT $1, $2, 'agent-' || n, n = 3 FROM generate_series(0, 3) n ON CONFLICT DO NOTHING`,
  `INSERT INTO director.scorecard_templates
   SELECT $1, $2, 'template-' || n, 'r' || r, 1 + n, 1, 'Template', '{"items":[{"identifier":"c1","chapter":true,"items":[
     {"identifier":"c1.q1","weight":2},{"identifier":"c1.q2"}]},{"identifier":"q9"}]}', '{}', '2025-01-01Z'
   FROM generate_series(0, 1) n, generate_series(1, 2) r ON CONFLICT DO NOTHING`,
  `INSERT INTO app.chats
   SELECT $1, $2, $3::text || 'chat-' || n, 'agent-' || n % 4, ${CREATED} - interval '1 hour',
     CASE WHEN n % 5 > 0 THEN ${CREATED} - interval '10 minutes' END, CASE WHEN n % 3 > 0 THEN 'en' END
   FROM generate_series(0, $4::int - 1) n WHERE n % 37 <> 9`,
  `INSERT INTO director.scorecards
   SELECT $1, $2, $3::text || 'card-' || n, 'template-' || n % 2, 'r' || CASE WHEN n % 43 = 11 THEN 9 ELSE 1 + n % 2 END,
     CASE WHEN n % 8 = 0 THEN '' ELSE $3::text || 'chat-' || n END, 'agent-' || n % 4, 'creator', CASE WHEN n % 10 < 7 THEN 'somebody' END,
     CASE WHEN n % 7 = 3 THEN 1 + n % 3 END, n % 2, CASE WHEN n % 29 = 5 THEN 'card-0' END,
     CASE WHEN n % 6 > 0 THEN n / 7.0 END, 'comment ' || n || CASE WHEN n % 12 = 0 THEN E'\\t\\n\\\\ ’🙂' ELSE '' END,
     ${CREATED}, ${CREATED} + interval '3 days',
     CASE WHEN n % 10 < 7 THEN ${CREATED} + CASE WHEN n % 10 = 1 THEN interval '30 hours' ELSE interval '2 hours' END END
   FROM generate_series(0, $4::int - 1) n`,
  `INSERT INTO director.scores
   SELECT $1, $2, $3::text || 'score-' || n || '-' || c, $3::text || 'card-' || n, c,
     n % 5, CASE WHEN n % 4 = 0 THEN 'text of ' || n END, CASE WHEN n % 3 = 0 THEN 2 END, n % 9 = 0, n % 2 = 0, CASE WHEN n % 2 = 0 THEN 0.25 END
   FROM generate_series(0, $4::int - 1) n, unnest(ARRAY['c1', 'c1.q1', 'q9']) c
   WHERE n % 23 <> 1 AND (n % 31 <> 2 OR c = 'c1')`,
];

const ms = (sql: string) =>
  `to_char(coalesce(date_trunc('milliseconds', ${sql}), timestamptz 'epoch'), 'YYYY-MM-DD HH24:MI:SS.MS')`;

const CARD = `c.customer AS customer_id, c.profile AS profile_id, c.resource_id AS scorecard_id, c.conversation_id,
  ${ms('coalesce(c.submitted_at, c.created_at)')} AS scorecard_time, ${ms('h.started_at')} AS conversation_start_time,
  ${ms('coalesce(h.ended_at, h.started_at)')} AS conversation_end_time,
  coalesce(CASE WHEN c.conversation_id = '' THEN c.agent_user_id ELSE h.agent_user_id END, '') AS agent_user_id,
  c.template_id, c.template_revision, ${ms('c.created_at')} AS created`;
const ABOUT = `t.type AS template_type, coalesce(h.language, '') AS language, coalesce(u.is_dev_user, false)::int AS is_dev_user,
  ${ms('c.submitted_at')} AS submitted_at`;
const SCORE = `s.resource_id AS score_id, s.criterion_identifier AS criterion_id, s.numeric_value, coalesce(s.text_value, '') AS text_value,
  coalesce(s.weight, 1) AS weight, s.not_applicable::int AS not_applicable`;
const COLUMNS: Readonly<Record<Table, string>> = {
  scorecard: `${CARD}, ${ABOUT}, coalesce(c.creator_user_id, '') AS creator_user_id, coalesce(c.submitter_user_id, '') AS submitter_user_id,
    coalesce(c.submission_source, 0) AS submission_source, c.score, coalesce(c.comment, '') AS comment, ${ms('c.created_at')} AS created_at`,
  score: `${CARD}, ${SCORE}, s.ai_scored::int AS ai_scored, s.ai_value`,
  scorecard_score: `${CARD}, ${ABOUT}, ${SCORE}, c.score AS scorecard_score`,
};
/** Of the templates above; the product finds them in their structure. */
const LEAF = `s.criterion_identifier IN ('c1.q1', 'c1.q2', 'q9')`;

interface DeriveOptions {
  readonly owner?: TenantName;
  /** As the old code did it: appeals and calibrations are in it. */
  readonly old?: boolean;
  readonly cards?: readonly string[];
}

/** What the target should hold, by an SQL of its own: not the dataset's. `created` is no column of the target. */
async function derive(t: TestTenant, table: Table, options: DeriveOptions = {}): Promise<Row[]> {
  const { owner = t.name, old = false, cards } = options;
  const kept = old
    ? 'true'
    : `coalesce(c.scorecard_type, 0) NOT IN (1, 2, 3) AND coalesce(c.calibrated_scorecard_id, '') = ''`;
  const scores = 'director.scores s';
  const ofCard = 's.customer = c.customer AND s.profile = c.profile AND s.scorecard_id = c.resource_id';
  const { rows } = await t.pg.query<Row>(
    `SELECT ${COLUMNS[table]} FROM director.scorecards c
     JOIN director.scorecard_templates t ON (t.customer, t.profile, t.resource_id, t.revision) = (c.customer, c.profile, c.template_id, c.template_revision)
     LEFT JOIN app.chats h ON (h.customer, h.profile, h.conversation_id) = (c.customer, c.profile, nullif(c.conversation_id, ''))
     LEFT JOIN app.users u ON (u.customer, u.profile) = (c.customer, c.profile)
       AND u.user_id = CASE WHEN c.conversation_id = '' THEN c.agent_user_id ELSE h.agent_user_id END
     ${table === 'scorecard' ? '' : `JOIN ${scores} ON ${ofCard} AND ${LEAF}`}
     WHERE c.customer = $1 AND c.profile = $2 AND (c.conversation_id = '' OR h.conversation_id IS NOT NULL) AND ${kept}
       AND EXISTS (SELECT FROM ${scores} WHERE ${ofCard} AND ${LEAF}) AND ($3::text[] IS NULL OR c.resource_id = ANY ($3))`,
    [owner.customer, owner.profile, cards ?? null],
  );
  return rows;
}

/** Without what is no column. */
function columnsOf(row: Row): Row {
  return Object.fromEntries(Object.entries(row).filter(([name]) => name !== 'created'));
}

async function insert(t: TestTenant, table: Table, rows: readonly Row[], version: string): Promise<void> {
  if (rows.length === 0) return;
  const values = rows.map((row) => ({ ...columnsOf(row), update_time: version }));
  await t.ch.insert({ table: t.at(table), values, format: 'JSONEachRow' });
}

/** The source's clock, as a version. */
export async function clock(t: TestTenant): Promise<string> {
  const { rows } = await t.pg.query<{ now: string }>(
    `SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US') AS now`,
  );
  return rows[0]?.now ?? '';
}

const LIVE_TABLES: readonly Table[] = ['scorecard', 'score'];

/** What a live writer derives of some cards now; `write` sends it with the time of writing as its version, or with another one. */
export async function liveRows(t: TestTenant, cards: readonly string[]) {
  const found: [Table, Row[]][] = [];
  for (const table of LIVE_TABLES) found.push([table, await derive(t, table, { cards })]);
  return {
    write: async (at?: string) => {
      const version = at ?? (await clock(t));
      for (const [table, rows] of found) await insert(t, table, rows, version);
    },
  };
}

/** A live writer after its commit: it derives the cards and writes them at once. */
export async function liveWrite(t: TestTenant, ...cards: readonly string[]): Promise<void> {
  await (await liveRows(t, cards)).write();
}

const keyOf = (table: Table) => (table === 'scorecard' ? 'scorecard_id' : 'score_id');
/** `identity` keeps the server from leaving out parts by their times before FINAL has chosen the newest row of a key. */
const timeIn = (range: Range) =>
  `identity(scorecard_time) >= parseDateTime64BestEffort('${range.from}', 3, 'UTC')
   AND identity(scorecard_time) < parseDateTime64BestEffort('${range.to}', 3, 'UTC')`;

/** Rows of a range as readers see them, by key and sorted, but for their version. */
export async function targetRows(t: TestTenant, table: Table, range: Range = RANGE): Promise<Row[]> {
  return await t.select<Row>(
    `SELECT * EXCEPT (update_time) FROM ${t.at(table)} FINAL
     WHERE ${timeIn(range)} AND customer_id = '${t.name.customer}' AND profile_id = '${t.name.profile}' ORDER BY ${keyOf(table)}, agent_user_id
     SETTINGS do_not_merge_across_partitions_select_final = 1`,
  );
}

/** The rows that a range should have, in the order of `targetRows`. */
export async function sourceRows(t: TestTenant, table: Table, range: Range = RANGE): Promise<Row[]> {
  const [from, to] = [range.from, range.to].map((at) => at.replace('T', ' ').replace('Z', ''));
  const key = keyOf(table);
  return (await derive(t, table))
    .map(columnsOf)
    .filter((row) => String(row['scorecard_time']) >= String(from) && String(row['scorecard_time']) < String(to))
    .sort((a, b) => (String(a[key]) < String(b[key]) ? -1 : 1));
}

/** Fails unless the target holds exactly what the source says, by the oracle and by `verify`. */
export async function expectClean(t: TestTenant, range: Range = RANGE, tables: readonly Table[] = LIVE_TABLES) {
  for (const table of tables) {
    const [found, wanted] = [await targetRows(t, table, range), await sourceRows(t, table, range)];
    expect(found.map((row) => row[keyOf(table)])).toEqual(wanted.map((row) => row[keyOf(table)]));
    expect(found).toEqual(wanted);
    expect(wanted.length).toBeGreaterThan(0);
  }
  const verified = await t.refill.verify({ tenant: t.name, range });
  expect(verified).toMatchObject({ ok: true });
}

/** Sum over all columns, the version too, of the rows that a condition chooses, without `FINAL`. */
export async function checksum(t: TestTenant, table: Table, where: string): Promise<string> {
  const [row] = await t.select<{ sum: string }>(
    `SELECT concat(toString(count()), ' ', toString(sum(cityHash64(*)))) AS sum FROM ${t.at(table)} WHERE ${where}`,
  );
  return row?.sum ?? '';
}

/** ClickHouse: what a run over `range` must not touch. */
export function outside(t: TestTenant, range: Range = RANGE): string {
  return `NOT (${timeIn(range)} AND customer_id = '${t.name.customer}' AND profile_id = '${t.name.profile}')`;
}

export interface Ended {
  readonly events: readonly RunEvent[];
  readonly result: RunResult;
}

/** Reads a run's events to the end: exactly one result, as the last. */
export async function ended(run: AsyncIterable<RunEvent>, onEvent?: (event: RunEvent) => unknown): Promise<Ended> {
  const events: RunEvent[] = [];
  for await (const event of run) {
    events.push(event);
    await onEvent?.(event);
  }
  const results = events.filter((event) => event.type === 'result');
  expect(results).toHaveLength(1);
  const last = events.at(-1);
  if (last?.type !== 'result') throw new Error('the last event is no result');
  // What a test expects of a result hides what else it said: the keys that differ, and of which kind.
  onTestFailed(() => console.error(JSON.stringify(last)));
  return { events, result: last };
}

/** What was thrown. */
export async function thrown(work: () => Promise<unknown>): Promise<unknown> {
  return await work().then(
    () => {
      throw new Error('nothing was thrown');
    },
    (error: unknown) => error,
  );
}
