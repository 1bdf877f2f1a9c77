import type { Sql } from './connection.ts';
import { readDeletes } from './deletes.ts';
import type { Changes } from './ledger.ts';
import { readWindows } from './windows.ts';

/**
 * Where the next look begins: the oldest transaction that is not over. All that older ones have changed is seen, in
 * whatever order they were committed. It is taken before the look: what is committed from here on is read the next time,
 * if it is not read now.
 */
export async function readMark(sql: Sql): Promise<string> {
  const [row] = await sql.rows<{ mark: string }>('SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS mark');
  return row?.mark ?? '0';
}

/** What has changed of a run since a mark. */
export async function readChanges(sql: Sql, run: string, since: string | null): Promise<Changes> {
  const mark = await readMark(sql);
  const [windows, deletes] = await Promise.all([
    readWindows(sql, run, {}, since),
    readDeletes(sql, run, undefined, since),
  ]);
  return { windows, deletes, mark };
}
