import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { asRefillError } from '../../src/domain/errors.ts';
import { withSource } from '../../src/source/postgres.ts';
import { createReadings } from '../support/readings.ts';
import type { TestTenant } from '../support/tenant.ts';

const SECRET = 'secret-4711';

/** Everything that an error shows to anybody, its causes included. */
const shown = (error: unknown) => `${JSON.stringify(error)} ${inspect(error, { depth: 10, showHidden: true })}`;

async function errorOf(t: TestTenant, work: (run: (sql: string) => Promise<unknown>) => Promise<unknown>) {
  const { host, port, user = '', password = '' } = t.pg;
  const address = { host, port, user, password: password ?? '', database: t.database, tls: 'disable' } as const;
  const thrown: unknown = await withSource(address, (source) => work((sql) => source.query(sql))).then(
    () => null,
    (error: unknown) => error,
  );
  if (thrown === null) throw new Error('no error');
  return asRefillError(thrown);
}

/** Statements whose error quotes a value, in message, detail, hint or context. */
const QUOTED: readonly (readonly [string, string])[] = [
  ['PG_VALUE', `SELECT '${SECRET}'::int`],
  ['PG_VALUE', `SELECT '${SECRET}'::timestamptz`],
  ['PG_VALUE', `SELECT ('{"a": ' || '${SECRET}')::json`],
  ['PG_VALUE', `SELECT to_date('${SECRET}', 'YYYY')`],
  ['PG_VALUE', `SELECT to_number('x', '9') + 0 FROM (SELECT ('${SECRET}' || 'x')::numeric) s`],
  ['PG_VALUE', `SELECT decode('${SECRET}', 'hex')`],
  ['PG_VALUE', `SELECT 'a' ~ ('(' || '${SECRET}')`],
  ['PG_VALUE', `SELECT ('[' || '${SECRET}')::int4range`],
  ['PG_QUERY', `SELECT jsonb_path_query('{}', ('$.' || '"' || '${SECRET}')::jsonpath)`],
];

/** SQLSTATEs with which a function of the source can raise whatever text it likes. */
const RAISED = [
  'P0001', '22P02', '22012', '23514', '23505', '57014', '57P01', '42501', '42P01', '42883', '42601', '53200', '53300',
  '08P01', '08006', '28000', '28P01', '40001', '40P01', '55P03', 'XX000', 'XX001', '25P03', '25006', '3D000', '0A000',
  'F0000', 'HV000', '38000', 'P0004',
]; // prettier-ignore

test('no error of Postgres shows a value, whatever its code is', async () => {
  const t = await createReadings();
  const wrong: string[] = [];
  for (const [code, sql] of QUOTED) {
    const error = await errorOf(t, (run) => run(sql));
    if (error.code !== code) wrong.push(`${sql}: ${error.code} ${error.message}`);
    if (shown(error).includes(SECRET)) wrong.push(`${sql}: ${shown(error)}`);
  }
  for (const state of RAISED) {
    const raise = `DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '${state}', MESSAGE = 'of ${SECRET}',
      DETAIL = 'Failing row contains (${SECRET}).', HINT = '${SECRET}', COLUMN = '${SECRET}', CONSTRAINT = '${SECRET}',
      DATATYPE = '${SECRET}', TABLE = '${SECRET}', SCHEMA = '${SECRET}'; END $$`;
    const error = await errorOf(t, (run) => run(raise));
    if (error.code === 'BUG') wrong.push(`${state}: a bug`);
    if (error.details['sqlstate'] !== state) wrong.push(`${state}: ${JSON.stringify(error.details)}`);
    if (shown(error).includes(SECRET)) wrong.push(`${state}: ${shown(error)}`);
  }
  expect(wrong).toEqual([]);
});

test('what names objects only is said, as it is what helps', async () => {
  const t = await createReadings();
  const said = async (sql: string) => (await errorOf(t, (run) => run(sql))).message;
  expect(await said('SELECT * FROM lost.readings')).toMatch(/42P01: relation "lost\.readings" does not exist$/u);
  expect(await said('SELECT r.lost FROM readings r')).toMatch(/42703: column r\.lost does not exist$/u);
  expect(await said('SELECT 1 WHERE 1::bigint = ANY (ARRAY[$$a$$::text])')).toMatch(
    /operator does not exist: bigint = text$/u,
  );
  expect(await said('SELECT lost(1)')).toMatch(/42883: function lost\(integer\) does not exist$/u);
  expect(await said(`SELECT '${SECRET}'::int`)).toMatch(/22P02: invalid input syntax for type integer$/u);
  expect(await said('SELECT 1 / 0')).toMatch(/22012: division by zero$/u);
  expect(await said(`DELETE FROM readings`)).toMatch(/25006: cannot execute DELETE in a read-only transaction$/u);
});

test('a session that the server ends while it is idle is too much work, not a lost network', async () => {
  const t = await createReadings();
  const ended = async (setting: string) =>
    errorOf(t, async (run) => {
      await run(`SET LOCAL ${setting} = '50ms'`);
      await new Promise((resolve) => {
        setTimeout(resolve, 400);
      });
      await run('SELECT 1');
    });
  expect(await ended('idle_in_transaction_session_timeout')).toMatchObject({
    code: 'PG_BUSY',
    details: { sqlstate: '25P03' },
  });
  expect(await ended('transaction_timeout')).toMatchObject({ code: 'PG_BUSY', details: { sqlstate: '25P04' } });
  expect(
    await errorOf(t, async (run) => {
      await run(`SET LOCAL statement_timeout = '50ms'`);
      await run('SELECT pg_sleep(1)');
    }),
  ).toMatchObject({ code: 'PG_BUSY', details: { sqlstate: '57014' } });
});
