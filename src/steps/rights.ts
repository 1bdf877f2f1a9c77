import { identifier } from '../dataset/sql.ts';
import { RefillError } from '../domain/errors.ts';
import type { Workbench } from './workbench.ts';

/** Whether the user has a right on everything of the server; null if the server cannot say. */
export function mayServer(bench: Workbench, right: string): Promise<boolean | null> {
  return checkGrant(bench, `${right} ON *.*`);
}

/** Whether the user has a right on a table; null where the server cannot say (before 24.9 it does not know the statement). */
export function hasRight(bench: Workbench, right: string, table: string): Promise<boolean | null> {
  return mayOn(bench, right, bench.tenant.targetDatabase, table);
}

/** The same on a table of any database. */
export function mayOn(bench: Workbench, right: string, database: string, table: string): Promise<boolean | null> {
  return checkGrant(bench, `${right} ON ${identifier(database)}.${identifier(table)}`);
}

async function checkGrant(bench: Workbench, grant: string): Promise<boolean | null> {
  try {
    return (await bench.target.text(`CHECK GRANT ${grant}`)) === '1';
  } catch (error) {
    if (error instanceof RefillError && error.code === 'CH_QUERY') return null;
    throw error;
  }
}
