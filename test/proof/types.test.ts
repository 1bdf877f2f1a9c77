import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { DatasetDefinition, TableDefinition } from '../../src/index.ts';
import { int, timestamp } from '../../src/index.ts';
import { asRefillError } from '../../src/domain/errors.ts';
import { HOUR_MS, instant } from '../../src/domain/windows.ts';
import type { Range } from '../../src/domain/words.ts';
import { withSnapshot } from '../../src/source/postgres.ts';
import { preflight } from '../../src/steps/preflight.ts';
import { sourceSums, writeWindow } from '../../src/steps/reindex.ts';
import { benchTable, type Workbench } from '../../src/steps/workbench.ts';
import { targetSums } from '../../src/target/count.ts';
import { openBench } from '../support/bench.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';
import { REFUSED, SUBJECTS } from './types/subjects.ts';
import { typesPage } from './types/page.ts';

/** Every type on both servers, and the page of the docs that is made of what they said. */

const PAGE = new URL('../../docs/types.md', import.meta.url);
const EPOCH = Date.parse('2026-01-05T00:00:00Z');
const hourOf = (n: number): Range => ({ from: instant(EPOCH + n * HOUR_MS), to: instant(EPOCH + (n + 1) * HOUR_MS) });
const nameOf = (index: number) => `c${index}`;

const TYPES = `CREATE TYPE mood AS ENUM ('happy', 'new', 'it''s, ok');
CREATE DOMAIN small AS integer;
CREATE TYPE place AS (name text, height float8);`;

interface Typed {
  readonly pg: string;
  readonly ch: string;
  readonly as: (c: string) => TableDefinition['columns'][string];
}

const sourceSchema = (of: readonly Typed[]) =>
  `${TYPES} CREATE TABLE src (id bigint PRIMARY KEY, at timestamptz NOT NULL, ${of.map((s, n) => `${nameOf(n)} ${s.pg}`).join(', ')})`;
const targetSchema = (of: readonly Typed[]) => (database: string) => [
  `CREATE TABLE \`${database}\`.out (id UInt64, at DateTime64(3, 'UTC'), version DateTime64(6, 'UTC'),
     ${of.map((s, n) => `${nameOf(n)} ${s.ch}`).join(', ')}) ENGINE = ReplacingMergeTree(version) ORDER BY id`,
];

/** A dataset of some of the columns; the others are listed as not proven. */
function datasetOf(of: readonly Typed[], some: (index: number) => boolean = () => true): DatasetDefinition {
  const rows = (where: string) => `SELECT * FROM src WHERE ${where}`;
  const named = of.map((s, n) => [nameOf(n), s] as const);
  const table: TableDefinition = {
    name: 'out',
    key: 'id',
    time: 'at',
    version: 'version',
    source: {
      from: ':rows AS s',
      rowsInRange: rows('at >= :from AND at < :to'),
      rowsByKey: rows('id = ANY (:keys::bigint[])'),
      whereKey: 'true',
    },
    exclusions: [],
    columns: {
      id: int('s.id'),
      at: timestamp('s.at'),
      ...Object.fromEntries(named.filter((_, n) => some(n)).map(([name, s]) => [name, s.as(`s.${name}`)])),
    },
    unproven: Object.fromEntries(named.filter((_, n) => !some(n)).map(([name]) => [name, 'not of this case'])),
  };
  return { name: 'types', tenants: `SELECT 'a' AS customer, 'b' AS profile`, tables: [table] };
}

async function addRow(t: TestTenant, id: number, hour: number, cells: readonly (readonly [number, string | null])[]) {
  await t.pg.query(
    `INSERT INTO src (id, at${cells.map(([n]) => `, ${nameOf(n)}`).join('')})
     VALUES ($1, $2${cells.map(([n], i) => `, $${i + 3}::text::${SUBJECTS[n]?.pg ?? ''}`).join('')})`,
    [id, hourOf(hour).from, ...cells.map(([, value]) => value)],
  );
}

const write = (bench: Workbench, range: Range, query: string) =>
  writeWindow(bench, range, {
    keepAttempt: () => Promise.resolve({ out: query }),
    stillOurs: () => Promise.resolve(),
    onRows: () => undefined,
    signal: new AbortController().signal,
  });

async function sums(bench: Workbench, range: Range) {
  const table = benchTable(bench, 'out');
  const source = await withSnapshot(bench.source, (snapshot) => sourceSums(bench, table, snapshot, range));
  const [target] = await targetSums(bench.target, table, bench.tenant, [range]);
  return { source: source.buckets, target };
}

/** Columns whose canonical texts differ: the sum says only that something does. */
async function differingTexts(t: TestTenant, bench: Workbench): Promise<string[]> {
  const codecs = [...benchTable(bench, 'out').columns];
  const left = await t.pg.query<Record<string, string | null>>(
    `SELECT ${codecs.map(([name, { wire }]) => `(${wire})::text AS ${name}`).join(', ')} FROM src s ORDER BY s.id`,
  );
  const right = await t.select<Record<string, string | null>>(
    `SELECT ${codecs.map(([name, { field }]) => `toString(${field(`\`${name}\``)}) AS t_${name}`).join(', ')} FROM out ORDER BY id`,
  );
  return codecs.flatMap(([name]) =>
    left.rows.flatMap((row, n) =>
      row[name] === right[n]?.[`t_${name}`] ? [] : [`${name}, row ${n}: ${row[name]} and ${right[n]?.[`t_${name}`]}`],
    ),
  );
}

test('what is stored is what was meant, by a plain SELECT, and both sides sum it alike', async () => {
  const t = await createTenant({
    dataset: datasetOf(SUBJECTS),
    sourceSchema: sourceSchema(SUBJECTS),
    targetSchema: targetSchema(SUBJECTS),
  });
  const bench = await openBench(t);
  await preflight(bench);
  const height = Math.max(...SUBJECTS.map((s) => s.good.length));
  for (let row = 0; row < height; row += 1)
    await addRow(
      t,
      row,
      0,
      SUBJECTS.map((s, n) => [n, s.good[Math.min(row, s.good.length - 1)]?.[0] ?? null]),
    );
  expect(await write(bench, hourOf(0), `types-${t.database}`)).toMatchObject({ rows: height });

  const print = (n: number) => (SUBJECTS[n]?.print ?? ((c: string) => `toString(${c})`))(nameOf(n));
  const stored = await t.select<Record<string, string | null>>(
    `SELECT ${SUBJECTS.map((_, n) => `${print(n)} AS p${n}`).join(', ')} FROM out ORDER BY id`,
  );
  const wrong: string[] = [];
  for (const [n, s] of SUBJECTS.entries()) {
    for (const [row, [source, meant]] of s.good.entries()) {
      const found = stored[row]?.[`p${n}`] ?? null;
      if (found !== meant) wrong.push(`${s.pg} in ${s.ch}, ${source}: ${found}, not ${meant}`);
    }
  }
  expect(wrong).toEqual([]);
  wrong.push(...(await differingTexts(t, bench)));
  expect(wrong).toEqual([]);
  const both = await sums(bench, hourOf(0));
  expect(both.target).toEqual(both.source);

  // Values that a SELECT prints in different ways have different canonical texts: a proof notices one in place of another.
  const texts = [...benchTable(bench, 'out').columns].filter(([name]) => /^c\d/u.test(name));
  const [told] = await t.select<Record<string, string>>(
    `SELECT ${texts.map(([name, { field }], n) => `uniqExact(${print(n)}) AS p_${name}, uniqExact(toString(${field(`\`${name}\``)})) AS f_${name}`).join(', ')} FROM out`,
  );
  for (const [n, s] of SUBJECTS.entries())
    if (told?.[`p_${nameOf(n)}`] !== told?.[`f_${nameOf(n)}`])
      wrong.push(`${s.pg} in ${s.ch}: not every value is told`);
  expect(wrong).toEqual([]);
});

test('what is not exact is refused, and the docs say so', async () => {
  const t = await createTenant({
    dataset: datasetOf(SUBJECTS),
    sourceSchema: sourceSchema(SUBJECTS),
    targetSchema: targetSchema(SUBJECTS),
  });
  const wrong: string[] = [];
  const refusals: string[][] = [];
  let hour = 1;
  for (const [n, s] of SUBJECTS.entries()) {
    const said: string[] = [];
    const bench =
      s.bad === undefined
        ? undefined
        : await openBench(
            t,
            datasetOf(SUBJECTS, (index) => index === n),
          );
    for (const [what, value] of s.bad ?? []) {
      await addRow(t, hour * 10, hour, [[n, s.good[0]?.[0] ?? null]]);
      await addRow(t, hour * 10 + 1, hour, [[n, value]]);
      const about = `${s.pg} in ${s.ch}, ${what}`;
      const error =
        bench && (await write(bench, hourOf(hour), `bad-${t.database}-${hour}`).then(() => undefined, asRefillError));
      if (!error) wrong.push(`${about}: written without an error`);
      else if (!['CH_VALUE', 'PG_VALUE'].includes(error.code)) wrong.push(`${about}: ${error.code} ${error.message}`);
      else if (!new RegExp(`\\b${nameOf(n)}\\b`, 'u').test(error.message))
        wrong.push(`${about}: no column in ${error.message}`);
      else if (value !== null && value.length > 3 && error.message.replace(/127\.0\.0\.1:\d+/u, '').includes(value))
        wrong.push(`${about}: the value in ${error.message}`);
      said.push(`${what}: \`${error?.code ?? ''}\``);
      hour += 1;
    }
    refusals.push(said);
  }
  expect(wrong).toEqual([]);
  expect(await t.select('SELECT id FROM out')).toEqual([]);

  const findings: string[] = [];
  const u = await createTenant({
    customer: 'refused',
    dataset: datasetOf(REFUSED),
    sourceSchema: sourceSchema(REFUSED),
    targetSchema: targetSchema(REFUSED),
  });
  for (const [n, { says, pg, ch }] of REFUSED.entries()) {
    const error = await openBench(
      u,
      datasetOf(REFUSED, (index) => index === n),
    )
      .then(preflight)
      .then(() => undefined, asRefillError);
    const text = `${error?.code}: ${error?.message}`;
    if (error?.code !== 'DATASET_INVALID' || !text.includes(says) || !new RegExp(`\\bc${n}\\b`, 'u').test(text))
      findings.push(`${pg} in ${ch}: ${text}`);
  }
  expect(findings).toEqual([]);

  const page = await typesPage(SUBJECTS, refusals, REFUSED);
  if (process.env['REFILL_WRITE_DOCS'] === '1') writeFileSync(PAGE, page);
  expect(readFileSync(PAGE, 'utf8')).toBe(page);
});
