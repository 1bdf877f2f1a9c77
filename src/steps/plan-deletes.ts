import { chooseKind, type DeleteKind } from '../domain/delete-kind.ts';
import type { Limits } from '../domain/limits.ts';
import type { PlannedDelete, PlannedTableDelete, Warning } from '../domain/plan.ts';
import { cutDeletes, type CutWindow, joinRanges, ms, type PartitionSpan } from '../domain/windows.ts';
import type { Range, Strategy } from '../domain/words.ts';
import { rowsByPartition, rowsToRewrite } from '../target/count.ts';
import { deleteStatement } from '../target/mutations.ts';
import { partitionId, partitionOf } from '../target/partition.ts';
import { deleteCondition } from './delete.ts';
import { againstLightweight } from './lightweight.ts';
import { rowsIn, type SurveyCounts } from './survey.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** The deletes of a plan. */
export interface PlannedDeletes {
  readonly planned: readonly PlannedDelete[];
  /** The delete of each window, in their order. */
  readonly ofWindow: readonly number[];
  /** Rows that the deletes rewrite, those that stay included. */
  readonly rowsToRewrite: number;
  readonly warnings: readonly Warning[];
}

export interface PlanDeletesOptions {
  readonly strategy: Strategy;
  readonly counts: SurveyCounts;
  readonly windows: readonly CutWindow[];
  readonly limits: Pick<Limits, 'deleteRows'>;
  readonly span: PartitionSpan;
}

/** Puts windows together into deletes, and chooses for each table of each delete how its rows are removed. */
export async function planDeletes(bench: Workbench, options: PlanDeletesOptions): Promise<PlannedDeletes> {
  const { counts, windows, limits, span } = options;
  const rowsOf = (table: string, range: Range) =>
    rowsIn(counts.targetHours.get(table) ?? new Map(), ms(range.from), ms(range.to));
  // The largest table decides: its mutation is the one that others wait for.
  const largest = windows.map((w) => Math.max(0, ...bench.tables.map((t) => rowsOf(t.definition.name, w))));
  const cut = cutDeletes(windows, largest, limits.deleteRows, span);
  const ofWindow: number[] = [];
  for (const [index, del] of cut.entries()) for (const window of del.windows) ofWindow[window] = index + 1;

  const sized = await Promise.all(
    bench.tables.map(async (table) => {
      const partitions = await rowsByPartition(bench.target, table.target);
      return cut.map((del) => {
        const rows = rowsOf(table.definition.name, del);
        const share = shareOf(table, del, rows, partitions);
        return { rows, share, wanted: chooseKind(bench.deletes, share) };
      });
    }),
  );
  const masked = bench.tables.filter((_, t) => sized[t]?.some(({ wanted }) => wanted === 'lightweight'));
  const against = await againstLightweight(
    bench,
    masked.map((table) => table.definition.name),
  );
  const planned = cut.map((del, index): PlannedDelete => {
    const tables = bench.tables.map((table, t): PlannedTableDelete => {
      const { name } = table.definition;
      const { rows = 0, share = null, wanted = 'rewrite' } = sized[t]?.[index] ?? {};
      const kind: DeleteKind = against.has(name) ? 'rewrite' : wanted;
      return { table: name, rows, kind, share, sql: statementOf(bench, table, del, options.strategy, kind) };
    });
    return { id: index + 1, from: del.from, to: del.to, tables };
  });
  const rewrite = await Promise.all(
    bench.tables.map((table) => rowsToRewrite(bench.target, table, bench.tenant, rewrittenOf(planned, table))),
  );
  return {
    planned,
    ofWindow,
    rowsToRewrite: rewrite.reduce((n, rows) => n + rows, 0),
    warnings: [...against].map(([table, reason]) => ({
      code: 'DELETE_REWRITES',
      table,
      message: `deletes of ${table} rewrite its parts where a lightweight delete would do: ${reason}`,
    })),
  };
}

/** Rows to delete in the rows of their partition; null where that partition is not certain, or empty. */
function shareOf(
  table: BenchTable,
  range: Range,
  rows: number,
  partitions: ReadonlyMap<string, number>,
): number | null {
  const { target, definition } = table;
  // A table without a partition key is one partition, which is called that.
  const partition = target.partitionKey === '' ? 'all' : partitionOf(target, definition.time, range);
  const all = partition === undefined ? 0 : (partitions.get(partitionId(partition)) ?? 0);
  return all === 0 ? null : Math.min(1, rows / all);
}

/** The statement as a person approves it, with `:epoch` and `:nonce` where the run's are put in. */
function statementOf(bench: Workbench, table: BenchTable, del: Range, strategy: Strategy, kind: DeleteKind): string {
  const versions = strategy === 'replace' ? { epoch: ':epoch', current: [], superseded: [] } : undefined;
  return deleteStatement(table.target, {
    condition: deleteCondition(bench, table, del, versions),
    nonce: ':nonce',
    partition: partitionOf(table.target, table.definition.time, del),
    kind,
  });
}

/** The ranges in which a table is rewritten. */
function rewrittenOf(planned: readonly PlannedDelete[], table: BenchTable): readonly Range[] {
  return joinRanges(
    planned.filter((del) => del.tables.some((t) => t.table === table.definition.name && t.kind === 'rewrite')),
  );
}
