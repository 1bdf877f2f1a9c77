import { Client } from 'pg';
import { describe, expect, inject, onTestFinished, test } from 'vitest';
import { createRefill } from '../../src/create-refill.ts';
import type { RefillConfig } from '../../src/config/config.ts';
import { freePort } from '../ledger/postgres.ts';
import { Bouncer, type PoolMode, WITHOUT_BOUNCER } from '../support/bouncer.ts';
import { createReadings, DAY, expectedReadings, fillOldReadings, targetReadings } from '../support/readings.ts';
import type { TestTenant } from '../support/tenant.ts';

/** Refill with its source, its ledger or both behind a pooler. */
function through(t: TestTenant, port: number, what: { readonly source?: boolean; readonly ledger?: boolean }) {
  const cluster = t.config.clusters['test'];
  if (!cluster) throw new Error('no cluster');
  const config: RefillConfig = {
    ...t.config,
    ledger: { ...t.config.ledger, ...(what.ledger ? { port } : {}) },
    clusters: { test: { ...cluster, postgres: { ...cluster.postgres, ...(what.source ? { port } : {}) } } },
  };
  const refill = createRefill(config);
  onTestFinished(() => refill.close());
  return refill;
}

const start = (mode: PoolMode, settings: readonly string[] = []) =>
  Bouncer.start(mode, inject('stack').postgres, settings);

/** What another program, which shares the pooler's sessions, may have left in them. */
const LEFT_BEHIND = `SET timezone = 'Asia/Kathmandu'; SET datestyle = 'German, DMY'; SET intervalstyle = 'sql_standard';
  SET extra_float_digits = -10; SET bytea_output = 'escape'; SET search_path = decoy; SET row_security = on;`;

describe.skipIf(WITHOUT_BOUNCER)(`the source behind PgBouncer${WITHOUT_BOUNCER ? `: ${WITHOUT_BOUNCER}` : ''}`, () => {
  test.each([
    ['transaction', []],
    ['transaction', ['ignore_startup_parameters = options,extra_float_digits,statement_timeout']],
    ['transaction', ['default_pool_size = 4', 'server_round_robin = 1']],
    ['session', []],
  ] as const)('%s mode %o: what others left in its sessions changes no row', async (mode, settings) => {
    const t = await createReadings();
    await fillOldReadings(t);
    const expected = await expectedReadings(t);
    await t.pg.query(`CREATE SCHEMA decoy; CREATE TABLE decoy.readings AS SELECT * FROM public.readings LIMIT 3`);
    const bouncer = await start(mode, settings);
    const { user = '' } = t.pg;
    const others = await Promise.all(
      [1, 2, 3].map(async () => {
        const client = new Client({ host: '127.0.0.1', port: bouncer.port, user, database: t.database });
        await client.connect();
        await client.query('BEGIN');
        return client;
      }),
    );
    for (const client of others) {
      await client.query(LEFT_BEHIND);
      await client.query('CREATE TEMPORARY TABLE readings AS SELECT * FROM decoy.readings; COMMIT');
      await client.end();
    }
    const refill = through(t, bouncer.port, { source: true });
    const plan = await refill.plan({ tenant: t.name, range: DAY });
    const events = [];
    for await (const event of refill.run(plan.id)) events.push(event);
    expect(events.at(-1)).toMatchObject({ state: 'succeeded', differences: 0 });
    expect(await targetReadings(t)).toEqual(expected);
    // And what we set is nobody else's.
    const after = new Client({ host: '127.0.0.1', port: bouncer.port, user, database: t.database });
    await after.connect();
    const { rows } = await after.query(`SELECT current_setting('row_security') AS row_security`);
    expect(rows).toEqual([{ row_security: 'on' }]);
    await after.end();
  });

  test('statement mode is refused by name, before anything is done', async () => {
    const t = await createReadings();
    await fillOldReadings(t);
    const bouncer = await start('statement');
    const refill = through(t, bouncer.port, { source: true });
    await expect(refill.plan({ tenant: t.name, range: DAY })).rejects.toMatchObject({
      code: 'PG_SESSION',
      message: expect.stringContaining('statement pooling mode'),
    });
  });

  test('a pooler whose Postgres is away is waited for as Postgres is', async () => {
    const t = await createReadings();
    const nothing = { ...inject('stack').postgres, port: await freePort() };
    const bouncer = await Bouncer.start('session', nothing, ['server_login_retry = 1', 'query_wait_timeout = 2']);
    const refill = through(t, bouncer.port, { source: true });
    await expect(refill.plan({ tenant: t.name, range: DAY })).rejects.toMatchObject({ code: 'PG_UNREACHABLE' });
  });
});

describe.skipIf(WITHOUT_BOUNCER)(`the ledger behind PgBouncer${WITHOUT_BOUNCER ? `: ${WITHOUT_BOUNCER}` : ''}`, () => {
  test.each([
    ['transaction', []],
    ['transaction', ['default_pool_size = 1']],
    ['transaction', ['server_round_robin = 1', 'min_pool_size = 5']],
    ['statement', []],
  ] as const)('%s mode %o is refused, and leaves no lock and no setting behind', async (mode, settings) => {
    const t = await createReadings();
    const bouncer = await start(mode, settings);
    const refill = through(t, bouncer.port, { ledger: true });
    await expect(refill.plan({ tenant: t.name, range: DAY })).rejects.toMatchObject({
      code: 'LEDGER_POOLED',
      exit: 3,
      hint: expect.stringContaining('session mode'),
    });
    const { rows } = await t.pg.query(
      `SELECT 1 FROM pg_locks l JOIN pg_database d ON d.oid = l.database WHERE l.locktype = 'advisory' AND d.datname = $1`,
      [t.config.ledger.database],
    );
    expect(rows).toEqual([]);
    const client = new Client({
      host: '127.0.0.1',
      port: bouncer.port,
      user: t.pg.user ?? '',
      database: t.config.ledger.database,
    });
    await client.connect();
    expect((await client.query('SHOW statement_timeout')).rows).toEqual([{ statement_timeout: '0' }]);
    await client.end();
  });

  test('session mode works, and its locks are the run’s own', async () => {
    const t = await createReadings();
    await fillOldReadings(t);
    const bouncer = await start('session');
    const refill = through(t, bouncer.port, { source: true, ledger: true });
    const plan = await refill.plan({ tenant: t.name, range: DAY });
    const events = [];
    for await (const event of refill.run(plan.id)) events.push(event);
    expect(events.at(-1)).toMatchObject({ state: 'succeeded', differences: 0 });
    expect(await targetReadings(t)).toEqual(await expectedReadings(t));
  });
});
