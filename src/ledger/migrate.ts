import { RefillError } from '../domain/errors.ts';
import type { Database, Sql } from './connection.ts';
import { MIGRATIONS, type Migration } from './migrations.ts';

/** Key of the advisory lock under which one program at a time migrates: "refill" in ASCII. */
const MIGRATION_LOCK = '125779835448428';

function lastOf(migrations: readonly Migration[]): number {
  return migrations.at(-1)?.number ?? 0;
}

/** The number of the schema that is there, 0 where there is none. */
async function schemaNumber(sql: Sql): Promise<number> {
  const [there] = await sql.rows<{ there: boolean }>(
    `SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'refill' AND tablename = 'migration') AS there`,
  );
  if (there?.there !== true) return 0;
  const [row] = await sql.rows<{ number: number }>('SELECT coalesce(max(number), 0) AS number FROM refill.migration');
  return row?.number ?? 0;
}

function refuseNewer(found: number, last: number): void {
  if (found <= last) return;
  throw new RefillError(
    'LEDGER_NEWER',
    `The ledger’s schema is number ${found}; this version of Refill knows numbers up to ${last}.`,
    { details: { found, known: last } },
  );
}

/** The first with `pg_current_xact_id`, which tells whether a commit that was not answered was done. */
const OLDEST_POSTGRES = 13;

async function requireVersion(sql: Sql): Promise<void> {
  const [row] = await sql.rows<{ major: number }>(
    `SELECT current_setting('server_version_num')::integer / 10000 AS major`,
  );
  if (row === undefined || row.major >= OLDEST_POSTGRES) return;
  throw new RefillError('LEDGER_FAILED', `The ledger’s server is Postgres ${row.major}.`, {
    hint: `Put the ledger on Postgres ${OLDEST_POSTGRES} or newer.`,
  });
}

/** Waiting for another program's migration, or building an index on millions of rows, may take long. */
const MIGRATION_TIMEOUT_MS = 3_600_000;

/**
 * Brings the schema `refill` forward to the last migration, all steps in one transaction, one program at a time.
 * Throws `LEDGER_NEWER` when it is further already. A schema that is up to date needs no right to create anything.
 */
export async function migrate(database: Database, migrations: readonly Migration[] = MIGRATIONS): Promise<void> {
  await requireVersion(database);
  const last = lastOf(migrations);
  const found = await schemaNumber(database);
  refuseNewer(found, last);
  if (found === last) return;
  // Repeated as a whole where the connection is lost: steps that were committed are not found missing again.
  await database.dedicated(MIGRATION_TIMEOUT_MS, async (sql, client) => {
    await sql.rows('BEGIN');
    await sql.rows('SET LOCAL statement_timeout = 0');
    await sql.rows('SELECT pg_advisory_xact_lock($1)', [MIGRATION_LOCK]);
    await applyMissing(sql, migrations);
    await sql.rows('COMMIT');
    await client.end();
  });
}

async function applyMissing(sql: Sql, migrations: readonly Migration[]): Promise<void> {
  const now = await schemaNumber(sql);
  refuseNewer(now, lastOf(migrations));
  if (now === 0) {
    await sql.rows('CREATE SCHEMA IF NOT EXISTS refill');
    await sql.rows(`CREATE TABLE refill.migration (
      number integer PRIMARY KEY,
      name text NOT NULL,
      applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )`);
  }
  for (const migration of migrations) {
    if (migration.number <= now) continue;
    await sql.rows(migration.sql);
    await sql.rows('INSERT INTO refill.migration (number, name) VALUES ($1, $2)', [migration.number, migration.name]);
  }
}
