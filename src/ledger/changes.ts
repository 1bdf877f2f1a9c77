import type { Sql } from './connection.ts';
import { readDeletes } from './deletes.ts';
import type { Changes } from './ledger.ts';
import { readWindows } from './windows.ts';

/**
 * What has changed of a run since a mark. A mark is the oldest transaction that was not over when it was taken: all that
 * older ones have changed was seen, in whatever order they were committed.
 */
export async function readChanges(sql: Sql, run: string, since: string | null): Promise<Changes> {
  // Taken first: what is committed from here on is read the next time, if it is not read now.
  const [row] = await sql.rows<{ mark: string }>('SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS mark');
  const [windows, deletes] = await Promise.all([
    readWindows(sql, run, {}, since),
    readDeletes(sql, run, undefined, since),
  ]);
  return { windows, deletes, mark: row?.mark ?? '0' };
}
