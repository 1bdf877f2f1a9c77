import { chooseKind, type DeleteKind } from '../domain/delete-kind.ts';
import type { Limits } from '../domain/limits.ts';
import type { PlannedDelete, PlannedTableDelete, Warning } from '../domain/plan.ts';
import { cutDeletes, type CutWindow, instant, ms, type PartitionSpan } from '../domain/windows.ts';
import type { Range, Strategy } from '../domain/words.ts';
import { deleteStatement } from '../target/mutations.ts';
import { partitionOf } from '../target/partition.ts';
import { partitionSizes } from '../target/parts.ts';
import { deleteCondition } from './delete.ts';
import { againstLightweight } from './lightweight.ts';
import { certainSize, type RewriteCost, rewriteCost, type SizedTable } from './rewrite-cost.ts';
import { rowsIn, type SurveyCounts } from './survey.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** The deletes of a plan. */
export interface PlannedDeletes {
  readonly planned: readonly PlannedDelete[];
  /** The delete of each window, in their order. */
  readonly ofWindow: readonly number[];
  readonly rewritten: Pick<RewriteCost, 'rows' | 'bytes'>;
  readonly warnings: readonly Warning[];
}

export interface PlanDeletesOptions {
  readonly strategy: Strategy;
  readonly counts: SurveyCounts;
  readonly windows: readonly CutWindow[];
  readonly limits: Pick<Limits, 'deleteRows' | 'deleteBytes'>;
  readonly span: PartitionSpan;
}

/** Puts windows together into deletes, and chooses for each table of each delete how its rows are removed. */
export async function planDeletes(bench: Workbench, options: PlanDeletesOptions): Promise<PlannedDeletes> {
  const { counts, windows, limits, span } = options;
  const rowsOf = (table: string, range: Range) =>
    rowsIn(counts.targetHours.get(table) ?? new Map(), ms(range.from), ms(range.to));
  const against =
    bench.deletes === 'rewrite'
      ? new Map<string, string>()
      : await againstLightweight(
          bench,
          bench.tables.map((t) => t.definition.name),
        );
  const sized = await Promise.all(
    bench.tables.map(async (table): Promise<SizedTable> => ({
      table,
      sizes: await partitionSizes(bench.target, table.target),
    })),
  );
  const rewritten = sized.filter(({ table }) => bench.deletes === 'rewrite' || against.has(table.definition.name));
  // The largest table decides: its mutation is the one that others wait for.
  const largest = windows.map((w) => Math.max(0, ...bench.tables.map((t) => rowsOf(t.definition.name, w))));
  const cut = cutDeletes(windows, largest, limits.deleteRows, span, (at) =>
    Math.floor(limits.deleteBytes / bytesAt(rewritten, at)),
  );
  const ofWindow: number[] = [];
  for (const [index, del] of cut.entries()) for (const window of del.windows) ofWindow[window] = index + 1;

  const masksRefused = new Set<string>();
  const planned = cut.map((del, index): PlannedDelete => {
    const tables = sized.map((one): PlannedTableDelete => {
      const { name } = one.table.definition;
      const rows = rowsOf(name, del);
      const share = shareOf(one, del, rows);
      const wanted = chooseKind(bench.deletes, share);
      if (wanted === 'lightweight' && against.has(name)) masksRefused.add(name);
      const kind = against.has(name) ? 'rewrite' : wanted;
      return { table: name, rows, kind, share, sql: statementOf(bench, one.table, del, options.strategy, kind) };
    });
    return { id: index + 1, from: del.from, to: del.to, tables };
  });
  const { warnings, ...cost } = await rewriteCost(bench, sized, planned);
  return {
    planned,
    ofWindow,
    rewritten: cost,
    warnings: [
      ...[...masksRefused].map((table): Warning => {
        const reason = against.get(table) ?? '';
        return {
          code: 'DELETE_REWRITES',
          table,
          message: `deletes of ${table} rewrite its parts where a lightweight delete would do: ${reason}`,
        };
      }),
      ...warnings,
    ],
  };
}

/** Bytes of the partitions of an instant (in ms) on the server that has most of them; 0 where these are not certain. */
function bytesAt(tables: readonly SizedTable[], at: number): number {
  const range = { from: instant(at), to: instant(at + 1) };
  return tables.reduce((n, table) => n + (certainSize(table, range)?.largest ?? 0), 0);
}

/** Rows to delete in the rows of their partition; null where that partition is not certain, or empty. */
function shareOf(table: SizedTable, range: Range, rows: number): number | null {
  const all = certainSize(table, range)?.rows ?? 0;
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
