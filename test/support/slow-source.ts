import type { TestTenant } from './tenant.ts';

/**
 * Every card that Postgres reads takes so long, and no statement may take longer than `timeoutMs`; 0 is no limit. What it
 * returns makes it as it was.
 */
export async function slowSource(t: TestTenant, msEach: number, timeoutMs = 0): Promise<() => Promise<void>> {
  await t.pg.query(`CREATE FUNCTION director.slowly() RETURNS boolean LANGUAGE plpgsql VOLATILE COST 1000000
    AS $$ BEGIN PERFORM pg_sleep(${msEach / 1000}); RETURN true; END $$`);
  await t.pg.query('ALTER TABLE director.scorecards RENAME TO scorecards_kept');
  await t.pg.query('CREATE VIEW director.scorecards AS SELECT * FROM director.scorecards_kept WHERE director.slowly()');
  await t.pg.query(`ALTER DATABASE "${t.database}" SET statement_timeout = '${timeoutMs}ms'`);
  return async () => {
    await t.pg.query(`ALTER DATABASE "${t.database}" RESET statement_timeout`);
    await t.pg.query('DROP VIEW director.scorecards');
    await t.pg.query('ALTER TABLE director.scorecards_kept RENAME TO scorecards');
  };
}
