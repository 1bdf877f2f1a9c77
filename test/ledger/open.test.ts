import { expect, onTestFinished, test } from 'vitest';
import { RefillError } from '../../src/domain/errors.ts';
import { Database } from '../../src/ledger/connection.ts';
import { migrate } from '../../src/ledger/migrate.ts';
import { MIGRATIONS } from '../../src/ledger/migrations.ts';
import { openLedger } from '../../src/ledger/open.ts';
import { freePort, usePostgres } from './postgres.ts';
import { ACTOR, newRun } from './samples.ts';

const server = usePostgres();

/** What an attempt at opening throws; fails when it opens. */
async function failureOf(opening: Promise<unknown>): Promise<RefillError> {
  const error: unknown = await opening.then(
    () => 'it opened',
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof RefillError)) throw new Error(`not a RefillError: ${String(error)}`, { cause: error });
  return error;
}

test('a fresh database gets every migration once, and opening again changes nothing', async () => {
  const database = await server.database();
  const numbers = MIGRATIONS.map((migration) => migration.number);
  expect(numbers).toEqual(numbers.map((_, index) => index + 1));
  const applied = () =>
    server.query<{ number: number; applied_at: Date }>(
      database,
      'SELECT number, applied_at FROM refill.migration ORDER BY number',
    );
  const first = await server.open(database);
  const before = await applied();
  expect(before.map((row) => row.number)).toEqual(numbers);
  const run = await newRun(first);
  const second = await server.open(database);
  expect(await applied()).toEqual(before);
  expect(await second.run(run.id)).toEqual(run);
});

test('programs that start at the same instant on a fresh database all succeed', async () => {
  const database = await server.database();
  const ledgers = await Promise.all(Array.from({ length: 5 }, () => server.open(database)));
  expect(await server.query(database, 'SELECT count(*)::integer AS n FROM refill.migration')).toEqual([
    { n: MIGRATIONS.length },
  ]);
  for (const ledger of ledgers) expect(await ledger.runs({ limit: 1 })).toEqual([]);
});

test('an older schema is brought forward with what it holds, or not at all', async () => {
  const database = await server.database();
  const next = MIGRATIONS.length + 1;
  const good = { number: next, name: 'a column', sql: 'ALTER TABLE refill.plan ADD COLUMN remark text' };
  const bad = { number: next + 1, name: 'broken', sql: 'ALTER TABLE refill.nothing ADD COLUMN remark text' };
  const run = await newRun(await server.open(database));
  const db = new Database(server.config(database), server.password);
  onTestFinished(() => db.close());

  await expect(migrate(db, [...MIGRATIONS, good, bad])).rejects.toMatchObject({ code: 'LEDGER_FAILED' });
  const columns = `SELECT FROM pg_attribute WHERE attrelid = 'refill.plan'::regclass AND attname = 'remark'`;
  expect(await server.query(database, columns)).toHaveLength(0);
  await migrate(db, [...MIGRATIONS, good]);
  expect(await server.query(database, columns)).toHaveLength(1);
  expect(await server.query(database, 'SELECT id FROM refill.run')).toEqual([{ id: run.id }]);
});

test('a newer schema is refused', async () => {
  const database = await server.database();
  await server.open(database);
  await server.query(database, `INSERT INTO refill.migration (number, name) VALUES (99, 'from the future')`);
  const error = await failureOf(openLedger(server.config(database), server.password));
  expect(error).toMatchObject({ code: 'LEDGER_NEWER', exit: 3, details: { found: 99, known: MIGRATIONS.length } });
});

test('a database that does not exist is reported with the command that makes it', async () => {
  const config = server.config('not there');
  const error = await failureOf(openLedger(config, server.password));
  expect(error).toMatchObject({ code: 'LEDGER_FAILED', exit: 4 });
  expect(error.hint).toBe(`Create it: createdb -h 127.0.0.1 -p ${config.port} -U postgres 'not there'`);
  expect(error.message).toContain('not there');
});

test('a ledger that is away is unreachable, soon and with a hint', async () => {
  const config = { ...server.config('any'), port: await freePort() };
  const begun = Date.now();
  const error = await failureOf(openLedger(config, server.password));
  expect(error).toMatchObject({ code: 'LEDGER_UNREACHABLE', action: 'retry', exit: 4 });
  expect(error.message).toContain(`127.0.0.1:${config.port}`);
  expect(error.message).toContain('ECONNREFUSED');
  expect(error.hint).not.toBe('');
  expect(Date.now() - begun).toBeLessThan(5_000);
});

test('a host without an address is unreachable', async () => {
  const config = { ...server.config('any'), host: 'no-such-host.invalid' };
  expect(await failureOf(openLedger(config, server.password, { patienceMs: 100 }))).toMatchObject({
    code: 'LEDGER_UNREACHABLE',
  });
});

test('a wrong password fails at once and is not quoted', async () => {
  const database = await server.database();
  const error = await failureOf(openLedger(server.config(database), 'guess-4711'));
  expect(error).toMatchObject({ code: 'LEDGER_FAILED', details: { sqlstate: '28P01' } });
  expect(JSON.stringify(error) + error.message).not.toContain('guess-4711');
});

test('a server without TLS is not used where TLS is required', async () => {
  const database = await server.database();
  const error = await failureOf(openLedger(server.config(database, { tls: 'require' }), server.password));
  expect(error.code).toBe('LEDGER_FAILED');
  expect(error.hint).toContain('ledger.tls');
});

test('a user without the right to create a schema is refused, and may use one that is there', async () => {
  const database = await server.database();
  await server.query(database, `CREATE ROLE guest LOGIN PASSWORD '${server.password}'`);
  const opening = openLedger(server.config(database, { user: 'guest' }), server.password);
  expect(await failureOf(opening)).toMatchObject({ code: 'LEDGER_FAILED', details: { sqlstate: '42501' } });
  await server.open(database);
  await server.query(database, 'GRANT USAGE ON SCHEMA refill TO guest');
  await server.query(database, 'GRANT SELECT ON ALL TABLES IN SCHEMA refill TO guest');
  const guest = await server.open(database, { user: 'guest' });
  expect(await guest.runs({ limit: 1 })).toEqual([]);
});

test('an error of a statement does not quote values', async () => {
  const ledger = await server.ledger();
  const run = await newRun(ledger);
  const check = await failureOf(ledger.setEpoch(run.id, 'secret-row-content'));
  expect(check).toMatchObject({ code: 'LEDGER_FAILED', details: { sqlstate: '23514' } });
  // Postgres quotes this one: invalid input syntax for type timestamp with time zone: "secret-row-content".
  const range = { from: 'secret-row-content', to: run.range.to };
  const opening = ledger.startVerification({ run: null, tenant: run.tenant, dataset: 'd', range, unproven: [] }, ACTOR);
  const syntax = await failureOf(opening);
  expect(syntax).toMatchObject({ code: 'LEDGER_FAILED', details: { sqlstate: '22007' } });
  for (const error of [check, syntax]) expect(JSON.stringify(error) + error.message).not.toContain('secret');
});
