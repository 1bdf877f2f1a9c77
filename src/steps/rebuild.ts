import { setTimeout as sleep } from 'node:timers/promises';
import { chLiteral, identifier } from '../dataset/sql.ts';
import { RefillError } from '../domain/errors.ts';
import type { Limits } from '../domain/limits.ts';
import type { Range } from '../domain/words.ts';
import { newId } from '../ledger/ids.ts';
import { localName, type TargetTable } from '../target/tables.ts';
import type { AwaitOptions } from './await-mutation.ts';
import { debugPoint } from './debug-points.ts';
import { deleteNow } from './delete-now.ts';
import { affected, DERIVE_SETTINGS, derivedSelect, isShared, type Rebuild } from './read-rebuild.ts';
import { awaitNotOnItsWay } from './send-mutation.ts';
import type { BenchTable, Workbench } from './workbench.ts';

export interface RebuildOptions extends AwaitOptions {
  readonly limits: AwaitOptions['limits'] & Pick<Limits, 'looks' | 'graceSeconds'>;
  readonly run: string;
  /** Its number in the plan. */
  readonly number: number;
}

/**
 * Makes a view's target hold, in the buckets of a range, what its SELECT makes of the table's rows, and proves it: both
 * are compared bucket by bucket, and only if they differ the buckets are cleared and written again. So it can be repeated
 * after any crash, and does nothing the second time.
 *
 * A live writer's row that comes between the reading and the clearing is lost from the view, or counted twice; the
 * comparison that follows reads both sides anew, finds it, and the view is written again.
 *
 * @returns Whether anything had to be written.
 * @throws RefillError `DEPENDENT_UNPROVEN`, `DEPENDENTS`, and what deletes throw.
 */
export async function rebuildView(
  bench: Workbench,
  rebuild: Rebuild,
  range: Range,
  options: RebuildOptions,
): Promise<boolean> {
  const { run, number, limits, signal } = options;
  if (await isShared(bench, rebuild, range))
    throw new RefillError(
      'DEPENDENTS',
      `${rebuild.view} does not keep tenants apart, and ${rebuild.base.definition.name} holds rows of another one`,
    );
  const mark = `refill ${run} rebuild ${number} `;
  // What a killed program has sent may still be at work. A table that is read from is dropped when that has ended.
  await dropLeft(bench, rebuild, run, number);
  await awaitNotOnItsWay(bench, mark, options);
  for (let look = 0; ; look += 1) {
    signal.throwIfAborted();
    const staging = await derive(bench, rebuild, range, `refill_rebuild_${run}_${number}_${newId('v')}`);
    try {
      await debugPoint('rebuild-staged');
      const differing = await differingBuckets(bench, rebuild, range, staging);
      if (differing.length === 0) return look > 0;
      if (look > limits.looks)
        throw new RefillError(
          'DEPENDENT_UNPROVEN',
          `${rebuild.view} was rebuilt ${look} times and differs from what its SELECT makes of ${rebuild.base.definition.name}, first in ${differing[0]}`,
          { details: { view: rebuild.view, buckets: differing } },
        );
      await clear(bench, rebuild, range, mark, options);
      await debugPoint('rebuild-cleared');
      const names = rebuild.columns.map(identifier).join(', ');
      await bench.target.command(
        `INSERT INTO ${localName(rebuild.target)} (${names}) SELECT ${names} FROM ${staging}`,
        DERIVE_SETTINGS,
      );
      await debugPoint('rebuild-written');
    } finally {
      await bench.target.command(`DROP TABLE IF EXISTS ${staging} SYNC`).catch(() => undefined);
    }
    // Rows of a live writer that are on their way reach table and view at two moments.
    if (look > 0) await sleep(limits.graceSeconds * 1000, undefined, { signal });
  }
}

async function dropLeft(bench: Workbench, { target }: Rebuild, run: string, number: number): Promise<void> {
  const { database } = target;
  const rows = await bench.target.rows<{ name: string }>(
    `SELECT name FROM system.tables WHERE database = {database:String} AND startsWith(name, {prefix:String})`,
    { database, prefix: `refill_rebuild_${run}_${number}_` },
  );
  for (const { name } of rows) await bench.target.command(`DROP TABLE IF EXISTS ${localName({ database, name })} SYNC`);
}

/** Derives the view's rows into a table like its target: merges make the same of them there. */
async function derive(bench: Workbench, rebuild: Rebuild, range: Range, name: string): Promise<string> {
  const staging = localName({ database: rebuild.target.database, name });
  await bench.target.command(`CREATE TABLE ${staging} AS ${localName(rebuild.target)}`);
  await bench.target.command(
    `INSERT INTO ${staging} (${rebuild.columns.map(identifier).join(', ')}) ${derivedSelect(bench, rebuild, range)}`,
    DERIVE_SETTINGS,
  );
  return staging;
}

async function clear(
  bench: Workbench,
  rebuild: Rebuild,
  range: Range,
  mark: string,
  options: RebuildOptions,
): Promise<void> {
  const { target, base } = rebuild;
  // Its own table on a bench of its own. No column is its time: a bucket's partition is not that of the range.
  const table: BenchTable = { ...base, definition: { ...base.definition, name: target.name, time: '' }, target };
  await deleteNow(
    { ...bench, tables: [table] },
    table,
    { range, condition: affected(bench, rebuild, range), mark, kind: 'rewrite' },
    options,
  );
}

/** Buckets in which the view's target and what was derived are not the same, after all merges; the first five. */
async function differingBuckets(
  bench: Workbench,
  rebuild: Rebuild,
  range: Range,
  staging: string,
): Promise<readonly string[]> {
  const { target, bucket } = rebuild;
  const { exact, floats } = await finalColumns(bench, target);
  const final = target.engine === 'MergeTree' ? '' : ' FINAL';
  const side = (place: string, number: 0 | 1) =>
    `SELECT ${identifier(bucket.column)} AS refill_own_bucket, ${number} AS refill_own_side, cityHash64(${["''", ...exact].join(', ')}) AS refill_own_hash,
       [${floats.map((f) => `toFloat64(ifNull(${f}, 0))`).join(', ')}]::Array(Float64) AS refill_own_floats
     FROM ${place}${final} WHERE ${affected(bench, rebuild, range)}`;
  // Sums of floats depend on the order of their rows in the last digits.
  const sum = (of: 0 | 1) => `arrayResize(sumForEachIf(refill_own_floats, refill_own_side = ${of}), ${floats.length})`;
  const apart =
    floats.length === 0
      ? ''
      : ` OR arrayExists((a, b) -> abs(a - b) > 1e-9 * greatest(abs(a), abs(b)), ${sum(0)}, ${sum(1)})`;
  const rows = await bench.target.rows<{ bucket: string }>(
    `SELECT toString(refill_own_bucket) AS bucket FROM (${side(localName(target), 0)} UNION ALL ${side(staging, 1)})
     GROUP BY refill_own_bucket
     HAVING countIf(refill_own_side = 0) != countIf(refill_own_side = 1) OR sumIf(refill_own_hash, refill_own_side = 0) != sumIf(refill_own_hash, refill_own_side = 1)${apart}
     ORDER BY refill_own_bucket LIMIT 5`,
  );
  return rows.map((row) => row.bucket);
}

/** ClickHouse: a target's columns as readers see them, with the states of aggregate functions turned into their values. */
async function finalColumns(
  bench: Workbench,
  target: TargetTable,
): Promise<{ readonly exact: readonly string[]; readonly floats: readonly string[] }> {
  const columns = [...target.columns].map(([name, { type }]) =>
    type.startsWith('AggregateFunction') ? `finalizeAggregation(${identifier(name)})` : identifier(name),
  );
  const types = await bench.target.rows<{ type: string }>(
    `DESCRIBE TABLE (SELECT ${columns.map((c, i) => `${c} AS ${identifier(`refill_${i}`)}`).join(', ')} FROM ${localName(target)})`,
  );
  const isFloat = (index: number) =>
    /^(?:Nullable\()?B?Float/u.test(
      types[index]?.type.replace('SimpleAggregateFunction(', '').replace(/^\w+, /u, '') ?? '',
    );
  return {
    exact: columns.filter((_, index) => !isFloat(index)).map((c) => `toString(${c})`),
    floats: columns.filter((_, index) => isFloat(index)),
  };
}

/** For a plan: what writes a view again, with the run's own names put in. */
export function rebuildSql(bench: Workbench, rebuild: Rebuild, range: Range): string {
  const names = rebuild.columns.map(identifier).join(', ');
  return [
    `ALTER TABLE ${localName(rebuild.target)} DELETE WHERE ${affected(bench, rebuild, range)} AND ${chLiteral(':nonce')} != ''`,
    `INSERT INTO ${localName(rebuild.target)} (${names}) ${derivedSelect(bench, rebuild, range)}`,
  ].join(';\n');
}
