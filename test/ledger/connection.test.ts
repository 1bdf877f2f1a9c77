import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { usePostgres } from './postgres.ts';
import { Proxy } from './proxy.ts';
import { ACTOR, newRun, plan } from './samples.ts';

const server = usePostgres();
const TERMINATE = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                    WHERE datname = current_database() AND application_name = 'refill'`;
const ENTRY = { actor: ACTOR, action: 'test', subject: 'it', details: {} };

const entries = async (ledger: Ledger) => (await ledger.auditEntries({ subject: 'it', limit: 100 })).length;

async function throughProxy(patienceMs?: number): Promise<{ ledger: Ledger; proxy: Proxy; database: string }> {
  const database = await server.database();
  const proxy = await Proxy.to(server.config(database).port);
  const ledger = await server.open(database, {
    port: proxy.port,
    ...(patienceMs === undefined ? {} : { patienceMs }),
  });
  return { ledger, proxy, database };
}

test('after all connections were terminated the next call works, whichever it is', async () => {
  const database = await server.database();
  const ledger = await server.open(database);
  const run = await newRun(ledger);
  for (let round = 1; round <= 3; round++) {
    // Several connections, idle in the pool.
    await Promise.all(Array.from({ length: 5 }, () => ledger.audit(ENTRY)));
    expect((await server.query(database, TERMINATE)).length).toBeGreaterThan(1);
    expect((await ledger.run(run.id)).id).toBe(run.id);
    await server.query(database, TERMINATE);
    await ledger.audit(ENTRY);
    expect(await entries(ledger)).toBe(6 * round);
  }
});

test('a statement whose connection is terminated while it waits is done once', async () => {
  const database = await server.database();
  const ledger = await server.open(database);
  await ledger.audit(ENTRY);
  await server.query(
    database,
    `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(1); RETURN NEW; END $$`,
  );
  await server.query(
    database,
    'CREATE TRIGGER slow BEFORE INSERT ON refill.audit FOR EACH ROW EXECUTE FUNCTION slow()',
  );
  const writing = ledger.audit(ENTRY);
  await expect
    .poll(() => server.query(database, `SELECT FROM pg_stat_activity WHERE wait_event = 'PgSleep'`))
    .toHaveLength(1);
  await server.query(database, TERMINATE);
  await server.query(database, 'DROP TRIGGER slow ON refill.audit');
  await writing;
  expect(await entries(ledger)).toBe(2);
});

test.for(['before', 'after'] as const)(
  'a connection that is lost %s a commit leaves each effect once',
  async (when) => {
    const { ledger, proxy } = await throughProxy();
    const run = await newRun(ledger);
    proxy.cutNextCommit(when);
    await ledger.audit(ENTRY);
    proxy.cutNextCommit(when);
    await ledger.setRunState(run.id, 'running', ACTOR, { seconds: 7 });
    expect(proxy.cuts).toBe(2);
    expect(await entries(ledger)).toBe(1);
    expect((await ledger.run(run.id)).seconds).toBe(7);
  },
);

test.for(['before', 'after'] as const)(
  'a run whose creation loses its connection %s the commit is made once',
  async (when) => {
    const { ledger, proxy } = await throughProxy();
    const made = plan();
    await ledger.savePlan(made, ACTOR);
    proxy.cutNextCommit(when);
    const run = await ledger.createRun(made, ACTOR);
    expect(proxy.cuts).toBe(1);
    expect(await ledger.runs({ limit: 10 })).toEqual([run]);
  },
);

test('a commit of which nothing is known is reported as such and never repeated', async () => {
  const { ledger, proxy } = await throughProxy(500);
  await ledger.audit(ENTRY);
  proxy.refuseAfterCut = true;
  proxy.cutNextCommit('after');
  await expect(ledger.audit(ENTRY)).rejects.toMatchObject({
    code: 'LEDGER_UNREACHABLE',
    message: expect.stringContaining('during a commit'),
  });
  proxy.comeBack();
  expect(await entries(ledger)).toBe(2);
});

test('a ledger that is away for a moment is waited for', async () => {
  const { ledger, proxy } = await throughProxy();
  proxy.goAway();
  const writing = ledger.audit(ENTRY);
  const reading = ledger.runs({ limit: 1 });
  await sleep(1_500);
  proxy.comeBack();
  await writing;
  expect(await reading).toEqual([]);
  expect(await entries(ledger)).toBe(1);
});

test('a ledger that stays away is unreachable, with a hint and exit status 4, and works when it is back', async () => {
  const { ledger, proxy } = await throughProxy(500);
  proxy.goAway();
  const error = { code: 'LEDGER_UNREACHABLE', action: 'retry', exit: 4, hint: expect.stringMatching(/./u) };
  await expect(ledger.audit(ENTRY)).rejects.toMatchObject(error);
  await expect(ledger.runs({ limit: 1 })).rejects.toMatchObject(error);
  await expect(ledger.lockRun('r-any', ACTOR)).rejects.toMatchObject(error);
  proxy.comeBack();
  expect(await entries(ledger)).toBe(0);
});

test('a connection that has died in silence is noticed within seconds', { timeout: 20_000 }, async () => {
  const { ledger, proxy } = await throughProxy();
  await ledger.audit(ENTRY);
  proxy.freeze();
  await ledger.audit(ENTRY);
  expect(await entries(ledger)).toBe(2);
});

test('what Postgres has rolled back for a conflict is tried again', async () => {
  const database = await server.database();
  const ledger = await server.open(database);
  await server.query(database, 'CREATE SEQUENCE tries');
  await server.query(
    database,
    `CREATE FUNCTION conflict() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
       IF nextval('tries') <= 2 THEN RAISE EXCEPTION 'conflict' USING ERRCODE = '40P01'; END IF;
       RETURN NEW;
     END $$`,
  );
  await server.query(
    database,
    'CREATE TRIGGER conflict BEFORE INSERT ON refill.audit FOR EACH ROW EXECUTE FUNCTION conflict()',
  );
  await ledger.audit(ENTRY);
  expect(await entries(ledger)).toBe(1);
  expect(await server.query(database, 'SELECT last_value::integer AS n FROM tries')).toEqual([{ n: 3 }]);
});

test('more calls at once than there are connections are all served', async () => {
  const ledger = await server.ledger();
  await Promise.all(Array.from({ length: 60 }, () => ledger.audit(ENTRY)));
  expect(await entries(ledger)).toBe(60);
});
