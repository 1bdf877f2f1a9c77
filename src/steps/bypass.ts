import { chLiteral } from '../dataset/sql.ts';
import type { FoundDependent } from '../domain/dependents.ts';
import { isReplicated, localName } from '../target/tables.ts';
import { isSpread } from '../target/topology.ts';
import { debugPoint } from './debug-points.ts';
import { hasRight } from './rights.ts';
import { type BenchTable, benchTable, type Workbench } from './workbench.ts';

/** Why the run's rows cannot reach a table past a dependent of it; null if they can. */
export async function againstBypass(bench: Workbench, found: FoundDependent): Promise<string | null> {
  if (found.relation !== 'triggered') return 'it does not act on inserts';
  if (found.through.length > 0) return `it goes with ${found.through[0]}: bypass that`;
  if (bench.reindexer) return 'a workflow of yours writes the rows';
  const { target } = benchTable(bench, found.table);
  if (isSpread(bench.topology) || isReplicated(target))
    return 'the table is replicated or has several servers, where parts that are attached were seen to be lost (ClickHouse issue 115746)';
  const staging = stagingName('r', 0, 0, found.table);
  const rights = ['CREATE TABLE', 'DROP TABLE', 'SELECT', 'INSERT'];
  const allowed = await Promise.all(rights.map((right) => hasRight(bench, right, staging)));
  const denied = rights[allowed.indexOf(false)];
  if (denied !== undefined)
    return `the user has no right to ${denied} on tables refill_staging_… of ${bench.tenant.targetDatabase}`;
  return null;
}

/** The table that an attempt's rows of a table are staged in. */
export function stagingName(run: string, window: number, attempt: number, table: string): string {
  return `refill_staging_${run}_w${window}_a${attempt}_${table}`;
}

/**
 * Writes rows to a table so that no view of it is run: into a staging table of the same structure, whose parts are then
 * added to the table. `ATTACH PARTITION … FROM` copies no rows, and the parts count as inserted just then: a delete that
 * was assigned before does not concern them.
 *
 * @param staging A name that no other attempt uses: what a late statement of an abandoned one names does not exist then.
 * @param write Writes the rows into the place that it is given.
 */
export async function writePast<T>(
  bench: Workbench,
  { target }: BenchTable,
  staging: string,
  write: (into: string) => Promise<T>,
): Promise<T> {
  const { database } = target;
  const place = localName({ database, name: staging });
  await bench.target.command(`CREATE TABLE ${place} AS ${localName(target)}`);
  try {
    const written = await write(place);
    await debugPoint('bypass-staged');
    for (const partition of await partitionsOf(bench, database, staging)) {
      await bench.target.command(
        `ALTER TABLE ${localName(target)} ATTACH PARTITION ID ${chLiteral(partition)} FROM ${place}`,
      );
      await debugPoint('bypass-attached');
    }
    return written;
  } finally {
    // If it cannot be dropped now, the next attempt or the end of the run drops it.
    await dropStaging(bench, [staging]).catch(() => undefined);
  }
}

async function partitionsOf(bench: Workbench, database: string, name: string): Promise<readonly string[]> {
  const rows = await bench.target.rows<{ id: string }>(
    `SELECT DISTINCT partition_id AS id FROM system.parts
     WHERE database = {database:String} AND table = {name:String} AND active ORDER BY id`,
    { database, name },
  );
  return rows.map(({ id }) => id);
}

/** Drops staging tables; waits for a statement that still adds parts of one. */
export async function dropStaging(bench: Workbench, names: readonly string[]): Promise<void> {
  const { targetDatabase: database } = bench.tenant;
  for (const name of names) await bench.target.command(`DROP TABLE IF EXISTS ${localName({ database, name })} SYNC`);
}

/** Drops what killed attempts of a run have left. */
export async function dropStagingOf(bench: Workbench, run: string): Promise<void> {
  const rows = await bench.target.rows<{ name: string }>(
    `SELECT name FROM system.tables WHERE database = {database:String} AND startsWith(name, {prefix:String})`,
    { database: bench.tenant.targetDatabase, prefix: `refill_staging_${run}_` },
  );
  await dropStaging(
    bench,
    rows.map(({ name }) => name),
  );
}
