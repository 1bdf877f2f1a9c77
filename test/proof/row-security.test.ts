import { escapeIdentifier } from 'pg';
import { expect, onTestFinished, test } from 'vitest';
import { createRefill } from '../../src/create-refill.ts';
import type { Refill } from '../../src/refill.ts';
import { createReadings, DAY, expectedReadings, fillOldReadings, targetReadings } from '../support/readings.ts';
import type { TestTenant } from '../support/tenant.ts';

/** A role that is not a superuser, with a password, that may read; it ends with the test. */
async function roleOf(t: TestTenant, attributes = ''): Promise<string> {
  const role = `reader_${t.database.replaceAll(/\W/gu, '_')}`;
  await t.pg.query(`CREATE ROLE ${role} LOGIN PASSWORD 'of-a-test' ${attributes}`);
  await t.pg.query(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`);
  await t.pg.query(`GRANT pg_read_all_stats TO ${role}`);
  onTestFinished(async () => {
    const { host, port, user = '', password = '' } = t.pg;
    const { Client } = await import('pg');
    for (const database of [t.database, 'postgres']) {
      const admin = new Client({ host, port, user, password: password ?? '', database });
      const connected = await admin.connect().then(
        () => true,
        () => false,
      );
      if (!connected) continue;
      if (database === t.database) await admin.query(`DROP OWNED BY ${role} CASCADE`).catch(() => undefined);
      else await admin.query(`DROP ROLE IF EXISTS ${role}`).catch(() => undefined);
      await admin.end();
    }
  });
  return role;
}

function refillAs(t: TestTenant, user: string): Refill {
  process.env['REFILL_TEST_READER'] = 'of-a-test';
  const cluster = t.config.clusters['test'];
  if (!cluster) throw new Error('no cluster');
  const postgres = { ...cluster.postgres, user, password: 'env:REFILL_TEST_READER' };
  const refill = createRefill({ ...t.config, clusters: { test: { ...cluster, postgres } } });
  onTestFinished(() => refill.close());
  return refill;
}

const POLICY = `ALTER TABLE readings ENABLE ROW LEVEL SECURITY;
  CREATE POLICY few ON readings FOR SELECT USING (id < 'meter-2')`;
const kept = (view: string) => `ALTER TABLE readings RENAME TO readings_kept; ${view};
  ALTER TABLE readings_kept ENABLE ROW LEVEL SECURITY;
  CREATE POLICY few ON readings_kept FOR SELECT USING (id < 'meter-2')`;

/** How a policy can hide rows from the role that Refill reads with. */
const HIDDEN: readonly (readonly [string, (role: string) => string])[] = [
  ['a table with a policy', () => POLICY],
  ['a table with row security and no policy at all', () => 'ALTER TABLE readings ENABLE ROW LEVEL SECURITY'],
  [
    'its owner, with FORCE',
    (role) => `ALTER TABLE readings OWNER TO ${role}; ${POLICY}; ALTER TABLE readings FORCE ROW LEVEL SECURITY`,
  ],
  [
    'a view that reads with the rights of its reader',
    () => kept('CREATE VIEW readings WITH (security_invoker) AS SELECT * FROM readings_kept'),
  ],
  [
    'a view of an owner whom the policy concerns',
    (role) => kept(`CREATE VIEW readings AS SELECT * FROM readings_kept; ALTER VIEW readings OWNER TO ${role}`),
  ],
  [
    'a function that reads it',
    () =>
      kept(`CREATE FUNCTION kept() RETURNS SETOF readings_kept LANGUAGE plpgsql AS $$ BEGIN RETURN QUERY SELECT * FROM readings_kept; END $$;
        CREATE VIEW readings AS SELECT * FROM kept()`),
  ],
];

test.each(HIDDEN)('%s: refused by doctor, plan and run, before a row is deleted', async (_, hide) => {
  const t = await createReadings();
  await fillOldReadings(t);
  const before = await targetReadings(t);
  const plan = await t.refill.plan({ tenant: t.name, range: DAY, strategy: 'purge' });
  const role = await roleOf(t);
  await t.pg.query(hide(role));
  await t.pg.query(`GRANT SELECT ON ALL TABLES IN SCHEMA public TO ${role}`);
  const refill = refillAs(t, role);
  const refused = { code: 'PG_ROW_SECURITY', exit: 3, hint: expect.stringContaining('BYPASSRLS') };
  await expect(refill.plan({ tenant: t.name, range: DAY })).rejects.toMatchObject(refused);
  await expect(
    (async () => {
      for await (const event of refill.run(plan.id)) void event;
    })(),
  ).rejects.toMatchObject(refused);
  const findings = await refill.doctor();
  // What a function reads is met where it is called: EXPLAIN does not.
  if (!hide(role).includes('FUNCTION'))
    expect(findings).toContainEqual(
      expect.objectContaining({ level: 'error', message: expect.stringContaining('PG_ROW_SECURITY') }),
    );
  expect(await targetReadings(t)).toEqual(before);
});

test.each([
  ['a role with BYPASSRLS', 'BYPASSRLS', () => POLICY],
  ['its owner, without FORCE', '', (role: string) => `ALTER TABLE readings OWNER TO ${role}; ${POLICY}`],
] as const)('%s sees every row, and the run is right', async (_, attributes, hide) => {
  const t = await createReadings();
  await fillOldReadings(t);
  const role = await roleOf(t, attributes);
  await t.pg.query(hide(role));
  // What would filter rows if we let it.
  await t.pg.query(`ALTER ROLE ${escapeIdentifier(role)} SET row_security = on`);
  const refill = refillAs(t, role);
  const plan = await refill.plan({ tenant: t.name, range: DAY });
  const events = [];
  for await (const event of refill.run(plan.id)) events.push(event);
  expect(events.at(-1)).toMatchObject({ state: 'succeeded', differences: 0 });
  expect(await targetReadings(t)).toEqual(await expectedReadings(t));
});

test('a tenant whose own row a policy hides is not called unknown', async () => {
  const t = await createReadings();
  const role = await roleOf(t);
  await t.pg.query('ALTER TABLE accounts ENABLE ROW LEVEL SECURITY');
  const cluster = t.config.clusters['test'];
  if (!cluster) throw new Error('no cluster');
  process.env['REFILL_TEST_READER'] = 'of-a-test';
  const postgres = { ...cluster.postgres, user: role, password: 'env:REFILL_TEST_READER' };
  const refill = createRefill({ ...t.config, clusters: { test: { ...cluster, postgres, tenants: 'discover' } } });
  onTestFinished(() => refill.close());
  await expect(refill.plan({ tenant: t.name, range: DAY })).rejects.toMatchObject({ code: 'PG_ROW_SECURITY' });
});
