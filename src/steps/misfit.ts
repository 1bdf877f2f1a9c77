import { columnStatement } from '../dataset/compile.ts';
import { RefillError } from '../domain/errors.ts';
import type { Range } from '../domain/words.ts';
import { type Source, withSource } from '../source/postgres.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/**
 * Runs something that reads the source's rows of a table and writes them. If a side refuses a row, the error names the
 * table. Postgres does not say which column it cannot compute: then the columns are tried one by one, and the error names
 * the first that fails.
 */
export async function namingColumn<T>(
  bench: Workbench,
  table: BenchTable,
  range: Range,
  task: () => Promise<T>,
): Promise<T> {
  try {
    return await task();
  } catch (error) {
    if (!(error instanceof RefillError)) throw error;
    if (error.code === 'CH_VALUE' || error.code === 'CH_ROWS_REFUSED') throw ofTable(error, table.definition.name);
    if (error.code !== 'PG_VALUE') throw error;
    const column = await withSource(bench.source, (source) => failingColumn(bench, table, range, source)).catch(
      () => undefined,
    );
    if (column === undefined) throw error;
    throw new RefillError('PG_VALUE', `${error.message}, for the column ${column} of ${table.definition.name}`, {
      cause: error,
      details: { ...error.details, table: table.definition.name, column },
    });
  }
}

/** The same error with the table's name. It keeps the cause, which tells a rehearsal the check that failed. */
function ofTable(error: RefillError, table: string): RefillError {
  return new RefillError(error.code, `${error.message}, in rows of ${table}`, {
    cause: error.cause,
    hint: error.hint,
    details: { ...error.details, table },
  });
}

async function failingColumn(
  bench: Workbench,
  table: BenchTable,
  range: Range,
  source: Source,
): Promise<string | undefined> {
  for (const column of table.columns.keys()) {
    try {
      await source.query(columnStatement(table, { tenant: bench.tenant, range }, column));
    } catch (error) {
      if (error instanceof RefillError && error.code === 'PG_VALUE') return column;
      throw error;
    }
  }
  return undefined;
}
