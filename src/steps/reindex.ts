import { finished } from 'node:stream/promises';
import { insertStatement, readStatement, sumsStatement } from '../dataset/compile.ts';
import type { Range } from '../domain/words.ts';
import type { SourceSums } from '../ledger/ledger.ts';
import { postgresError } from '../source/errors.ts';
import { openSnapshot, type Snapshot } from '../source/postgres.ts';
import { debugPoint } from './debug-points.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** A window's rows as they were written, and the source's side of its proof, of one and the same snapshot. */
export interface Written {
  readonly rows: number;
  readonly sums: readonly SourceSums[];
}

export interface WriteOptions {
  /**
   * Called with the snapshot's time before anything is written: it keeps the attempt in the ledger and returns the query
   * ids to use, by table.
   */
  readonly keepAttempt: (version: string) => Promise<Readonly<Record<string, string>>>;
  /** Called with the rows of a table that were read so far. */
  readonly onRows: (table: string, rows: number) => void;
  /** Aborting closes the connection to Postgres, which ends the COPY and with it the INSERT. */
  readonly signal: AbortSignal;
}

/**
 * Re-indexes a window: `COPY … TO STDOUT` is piped into `INSERT … FROM input()` table by table, then the same rows are
 * summed in the same snapshot. Rows never become objects; memory does not depend on the window's size.
 */
export async function writeWindow(bench: Workbench, range: Range, options: WriteOptions): Promise<Written> {
  const snapshot = await openSnapshot(bench.source);
  const abort = () => snapshot.abort();
  options.signal.addEventListener('abort', abort, { once: true });
  try {
    options.signal.throwIfAborted();
    const queries = await options.keepAttempt(snapshot.time);
    await debugPoint('attempt-kept');
    let rows = 0;
    for (const table of bench.tables) {
      const queryId = queries[table.definition.name] ?? '';
      rows += await writeTable(bench, table, snapshot, range, queryId, (n) => options.onRows(table.definition.name, n));
      await debugPoint('table-inserted');
    }
    await debugPoint('window-inserted');
    const sums: SourceSums[] = [];
    for (const table of bench.tables) sums.push(await sourceSums(bench, table, snapshot, range));
    return { rows, sums };
  } finally {
    options.signal.removeEventListener('abort', abort);
    await snapshot.close();
  }
}

async function writeTable(
  bench: Workbench,
  table: BenchTable,
  snapshot: Snapshot,
  range: Range,
  queryId: string,
  onRows: (rows: number) => void,
): Promise<number> {
  const copy = snapshot.copy(readStatement(table, { tenant: bench.tenant, range }));
  const ticker = setInterval(() => onRows(copy.rowCount ?? 0), 500);
  const insert = insertStatement(table, {
    database: bench.tenant.targetDatabase,
    tenant: bench.tenant,
    version: snapshot.time,
  });
  // A COPY that fails must break the INSERT's body, not end it: ended, its rows so far would count as all of them.
  const [read, written] = await Promise.allSettled([
    finished(copy, { writable: false }),
    bench.target.insert(insert, copy, queryId),
  ]);
  clearInterval(ticker);
  if (read.status === 'rejected' && isPostgres(read.reason))
    throw postgresError(read.reason, `reading ${table.definition.name}`);
  if (written.status === 'rejected') throw written.reason;
  if (read.status === 'rejected') throw postgresError(read.reason, `reading ${table.definition.name}`);
  return copy.rowCount ?? 0;
}

/** Whether Postgres itself said it: the other side's failure ends the stream too, with an error of Node's. */
function isPostgres(error: unknown): boolean {
  return /^[0-9A-Z]{5}$/u.test(String((error as { code?: unknown }).code));
}

/** Rows, exclusions and sums of a range in a snapshot. */
export async function sourceSums(
  bench: Workbench,
  table: BenchTable,
  snapshot: Pick<Snapshot, 'query'>,
  range: Range,
): Promise<SourceSums> {
  const rows = await snapshot.query<{ reason: string | null; bucket: string | null; rows: string; sum: string }>(
    sumsStatement(table, { tenant: bench.tenant, range }),
  );
  const excluded: Record<string, number> = {};
  const buckets: Record<string, readonly [number, string]> = {};
  let kept = 0;
  for (const { reason, bucket, rows: text, sum } of rows) {
    const n = Number(text);
    if (reason !== null) excluded[reason] = n;
    else {
      buckets[String(bucket)] = [n, sum];
      kept += n;
    }
  }
  return { table: table.definition.name, rows: kept, excluded, buckets };
}
