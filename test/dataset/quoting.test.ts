import { createClient } from '@clickhouse/client';
import { Client } from 'pg';
import * as fc from 'fast-check';
import { beforeAll, expect, inject, onTestFinished, test } from 'vitest';
import { bind, chLiteral, identifier, literal, textArray } from '../../src/dataset/sql.ts';

/** Texts that end a quote, begin a parameter, or mean something to a server. Postgres knows no NUL. */
const NASTY = [
  '',
  `'`,
  `''`,
  `\\'`,
  '\\',
  '\\\\',
  `\\`.repeat(3) + `'`,
  '"',
  '\\"',
  '`',
  '\\`',
  '{}',
  '{"a","b"}',
  'NULL',
  'null',
  ',',
  ' a ',
  '$1',
  '$$',
  '$&',
  ':from',
  ':keys',
  '%s',
  '{x:String}',
  '?',
  '\t\r\n\v\f\b',
  '\\n\\t\\0\\x41\\N',
  `'; DROP TABLE director.scorecards; --`,
  `/* a */ -- b`,
  '\u{1F600} é e\u0301 \u2028 \ufeff',
  'x'.repeat(100_000),
];
const random = fc
  .array(fc.oneof(fc.constantFrom(...Array.from(`'"\\\`{},:$%nt\n\t0`)), fc.string({ unit: 'binary', maxLength: 3 })), {
    maxLength: 12,
  })
  .map((parts) => parts.join('').replaceAll('\0', ''))
  // A lone surrogate is no text: it has no UTF-8.
  .filter((text) => Buffer.from(text).toString() === text);
const texts = fc.array(random, { minLength: 1, maxLength: 20 });

let pg: Client;
beforeAll(async () => {
  const { host, port, user, password } = inject('stack').postgres;
  pg = new Client({ host, port, user, password, database: 'postgres' });
  await pg.connect();
  return () => pg.end();
});

test('Postgres reads back what literal and textArray write, whatever its own settings', async () => {
  const samples = [NASTY, ...fc.sample(texts, { numRuns: 20, seed: 7 })];
  for (const setting of ['on', 'off']) {
    await pg.query(`SET standard_conforming_strings = ${setting}`).catch(() => undefined);
    for (const list of samples) {
      const columns = list.map((text, n) => `${literal(text)} AS c${n}`).join(', ');
      const { rows } = await pg.query<Record<string, unknown>>(`SELECT ${columns}, ${textArray(list)} AS list`);
      expect(list.map((_, n) => rows[0]?.[`c${n}`])).toEqual(list);
      expect(rows[0]?.['list']).toEqual(list);
    }
  }
  const { rows } = await pg.query(`SELECT ${textArray([])} AS list`);
  expect(rows).toEqual([{ list: [] }]);
});

test('bind puts parameters in as literals, once, and leaves casts and words alone', async () => {
  const range = { from: '2026-01-01T00:00:00.000Z', to: '2026-02-01T00:00:00.000Z' };
  for (const nasty of NASTY.filter((text) => text.length < 1000)) {
    const tenant = { customer: nasty, profile: `${nasty}:customer` };
    const sql = bind(
      `SELECT :customer AS c, :profile AS p, :keys AS k, :from::text AS f, (:to)::timestamptz AS t, 'a'::text AS x, (ARRAY[1,2])[1:2] AS y`,
      { tenant, range, keys: { keys: [nasty, ':from'] } },
    );
    const { rows } = await pg.query<Record<string, unknown>>(sql);
    expect(rows[0]).toMatchObject({ c: nasty, p: `${nasty}:customer`, k: [nasty, ':from'], x: 'a', y: [1, 2] });
    expect(rows[0]?.['t']).toEqual(new Date(range.to));
  }
  // What is not given stays, and so fails where it is used.
  expect(bind('SELECT :from, :keys, x::from, a:to, :customers', { tenant: { customer: 'c', profile: 'p' } })).toBe(
    'SELECT :from, :keys, x::from, a:to, :customers',
  );
});

test('ClickHouse reads back what chLiteral and identifier write', async () => {
  const client = createClient({ url: inject('stack').clickhouse.http });
  onTestFinished(() => client.close());
  const samples = [NASTY, ...fc.sample(texts, { numRuns: 20, seed: 11 }), ['a\0b']];
  for (const list of samples) {
    const result = await client.query({
      query: `SELECT ${list.map((text, n) => `${chLiteral(text)} AS c${n}`).join(', ')}`,
      format: 'JSONCompactEachRow',
    });
    expect(await result.json<string[]>()).toEqual([list]);
  }
  const names = NASTY.filter((text) => text !== '' && text.length < 1000);
  const result = await client.query({
    query: `SELECT ${names.map((name, n) => `t.${identifier(name)} AS c${n}`).join(', ')} FROM (SELECT ${names.map((name, n) => `${n} AS ${identifier(name)}`).join(', ')}) AS t`,
    format: 'JSONCompactEachRow',
  });
  expect(await result.json<number[]>()).toEqual([names.map((_, n) => n)]);
});
