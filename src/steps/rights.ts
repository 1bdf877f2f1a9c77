import { identifier } from '../dataset/sql.ts';
import { RefillError } from '../domain/errors.ts';
import type { Workbench } from './workbench.ts';

/** Whether the user has a right on a table; null where the server cannot say (before 24.9 it does not know the statement). */
export async function hasRight(bench: Workbench, right: string, table: string): Promise<boolean | null> {
  try {
    const place = `${identifier(bench.tenant.targetDatabase)}.${identifier(table)}`;
    return (await bench.target.text(`CHECK GRANT ${right} ON ${place}`)) === '1';
  } catch (error) {
    if (error instanceof RefillError && error.code === 'CH_QUERY') return null;
    throw error;
  }
}
