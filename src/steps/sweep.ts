import { kindOf } from '../domain/delete-kind.ts';
import { RefillError } from '../domain/errors.ts';
import { differencesOf } from '../domain/drift.ts';
import type { Plan } from '../domain/plan.ts';
import { versionBefore } from '../domain/versions.ts';
import { ms } from '../domain/windows.ts';
import type { DeleteRecord, Ledger } from '../ledger/ledger.ts';
import { countByHour, olderThan } from '../target/count.ts';
import { inRange } from '../target/tables.ts';
import type { AwaitOptions } from './await-mutation.ts';
import { debugPoint } from './debug-points.ts';
import { OLD_BY_SECONDS } from './delete.ts';
import { deleteNow } from './delete-now.ts';
import { rowsIn } from './survey.ts';
import type { BenchTable, Workbench } from './workbench.ts';

export interface SweepOptions extends AwaitOptions {
  readonly ledger: Ledger;
  readonly run: string;
  readonly plan: Plan;
  /** The run's. */
  readonly epoch: string;
  /** How often it looks before it gives up, where rows keep coming. */
  readonly looks: number;
}

/** Old rows of a table in the range of a delete. */
interface Late {
  readonly table: BenchTable;
  readonly del: DeleteRecord;
  readonly rows: number;
}

/**
 * The last look over the whole range, when all of its deletes are proven: a row with a version from before the run came
 * after the delete of its part, by an old writer or a block that was sent once more. Such rows are deleted, and only
 * they: the condition fits no row of this run or newer, so that it can be sent any number of times, in any order.
 *
 * Deletes whose proof names differences are left to `retry`, which deletes their rows again. Rows whose versions a user's
 * workflow gives are not told apart.
 *
 * @returns Rows that were found and deleted.
 * @throws RefillError `ROWS_KEEP_COMING`, and what deletes throw.
 */
export async function sweep(bench: Workbench, options: SweepOptions): Promise<number> {
  if (bench.reindexer) return 0;
  const before = versionBefore(options.epoch, OLD_BY_SECONDS);
  let deleted = 0;
  for (let look = 1; ; look += 1) {
    options.signal.throwIfAborted();
    const late = await findLate(bench, options, before);
    if (look > options.looks && late.length > 0) throw stillComing(late);
    await options.ledger.keepLate(options.run, byDelete(late));
    if (late.length === 0) return deleted;
    await debugPoint('late-kept');
    for (const { table, del } of late) {
      const { name } = table.definition;
      const planned = options.plan.deletes.find(({ id }) => id === del.id)?.tables.find((t) => t.table === name);
      await deleteNow(
        bench,
        table,
        {
          range: del,
          condition: `${inRange(table.definition, bench.tenant, del)} AND ${olderThan(table, before)}`,
          mark: `refill ${options.run} sweep ${del.id} `,
          kind: kindOf(planned ?? {}),
        },
        options,
      );
    }
    await debugPoint('late-deleted');
    // They are gone, whatever has come after them.
    await options.ledger.keepLate(options.run, new Map());
    deleted += sum(late);
  }
}

function byDelete(late: readonly Late[]): ReadonlyMap<number, number> {
  const rows = new Map<number, number>();
  for (const { del, rows: n } of late) rows.set(del.id, (rows.get(del.id) ?? 0) + n);
  return rows;
}

const sum = (late: readonly Late[]) => late.reduce((n, { rows }) => n + rows, 0);

/** Old rows in the ranges of proven deletes, by one pass over each table that has versions. */
async function findLate(bench: Workbench, { ledger, run, plan }: SweepOptions, before: string): Promise<Late[]> {
  const counted = await Promise.all(
    bench.tables
      .filter((table) => table.versionPrecision !== null)
      .map(async (table) => {
        const hours = await countByHour(bench.target, table, bench.tenant, plan.range, before);
        return { table, hours: new Map(hours.map(({ hour, rows }) => [hour, rows])) };
      }),
  );
  if (counted.every(({ hours }) => hours.size === 0)) return [];
  const deletes = await cleanDeletes(ledger, run);
  return counted.flatMap(({ table, hours }) =>
    deletes.flatMap((del): Late[] => {
      const rows = rowsIn(hours, ms(del.from), ms(del.to));
      return rows === 0 ? [] : [{ table, del, rows }];
    }),
  );
}

/** Proven deletes without a difference. */
async function cleanDeletes(ledger: Ledger, run: string): Promise<readonly DeleteRecord[]> {
  const [deletes, proofs] = await Promise.all([ledger.deletes(run), ledger.proofs(run)]);
  const differing = proofs.filter((p) => differencesOf(p) > 0).map(({ from }) => from);
  return deletes.filter(
    (del) => del.state === 'proven' && !differing.some((from) => from >= del.from && from < del.to),
  );
}

function stillComing(late: readonly Late[]): RefillError {
  const where = [...new Set(late.map(({ table }) => table.definition.name))].join(', ');
  return new RefillError(
    'ROWS_KEEP_COMING',
    `${sum(late)} rows of ${where} with versions from before the run came into its range again, after others of them were deleted`,
    { details: { rows: sum(late) } },
  );
}
