import { pipeline } from 'node:stream/promises';
import { insertStatement, readStatement } from '../dataset/compile.ts';
import { asRefillError } from '../domain/errors.ts';
import type { Range } from '../domain/words.ts';
import type { SourceSums } from '../ledger/ledger.ts';
import { sqlState } from '../postgres/said.ts';
import { postgresError } from '../source/errors.ts';
import { readLines } from '../source/lines.ts';
import { openSnapshot, type Snapshot } from '../source/postgres.ts';
import { into } from '../target/tables.ts';
import { writePast } from './bypass.ts';
import { debugPoint } from './debug-points.ts';
import type { KeySet } from './key-set.ts';
import { namingColumn } from './misfit.ts';
import { RowSums, summingStream } from './row-sums.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** A window's rows as they were written, and the source's side of its proof, of one and the same snapshot. */
export interface Written {
  readonly rows: number;
  readonly sums: readonly SourceSums[];
}

export interface WriteOptions {
  /** Opens the snapshot that is read. Default: one as it is now. */
  readonly open?: () => Promise<Snapshot>;
  /**
   * Called with the snapshot's time before anything is written: it keeps the attempt in the ledger and returns the query
   * ids to use, by table.
   */
  readonly keepAttempt: (version: string) => Promise<Readonly<Record<string, string>>>;
  /**
   * Called before each table. Throws where the window was begun again elsewhere meanwhile: what is written from then on
   * would come after the other one's rows.
   */
  readonly stillOurs: () => Promise<void>;
  /** The table in which a table's rows are staged, so that its views are not run; null, the default: they are written straight. */
  readonly stagingOf?: (table: string) => string | null;
  /** Called with the rows of a table that were read so far. */
  readonly onRows: (table: string, rows: number) => void;
  /** Aborting closes the connection to Postgres, which ends the COPY and with it the INSERT. */
  readonly signal: AbortSignal;
}

/**
 * Re-indexes a window: `COPY … TO STDOUT` is piped into `INSERT … FROM input()` table by table. What Postgres sent is
 * counted and summed on the way, which is the source's side of the window's proof. Rows never become objects; memory
 * does not depend on the window's size.
 */
export async function writeWindow(bench: Workbench, range: Range, options: WriteOptions): Promise<Written> {
  const snapshot = await (options.open ?? (() => openSnapshot(bench.source)))();
  const abort = () => snapshot.abort();
  options.signal.addEventListener('abort', abort, { once: true });
  try {
    options.signal.throwIfAborted();
    const queries = await options.keepAttempt(snapshot.time);
    await debugPoint('attempt-kept');
    const sums: SourceSums[] = [];
    for (const table of bench.tables) {
      const { name } = table.definition;
      await options.stillOurs();
      const onRows = (rows: number) => options.onRows(name, rows);
      const writeTo = (place: string) => {
        const statement = insertStatement(table, { into: place, tenant: bench.tenant, version: snapshot.time });
        return writeTable(bench, table, snapshot, range, { queryId: queries[name] ?? '', onRows, statement });
      };
      const staging = options.stagingOf?.(name) ?? null;
      const write = () => (staging === null ? writeTo(into(table)) : writePast(bench, table, staging, writeTo));
      sums.push(await namingColumn(bench, table, range, write));
      await debugPoint('table-inserted');
    }
    await debugPoint('window-inserted');
    return { rows: sums.reduce((n, s) => n + s.rows, 0), sums };
  } finally {
    options.signal.removeEventListener('abort', abort);
    await snapshot.close();
  }
}

export interface TableWrite {
  readonly queryId: string;
  readonly onRows: (rows: number) => void;
  /** The INSERT that takes the rows. */
  readonly statement: string;
  /** Told of each row's key, if repeated keys are looked for. */
  readonly keys?: KeySet;
}

/** Pipes what Postgres has of a table in a range into an INSERT. */
export async function writeTable(
  bench: Workbench,
  table: BenchTable,
  snapshot: Snapshot,
  range: Range,
  { queryId, onRows, statement, keys }: TableWrite,
): Promise<SourceSums> {
  const { tenant, target } = bench;
  const copy = snapshot.copy(readStatement(table, { tenant, range }));
  const sums = new RowSums(table.key.length, keys);
  const body = summingStream(sums);
  const ticker = setInterval(() => onRows(sums.rows), 500);
  // A COPY that fails must break the INSERT's body, not end it: ended, its rows so far would count as all of them.
  const [read, written] = await Promise.allSettled([pipeline(copy, body), target.insert(statement, body, queryId)]);
  clearInterval(ticker);
  // What Postgres itself says comes first: the other side's failure ends the stream too, with an error of Node's.
  if (read.status === 'rejected' && sqlState(read.reason) !== undefined)
    throw postgresError(read.reason, `reading ${table.definition.name}`);
  const failure =
    read.status === 'rejected' ? postgresError(read.reason, `reading ${table.definition.name}`) : undefined;
  // A connection to Postgres that is lost breaks the INSERT's body with an error that the target's side does not know.
  if (written.status === 'rejected')
    throw failure !== undefined && asRefillError(written.reason).code === 'BUG' ? failure : written.reason;
  if (failure !== undefined) throw failure;
  // What was written since the last tick, which is all of a small table, is a part of what is told of a window at work.
  onRows(sums.rows);
  return sums.result(table.definition.name);
}

/** Rows, exclusions and sums of a range in a snapshot, without writing them. */
export async function sourceSums(
  bench: Workbench,
  table: BenchTable,
  snapshot: Pick<Snapshot, 'copy'>,
  range: Range,
): Promise<SourceSums> {
  const { name } = table.definition;
  const sums = new RowSums(table.key.length);
  try {
    await readLines(
      snapshot.copy(readStatement(table, { tenant: bench.tenant, range })),
      (...line) => void sums.add(...line),
    );
  } catch (error) {
    throw postgresError(error, `reading ${name}`);
  }
  return sums.result(name);
}
