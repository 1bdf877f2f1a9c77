import { chooseKind, type DeleteKind } from '../domain/delete-kind.ts';
import type { Limits } from '../domain/limits.ts';
import type { PlannedDelete, PlannedTableDelete, Warning } from '../domain/plan.ts';
import { cutDeletes, type CutWindow, instant, ms, type PartitionSpan } from '../domain/windows.ts';
import type { Range, Strategy } from '../domain/words.ts';
import { olderThan } from '../target/count.ts';
import { deleteStatement } from '../target/mutations.ts';
import { partitionOf } from '../target/partition.ts';
import { partitionSizes } from '../target/parts.ts';
import { deleteCondition, isBounded } from './delete.ts';
import { againstLightweight } from './lightweight.ts';
import { certainPartition, type RewriteCost, rewriteCost, type SizedTable } from './rewrite-cost.ts';
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

/** Chooses for each table how its rows are removed, and puts windows together into deletes. */
export async function planDeletes(bench: Workbench, options: PlanDeletesOptions): Promise<PlannedDeletes> {
  const { counts, windows, limits, span } = options;
  const rowsOf = (table: string, range: Range) =>
    rowsIn(counts.targetHours.get(table) ?? new Map(), ms(range.from), ms(range.to));
  const names = bench.tables.map((table) => table.definition.name);
  const against = bench.deletes === 'rewrite' ? new Map<string, string>() : await againstLightweight(bench, names);
  const tables = await Promise.all(
    bench.tables.map(async (table): Promise<ChosenTable> => {
      const sized = { table, sizes: await partitionSizes(bench.target, table.target) };
      const taken = takenOf(table, windows, (range) => rowsOf(table.definition.name, range));
      return { ...sized, taken, against: against.get(table.definition.name) ?? null };
    }),
  );
  // The largest table decides: its mutation is the one that others wait for.
  const largest = windows.map((w) => Math.max(0, ...names.map((name) => rowsOf(name, w))));
  const cut = cutDeletes(windows, largest, limits.deleteRows, span, (at) =>
    Math.floor(limits.deleteBytes / bytesAt(bench, tables, at)),
  );
  const ofWindow: number[] = [];
  for (const [index, del] of cut.entries()) for (const window of del.windows) ofWindow[window] = index + 1;

  const planned = cut.map((del, index): PlannedDelete => {
    const chosen = tables.map((one): PlannedTableDelete => {
      const { name } = one.table.definition;
      const { share, kind } = choose(bench, one, del);
      const sql = statementOf(bench, one.table, del, options.strategy, kind);
      return { table: name, rows: rowsOf(name, del), kind, share, sql };
    });
    return { id: index + 1, from: del.from, to: del.to, tables: chosen };
  });
  const { warnings, ...rewritten } = await rewriteCost(bench, tables, planned);
  const refused = tables.filter((one) => cut.some((del) => choose(bench, one, del).refused));
  return { planned, ofWindow, rewritten, warnings: [...refused.map(rewriteWarning), ...warnings] };
}

/** A table with what decides how its rows are removed. */
interface ChosenTable extends SizedTable {
  /** Rows that all deletes together take out of each partition, by its id. */
  readonly taken: ReadonlyMap<string, number>;
  /** Why it cannot be deleted from by a mask; null where it can. */
  readonly against: string | null;
}

function takenOf(
  table: BenchTable,
  windows: readonly Range[],
  rowsOf: (range: Range) => number,
): ReadonlyMap<string, number> {
  const taken = new Map<string, number>();
  for (const window of windows) {
    const partition = certainPartition(table, window);
    if (partition !== undefined) taken.set(partition, (taken.get(partition) ?? 0) + rowsOf(window));
  }
  return taken;
}

/** How a table's rows of a range are removed; `refused` where a mask would do and cannot be. */
function choose({ deletes }: Workbench, { table, sizes, taken, against }: ChosenTable, range: Range) {
  const partition = certainPartition(table, range) ?? '';
  const all = sizes.get(partition)?.rows ?? 0;
  const share = all === 0 ? null : Math.min(1, (taken.get(partition) ?? 0) / all);
  const wanted = chooseKind(deletes, share);
  const refused = wanted === 'lightweight' && against !== null;
  const kind: DeleteKind = refused ? 'rewrite' : wanted;
  return { share, kind, refused };
}

/** Bytes that a delete at an instant (in ms) writes again, on the server that has most of them. */
function bytesAt(bench: Workbench, tables: readonly ChosenTable[], at: number): number {
  const range = { from: instant(at), to: instant(at + 1) };
  return tables
    .filter((one) => choose(bench, one, range).kind === 'rewrite')
    .reduce((n, { table, sizes }) => {
      const partition = certainPartition(table, range);
      // Where it is not certain which partitions a delete touches, it may be all of them.
      if (partition === undefined) return n + [...sizes.values()].reduce((sum, size) => sum + size.largest, 0);
      return n + (sizes.get(partition)?.largest ?? 0);
    }, 0);
}

function rewriteWarning({ table, against }: ChosenTable): Warning {
  const { name } = table.definition;
  return {
    code: 'DELETE_REWRITES',
    table: name,
    message: `deletes of ${name} rewrite its parts where a lightweight delete would do: ${against ?? ''}`,
  };
}

/** The statement as a person approves it, with `:epoch` and `:nonce` where the run's are put in. */
function statementOf(bench: Workbench, table: BenchTable, del: Range, strategy: Strategy, kind: DeleteKind): string {
  const versions = strategy === 'replace' ? { epoch: ':epoch', current: [], superseded: [] } : undefined;
  const condition = deleteCondition(bench, table, del, versions);
  const bounded = versions === undefined && isBounded(bench, table);
  return deleteStatement(table.target, {
    condition: bounded ? `${condition} AND ${olderThan(table, ':sent')}` : condition,
    nonce: ':nonce',
    partition: partitionOf(table.target, table.definition.time, del),
    kind,
  });
}
