import type { FoundDependent } from '../domain/dependents.ts';
import { isReplicated } from '../target/tables.ts';
import { isSpread } from '../target/topology.ts';
import { hasRight } from './rights.ts';
import { benchTable, type Workbench } from './workbench.ts';

/** Why the run's rows cannot reach a table past a dependent of it; null if they can. */
export async function againstBypass(bench: Workbench, found: FoundDependent): Promise<string | null> {
  if (found.relation !== 'triggered') return 'it does not act on inserts';
  if (found.through.length > 0) return `it goes with ${found.through[0]}: bypass that`;
  if (bench.reindexer) return 'a workflow of yours writes the rows';
  const { target } = benchTable(bench, found.table);
  if (isSpread(bench.topology) || isReplicated(target))
    return 'the table is replicated or has several servers, where parts that are attached were seen to be lost (ClickHouse issue 115746)';
  for (const right of ['CREATE TABLE', 'DROP TABLE', 'SELECT', 'INSERT'])
    if ((await hasRight(bench, right, stagingName('r', 0, 0, found.table))) === false)
      return `the user has no right to ${right} on tables refill_staging_… of ${bench.tenant.targetDatabase}`;
  return null;
}

/** The table that an attempt's rows of a table are staged in. */
export function stagingName(run: string, window: number, attempt: number, table: string): string {
  return `refill_staging_${run}_w${window}_a${attempt}_${table}`;
}
