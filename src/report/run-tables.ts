import type { TableProof } from '../domain/drift.ts';
import { DRIFT_KINDS } from '../domain/words.ts';
import { count, moment, range } from './format.ts';
import type { TableSummary } from './summary.ts';
import type { TextTable } from './text-table.ts';

/** Before, after and source of each table, and what differs; unknown is never zero. */
export function countsTable(tables: readonly TableSummary[], windows: number): TextTable {
  return {
    head: ['table', 'before', 'after', 'source', ...DRIFT_KINDS, 'proven windows'],
    rows: tables.map((one) => [
      one.table,
      count(one.before),
      count(one.after),
      count(one.source),
      ...DRIFT_KINDS.map((kind) => (one.windowsProven === 0 ? '—' : count(one[kind]))),
      `${count(one.windowsProven)} of ${count(windows)}`,
    ]),
  };
}

/** The sums that prove, table by table and window by window. */
export function proofsTable(proofs: readonly TableProof[]): TextTable {
  return {
    head: ['table', 'range', 'snapshot (UTC)', 'source', 'target', 'source sum', 'target sum'],
    rows: proofs.map((one) => [
      one.table,
      range(one),
      moment(one.snapshot),
      count(one.source),
      count(one.target),
      one.sourceSum,
      one.targetSum,
    ]),
  };
}
