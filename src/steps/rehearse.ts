import { asRefillError, RefillError } from '../domain/errors.ts';
import type { Range } from '../domain/words.ts';
import { newId } from '../ledger/ids.ts';
import { openSnapshot } from '../source/postgres.ts';
import { failedCheck, readWriteChecks, rehearsalStatement, type WriteChecks } from '../target/rehearsal.ts';
import { into } from '../target/tables.ts';
import { expiredError } from './expired.ts';
import { KeySet } from './key-set.ts';
import { namingColumn } from './misfit.ts';
import { writeTable } from './reindex.ts';
import { refuseRepeatedInRange } from './unique-keys.ts';
import type { BenchTable, Workbench } from './workbench.ts';

export interface RehearseOptions {
  /** Begins the ids of its queries, so that a person knows whose they are. */
  readonly queries: string;
  readonly onRows: (table: string, rows: number) => void;
  readonly signal: AbortSignal;
}

/**
 * Shows that a window can be written before anything is deleted for it: its rows go the whole way from Postgres into the
 * target's server, which computes and checks all that it does at an INSERT, and writes none. It costs the read of a write.
 *
 * What changes in the source after it, and what a server has no room for, can still keep the window from being written.
 *
 * @throws RefillError As writing does, and `CH_ROWS_REFUSED`, `TTL_IN_RANGE`, `KEY_NOT_UNIQUE`.
 */
export async function rehearseWindow(bench: Workbench, range: Range, options: RehearseOptions): Promise<void> {
  const snapshot = await openSnapshot(bench.source);
  const abort = () => snapshot.abort();
  options.signal.addEventListener('abort', abort, { once: true });
  try {
    options.signal.throwIfAborted();
    for (const table of bench.tables) {
      const { name } = table.definition;
      const checks = await readWriteChecks(bench.target, table);
      const statement = rehearsalStatement(
        table,
        { into: into(table), tenant: bench.tenant, version: snapshot.time },
        checks,
      );
      const queryId = `${options.queries}-${name}-${newId('v')}`;
      const onRows = (rows: number) => options.onRows(name, rows);
      const keys = new KeySet();
      const write = () => writeTable(bench, table, snapshot, range, { queryId, onRows, statement, keys });
      await namingColumn(bench, table, range, write).catch((error: unknown) => {
        throw unwritable(table, range, checks, asRefillError(error));
      });
      if (keys.repeated) await refuseRepeatedInRange(bench, table, range, snapshot);
    }
  } finally {
    options.signal.removeEventListener('abort', abort);
    await snapshot.close();
  }
}

/** The error of a rehearsal, by the check that it is about. */
function unwritable(table: BenchTable, range: Range, checks: WriteChecks, error: RefillError): RefillError {
  const check = checks.rows[failedCheck(error.cause) ?? -1];
  const { name } = table.definition;
  if (check?.kind === 'ttl') return expiredError(name, range, check.what);
  if (check)
    return new RefillError(
      'CH_ROWS_REFUSED',
      `the source has rows from ${range.from} to ${range.to} that ${name} does not take: ${check.what}`,
      {
        hint: 'Correct the source’s rows, exclude them in the dataset, or change the constraint. Then run `refill retry --execute`.',
        details: { table: name, constraint: check.what },
      },
    );
  return error;
}
