import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { PostgresConfig, RefillConfig } from '../../src/config/config.ts';
import { createRefill } from '../../src/create-refill.ts';
import { createReadings, DAY, expectedReadings, fillOldReadings, runDay, targetReadings } from '../support/readings.ts';
import type { TestTenant } from '../support/tenant.ts';

/** Sets variables for the rest of the test. */
function environment(variables: Readonly<Record<string, string>>): void {
  const before = { ...process.env };
  Object.assign(process.env, variables);
  onTestFinished(() => {
    for (const name of Object.keys(variables)) {
      const value = before[name];
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  });
}

/** Every variable of libpq and of node-postgres, each with a value that would change or break the connection. */
const HOSTILE: Readonly<Record<string, string>> = {
  PGHOST: 'nowhere.invalid',
  PGHOSTADDR: '192.0.2.1',
  PGPORT: '1',
  PGDATABASE: 'another',
  PGUSER: 'another',
  PGPASSWORD: 'another',
  PGPASSFILE: '/nonexistent/pgpass',
  PGSERVICE: 'another',
  PGSERVICEFILE: '/nonexistent/service',
  PGOPTIONS: '-c timezone=Asia/Kathmandu -c datestyle=German -c row_security=on -c statement_timeout=1',
  PGAPPNAME: 'another',
  PGSSLMODE: 'verify-full',
  PGREQUIRESSL: '1',
  PGSSLNEGOTIATION: 'direct',
  PGSSLROOTCERT: '/nonexistent/root.crt',
  PGSSLCERT: '/nonexistent/client.crt',
  PGSSLKEY: '/nonexistent/client.key',
  PGREPLICATION: 'database',
  PGBINARY: '1',
  PGCLIENT_ENCODING: 'LATIN1',
  PGCLIENTENCODING: 'LATIN1',
  PGTZ: 'Asia/Kathmandu',
  PGDATESTYLE: 'German',
  PGGSSENCMODE: 'require',
  PGCHANNELBINDING: 'require',
  PGTARGETSESSIONATTRS: 'standby',
  PGCONNECT_TIMEOUT: '1',
  PGSTATEMENT_TIMEOUT: '1',
  PGQUERY_TIMEOUT: '1',
  PGFALLBACK_APPLICATION_NAME: 'another',
};

test('no PG variable changes a run, of the source or of the ledger', async () => {
  const t = await createReadings();
  await fillOldReadings(t);
  const expected = await expectedReadings(t);
  environment(HOSTILE);
  const { result } = await runDay(t);
  expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
  expect(await targetReadings(t)).toEqual(expected);
  // They are there for others: whatever the program starts.
  expect(process.env['PGOPTIONS']).toBe(HOSTILE['PGOPTIONS']);
});

/** A tenant's configuration with another way to the source. */
function withSource(t: TestTenant, change: (postgres: PostgresConfig) => PostgresConfig): RefillConfig {
  const cluster = t.config.clusters['test'];
  if (!cluster) throw new Error('no cluster');
  return { ...t.config, clusters: { test: { ...cluster, postgres: change(cluster.postgres) } } };
}

async function refusedBy(config: RefillConfig, t: TestTenant): Promise<unknown> {
  const refill = createRefill(config);
  onTestFinished(() => refill.close());
  return await refill.plan({ tenant: t.name, range: DAY }).catch((error: unknown) => error);
}

test('a password that the configuration does not give is taken from nowhere', async () => {
  const t = await createReadings();
  const { user = '', password = '' } = t.pg;
  const dir = await mkdtemp(join(tmpdir(), 'refill-pgpass-'));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const file = join(dir, 'pgpass');
  await writeFile(file, `${t.pg.host}:${t.pg.port}:*:${user}:${password ?? ''}\n`, { mode: 0o600 });
  environment({ PGPASSFILE: file, PGPASSWORD: password ?? '' });
  const config = withSource(t, ({ host, port, user, tls }) => ({ host, port, user, tls }));
  expect(await refusedBy(config, t)).toMatchObject({ code: 'PG_AUTH' });
});

test.each(['require', 'verify-full'] as const)('tls: %s on a server without TLS is said as that', async (tls) => {
  const t = await createReadings();
  expect(
    await refusedBy(
      withSource(t, (postgres) => ({ ...postgres, tls })),
      t,
    ),
  ).toMatchObject({
    code: 'PG_TLS',
    message: expect.stringContaining('The server does not support SSL connections'),
    hint: expect.stringContaining('`tls`'),
  });
  const ledger = { ...t.config.ledger, tls };
  expect(await refusedBy({ ...t.config, ledger }, t)).toMatchObject({
    code: 'LEDGER_FAILED',
    hint: expect.stringContaining('`ledger.tls`'),
  });
});
