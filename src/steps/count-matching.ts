import { RefillError } from '../domain/errors.ts';
import { from } from '../target/tables.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** Rows of a target table that a condition holds for, on all shards, as they are. */
export async function countMatching(bench: Workbench, table: BenchTable, condition: string): Promise<number> {
  const [row] = await bench.target.rows<{ refill_own_rows: string }>(
    `SELECT toString(count()) AS refill_own_rows ${from(table.target, false)} WHERE ${condition}`,
  );
  if (!row) throw new RefillError('BUG', 'a count returned no row');
  return Number(row.refill_own_rows);
}
