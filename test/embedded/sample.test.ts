import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { EmbeddedInfo } from '../../src/embedded/info.ts';
import { clickhouse } from '../../src/embedded/sample/clickhouse-http.ts';
import { makeSample, type Sample, type SampleOptions } from '../../src/embedded/sample/make.ts';
import { PLANT_EFFECTS } from '../../src/embedded/sample/planted.ts';
import { postgresSchemaSql, type TargetTable } from '../../src/embedded/sample/schema.ts';
import { SAMPLE_SIZES } from '../../src/embedded/sample/sizes.ts';
import { sourceChecksum } from '../../src/embedded/sample/source.ts';
import { removeEmbedded, startEmbedded } from '../../src/embedded/stack.ts';
import { compare, countReasons } from './oracle.ts';

const BUILD_TIMEOUT_MS = 180_000;
const TABLES: readonly TargetTable[] = ['scorecard', 'score', 'scorecard_score'];

const dir = mkdtempSync(join(tmpdir(), 'refill-sample-'));
let info: EmbeddedInfo;

beforeAll(async () => {
  info = await startEmbedded({ dir, attached: true, temporary: true });
}, BUILD_TIMEOUT_MS);
afterAll(async () => {
  await removeEmbedded(dir);
});

async function build(options: Partial<SampleOptions>): Promise<Sample> {
  const { postgres, clickhouse } = info;
  return await makeSample({
    postgres,
    clickhouse: { url: clickhouse.http },
    size: 'small',
    merges: 'stopped',
    ...options,
  });
}

async function onSource<T>(database: string, work: (client: Client) => Promise<T>): Promise<T> {
  const { host, port, user, password } = info.postgres;
  const client = new Client({ host, port, user, password, database });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

const target = (sql: string) => clickhouse({ url: info.clickhouse.http }, sql);

/** Sums over every row of every table, on both sides. */
async function checksums(database: string): Promise<string[]> {
  const source = await onSource(database, sourceChecksum);
  const sums = await Promise.all(
    TABLES.map((table) =>
      target(`SELECT count(), sum(cityHash64(formatRow('TabSeparated', *))) FROM ${database}.${table}`),
    ),
  );
  return [source, ...sums];
}

describe('the small sample', () => {
  let sample: Sample;
  beforeAll(async () => {
    sample = await build({});
  }, BUILD_TIMEOUT_MS);

  test('has exactly the scorecards and scores that it says, by reason', async () => {
    const { counts } = sample;
    expect(sample).toMatchObject({ database: 'acme_air_us_east', counts: { kept: 29_879, keptScores: 260_911 } });
    const rows = await onSource(sample.database, (client) => countReasons(client, sample.range.from, sample.range.to));
    expect(rows.get('kept')).toMatchObject({ scorecards: counts.kept, scores: counts.keptScores });
    expect(rows.get('kept')?.chapters).toBeGreaterThan(500);
    expect(rows.get('appeal')).toEqual({ scorecards: counts.appeals, scores: counts.appealScores, chapters: 0 });
    expect(rows.get('unsubmitted_shell')).toEqual({ scorecards: counts.shells, scores: 0, chapters: 0 });
    // The others overlap: a calibration may lack its conversation, and counts as a calibration.
    const reasons = ['calibration', 'conversation_not_found', 'template_not_found', 'no_scores', 'only_chapters'];
    for (const reason of reasons) expect(rows.get(reason)?.scorecards, reason).toBeGreaterThan(10);
    const leftOut = [...rows.entries()].filter(([reason]) => reason !== 'kept' && reason !== 'appeal');
    expect(leftOut.reduce((sum, [, { scorecards }]) => sum + scorecards, 0)).toBe(
      counts.calibration +
        counts.conversationNotFound +
        counts.templateNotFound +
        counts.shells +
        counts.noScores +
        counts.onlyChapters,
    );
  });

  test('has scores without a scorecard, and every kind of value that a column can have', async () => {
    const [row] = await onSource(sample.database, async (client) => {
      const one = (sql: string) => `(SELECT count(*)::int FROM ${sql})`;
      return (
        await client.query<Record<string, number>>(`SELECT
          ${one('director.scores s WHERE NOT EXISTS (SELECT FROM director.scorecards c WHERE c.resource_id = s.scorecard_id)')} AS orphans,
          ${one('director.scorecards WHERE updated_at < created_at OR updated_at < submitted_at')} AS impossible,
          ${one(`director.scorecards WHERE comment ~ E'[\\\\t\\\\n]'`)} AS control,
          ${one(`director.scorecards WHERE comment = E'\\\\N'`)} AS fake_null,
          ${one(`director.scorecards WHERE length(comment) > 3000`)} AS long,
          ${one(`director.scorecards WHERE octet_length(comment) > length(comment)`)} AS unicode,
          ${one('director.scorecards WHERE submitted_at - created_at > interval $$1 day$$')} AS late,
          ${one('director.scorecards c WHERE submitted_at IS NULL AND EXISTS (SELECT FROM director.scores s WHERE s.scorecard_id = c.resource_id)')} AS drafts,
          ${one(`director.scorecards WHERE calibrated_scorecard_id = ''`)} AS not_calibrated,
          ${one(`director.scorecards WHERE extract(microseconds FROM created_at)::int % 1000 > 0`)} AS micros,
          ${one('app.chats WHERE ended_at IS NULL')} AS open_chats,
          ${one('app.chats WHERE agent_user_id IS NULL')} AS nobody,
          ${one('app.chats c JOIN director.scorecards s USING (conversation_id) WHERE c.agent_user_id <> s.agent_user_id')} AS other_agent,
          ${one('director.scores WHERE weight IS NULL')} AS no_weight,
          ${one('app.users WHERE is_dev_user')} AS developers,
          ${one('(SELECT resource_id FROM director.scorecard_templates GROUP BY 1 HAVING count(DISTINCT type) > 1)')} AS two_types`)
      ).rows;
    });
    const { orphans, impossible, ...others } = row ?? {};
    expect({ orphans, impossible }).toEqual({ orphans: sample.counts.orphanScores, impossible: 0 });
    for (const [what, count] of Object.entries(others)) expect(count, what).toBeGreaterThan(0);
  });

  test('has NULL in every column that can be NULL, and statistics and a visibility map', async () => {
    await onSource(sample.database, async (client) => {
      const { rows } = await client.query<{ table: string; column: string }>(
        `SELECT table_schema || '.' || table_name AS table, column_name AS column FROM information_schema.columns
         WHERE table_schema IN ('app', 'director') AND is_nullable = 'YES'`,
      );
      expect(rows).toHaveLength(16);
      for (const { table, column } of rows) {
        const found = await client.query(`SELECT FROM ${table} WHERE ${column} IS NULL LIMIT 1`);
        expect(found.rowCount, `${table}.${column}`).toBe(1);
      }
      // Not quite all: the last pages are kept for what may follow, and hold nothing.
      const { rows: tables } = await client.query<{ ok: boolean }>(
        `SELECT relallvisible >= relpages * 0.95 AND reltuples > 0 AS ok FROM pg_class
         WHERE relkind = 'r' AND relnamespace IN ('app'::regnamespace, 'director'::regnamespace)`,
      );
      expect(tables).toEqual(tables.map(() => ({ ok: true })));
    });
  });

  test.each(TABLES)(
    '%s differs from an independent derivation in exactly what was planted',
    async (table) => {
      const found = await onSource(
        sample.database,
        async (client) => await compare(client, info.clickhouse.http, sample.database, table),
      );
      const planted = sample.planted.filter((p) => p.table === table);
      const counts = (entries: readonly (readonly [string, number])[]) =>
        Object.fromEntries(entries.toSorted(([a], [b]) => (a < b ? -1 : 1)));
      expect(counts([...found].map(([kind, keys]) => [kind, keys.length]))).toEqual(
        counts(planted.map(({ kind, count }) => [kind, count])),
      );
      for (const { kind, keys, count } of planted) {
        expect(count, kind).toBeGreaterThan(0);
        expect(found.get(kind)?.slice(0, 1000), kind).toEqual(keys);
      }
    },
    BUILD_TIMEOUT_MS,
  );

  test('plants every kind', () => {
    const kinds = new Set<string>(sample.planted.map(({ kind }) => kind));
    expect([...kinds].sort()).toEqual(Object.keys(PLANT_EFFECTS).sort());
  });

  test('holds nothing in the hole, right rows before and after the range, and no row from the future', async () => {
    expect(
      await target(
        `SELECT countIf(scorecard_time >= '2026-02-03 09:00:00' AND scorecard_time < '2026-02-03 13:00:00'),
           countIf(scorecard_time < '2025-12-31'), countIf(scorecard_time >= '2026-03-01'),
           min(update_time) >= '2026-01-01', max(update_time) < '2026-04-01',
           uniqExact(customer_id, profile_id), any(customer_id), any(profile_id)
         FROM ${sample.database}.scorecard_d`,
      ),
    ).toBe(`0\t120\t120\t1\t1\t1\tacme-air\tus-east\n`);
  });

  test(
    'is the same again with the same seed, and another with another seed',
    async () => {
      const first = await checksums(sample.database);
      await expect(build({})).rejects.toThrow(/exists already: it holds a sample/u);
      const again = await build({ replace: true });
      expect(await checksums(again.database)).toEqual(first);
      expect(again.planted).toEqual(sample.planted);

      const other = await build({ seed: 2, profile: 'eu' });
      const others = await checksums(other.database);
      expect(others.some((sum, i) => sum === first[i])).toBe(false);
      expect(other.counts).toEqual(sample.counts);
    },
    BUILD_TIMEOUT_MS,
  );

  test(
    'can be made right, and without the denormalised table',
    async () => {
      const right = await build({ profile: 'right', wrong: false, denormalised: false });
      expect(right.planted).toEqual([]);
      const scores = await onSource(right.database, async (client) => {
        expect(await compare(client, info.clickhouse.http, right.database, 'scorecard')).toEqual(new Map());
        return (await countReasons(client, '2025-01-01', '2027-01-01')).get('kept')?.scores;
      });
      expect(await target(`SELECT count() FROM ${right.database}.score`)).toBe(`${scores}\n`);
      expect(await target(`SELECT count() FROM ${right.database}.scorecard_score`)).toBe('0\n');
      const { kept, before, after } = SAMPLE_SIZES.small.counts;
      expect(await target(`SELECT count() FROM ${right.database}.scorecard`)).toBe(`${kept + before + after}\n`);
    },
    BUILD_TIMEOUT_MS,
  );

  test('has the tables, columns, defaults and indexes of the schema, and no others', async () => {
    const catalogue = (client: Client) =>
      client.query(`SELECT table_schema, table_name, ordinal_position, column_name, data_type, is_nullable, column_default
          FROM information_schema.columns WHERE table_schema NOT IN ('pg_catalog', 'information_schema')
        UNION ALL
        SELECT schemaname, tablename, 0, indexname, indexdef, '', constraint_type FROM pg_indexes
          LEFT JOIN information_schema.table_constraints ON constraint_name = indexname
          WHERE schemaname NOT IN ('pg_catalog', 'information_schema')
        ORDER BY 1, 2, 3, 4`);
    await onSource('postgres', async (client) => await client.query('CREATE DATABASE plain'));
    const plain = await onSource('plain', async (client) => {
      await client.query(postgresSchemaSql());
      return await catalogue(client);
    });
    const made = await onSource(sample.database, catalogue);
    expect(made.rows).toEqual(plain.rows);
    expect(made.rowCount).toBe(4 + 8 + 10 + 17 + 11 + 10);
  });

  test('leaves nothing else behind, and never replaces what is not a sample', async () => {
    expect(await target(`SELECT count() FROM system.databases WHERE name LIKE 'refill%'`)).toBe('0\n');
    await onSource('postgres', async (client) => await client.query('CREATE DATABASE acme_air_mine'));
    await expect(build({ profile: 'mine', replace: true })).rejects.toThrow(/it is not a sample/u);
    await target('CREATE DATABASE acme_air_theirs');
    await expect(build({ profile: 'theirs', replace: true })).rejects.toThrow(/it is not a sample/u);
  });
});
