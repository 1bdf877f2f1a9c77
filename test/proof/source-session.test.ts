import { expect, onTestFinished, test } from 'vitest';
import { createRefill } from '../../src/create-refill.ts';
import { Proxy } from '../ledger/proxy.ts';
import { createReadings, DAY, expectedReadings, fillOldReadings, runDay, targetReadings } from '../support/readings.ts';

/** Everything that a role or a database may be set to, and that would change a row's text, its time, or which rows there are. */
const HOSTILE = [
  `timezone = 'Asia/Kathmandu'`,
  `datestyle = 'German, DMY'`,
  `intervalstyle = 'sql_standard'`,
  `extra_float_digits = -10`,
  `bytea_output = 'escape'`,
  `transform_null_equals = on`,
  `standard_conforming_strings = off`,
  `client_encoding = 'LATIN1'`,
  `search_path = decoy, pg_catalog, public`,
  `default_transaction_isolation = 'serializable'`,
  `default_transaction_read_only = off`,
  `default_transaction_deferrable = on`,
  `idle_in_transaction_session_timeout = '40ms'`,
  `xmlbinary = 'hex'`,
];

/** Tables and functions with the names that the dataset and Refill itself use, which say something else. */
const DECOY = `
  CREATE SCHEMA decoy;
  CREATE TABLE decoy.readings AS SELECT * FROM public.readings LIMIT 3;
  CREATE FUNCTION decoy.to_char(timestamptz, text) RETURNS text LANGUAGE sql AS $$ SELECT 'decoy' $$;
  CREATE FUNCTION decoy.now() RETURNS timestamptz LANGUAGE sql AS $$ SELECT timestamptz '2031-01-01' $$;`;

test.each(['database', 'role'] as const)('no setting of the %s changes a row', async (of) => {
  const t = await createReadings();
  await fillOldReadings(t);
  await t.pg.query(DECOY);
  const expected = await expectedReadings(t);
  const whose = of === 'database' ? `DATABASE "${t.database}"` : `ROLE CURRENT_USER IN DATABASE "${t.database}"`;
  for (const setting of HOSTILE) await t.pg.query(`ALTER ${whose} SET ${setting}`);
  for (const strategy of ['replace', 'purge'] as const) {
    const { result } = await runDay(t, strategy);
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    expect(await targetReadings(t)).toEqual(expected);
  }
  const [future] = await t.select<{ n: string }>(
    `SELECT toString(count()) AS n FROM reading WHERE synced_at > now64(6) + 60`,
  );
  expect(future).toEqual({ n: '0' });
});

test('a search path that differs is named before it could surprise', async () => {
  const t = await createReadings();
  await t.pg.query(`ALTER DATABASE "${t.database}" SET search_path = metering, public`);
  const findings = await t.refill.doctor();
  expect(findings.filter((f) => f.check === 'search path')).toMatchObject([
    { level: 'warning', message: expect.stringContaining('metering, public') },
  ]);
});

test('a setting that something on the way changes is an error, before anything is done', async () => {
  const t = await createReadings();
  await fillOldReadings(t);
  const plan = await t.refill.plan({ tenant: t.name, range: DAY });
  const before = await targetReadings(t);
  const cluster = t.config.clusters['test'];
  if (!cluster) throw new Error('no cluster');
  // What a pooler that rewrites statements would do: another zone of the same length.
  const proxy = await Proxy.to(cluster.postgres.port, (sent) =>
    sent.replaceAll(`TimeZone = 'UTC'`, `TimeZone = 'EST'`),
  );
  const refill = createRefill({
    ...t.config,
    clusters: { test: { ...cluster, postgres: { ...cluster.postgres, port: proxy.port } } },
  });
  onTestFinished(() => refill.close());
  const refused = { code: 'PG_SESSION', exit: 3, message: expect.stringContaining('TimeZone is EST and not UTC') };
  await expect(refill.plan({ tenant: t.name, range: DAY })).rejects.toMatchObject(refused);
  await expect(
    (async () => {
      for await (const event of refill.run(plan.id)) void event;
    })(),
  ).rejects.toMatchObject(refused);
  expect(await targetReadings(t)).toEqual(before);
});

test('timeouts of the administrator cut a window, and nothing waits for a network that is there', async () => {
  const t = await createReadings({ limits: { windows: 1, outageMinutes: 30 } });
  await fillOldReadings(t);
  const expected = await expectedReadings(t);
  const plan = await t.refill.plan({ tenant: t.name, range: DAY });
  await t.pg.query(`CREATE FUNCTION slowly() RETURNS boolean LANGUAGE plpgsql VOLATILE COST 1000000
    AS $$ BEGIN PERFORM pg_sleep(0.04); RETURN true; END $$`);
  await t.pg.query('ALTER TABLE readings RENAME TO readings_kept');
  await t.pg.query('CREATE VIEW readings AS SELECT * FROM readings_kept WHERE slowly()');
  // Thirty readings take 1.2 s.
  await t.pg.query(`ALTER DATABASE "${t.database}" SET statement_timeout = '800ms'`);
  // These end sessions in which nothing is wrong: ours have their own.
  await t.pg.query(`ALTER DATABASE "${t.database}" SET transaction_timeout = '300ms'`);
  await t.pg.query(`ALTER DATABASE "${t.database}" SET idle_in_transaction_session_timeout = '50ms'`);
  const events = [];
  for await (const event of t.refill.run(plan.id, { recount: false })) events.push(event);
  expect(JSON.stringify(events)).toMatch(/is cut at 2026-03-10.*PG_BUSY/u);
  expect(JSON.stringify(events)).not.toContain('PG_UNREACHABLE');
  expect(events.at(-1)).toMatchObject({ type: 'result', state: 'succeeded', differences: 0 });
  expect(await targetReadings(t)).toEqual(expected);
});
