import { Readable } from 'node:stream';
import { insertStatement } from '../dataset/compile.ts';
import { asRefillError } from '../domain/errors.ts';
import type { Finding } from '../domain/events.ts';
import { newId } from '../ledger/ids.ts';
import { readWriteChecks, rehearsalStatement } from '../target/rehearsal.ts';
import { into } from '../target/tables.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** What a check of an INSERT is called in findings. */
const INSERT_CHECK = 'insert';

/** No row carries it. */
const NO_VERSION = '2000-01-01 00:00:00.000000';

/**
 * Tries the very statement that will write, with the very settings and with no row: the server refuses it for a missing
 * right, a setting that the user may not change, a table that is read-only. A body without a row makes no part and triggers
 * no view. The statement of a rehearsal is tried as well, so that a purge does not find out later.
 */
export async function tryInsert(bench: Workbench, table: BenchTable): Promise<Finding | null> {
  const { name } = table.definition;
  const { database } = table.target;
  const target = { into: into(table), tenant: bench.tenant, version: NO_VERSION };
  try {
    const statements = [
      insertStatement(table, target),
      rehearsalStatement(table, target, await readWriteChecks(bench.target, table)),
    ];
    for (const statement of statements)
      await bench.target.insert(statement, Readable.from([]), `refill-try-${name}-${newId('v')}`);
    return null;
  } catch (thrown) {
    const error = asRefillError(thrown);
    // A server that does not answer says nothing about what it would take.
    if (error.action === 'retry') throw error;
    return {
      check: INSERT_CHECK,
      level: 'error',
      subject: `${database}.${name}`,
      message: `ClickHouse refuses an INSERT of no rows (${error.code}): ${error.message}`,
      remedy: error.hint,
    };
  }
}
