import { chLiteral, identifier } from '../dataset/sql.ts';
import { asRefillError, RefillError } from '../domain/errors.ts';
import type { Range } from '../domain/words.ts';
import { readWriteChecks } from '../target/rehearsal.ts';
import { from, inRange, instantLiteral } from '../target/tables.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/**
 * Refuses a range with rows that a TTL of the target removes, or resets a column of: what is written there vanishes at
 * the next merge, and the old rows would be gone as well. The rows that the target has are asked, and the earliest instant
 * at which the source has one. What only the source knows of its rows, the rehearsal of a window finds.
 *
 * @param firstOf The earliest instant that the source has rows of a table; null where it has none, or is not asked.
 * @throws RefillError `TTL_IN_RANGE`.
 */
export async function refuseExpired(
  bench: Workbench,
  range: Range,
  firstOf: (table: string) => string | null,
): Promise<void> {
  for (const table of bench.tables) {
    const { name } = table.definition;
    const first = firstOf(name);
    for (const { kind, condition, what } of (await readWriteChecks(bench.target, table)).rows) {
      if (kind !== 'ttl') continue;
      if (first !== null && (await expiredAt(bench, table, condition, first))) throw expiredError(name, range, what);
      const [row] = await bench.target.rows<{ refill_own_rows: string }>(
        `SELECT toString(count()) AS refill_own_rows ${from(table.target, false)}
         WHERE ${inRange(table.definition, bench.tenant, range)} AND ${condition}`,
      );
      if (Number(row?.refill_own_rows ?? 0) > 0) throw expiredError(name, range, what);
    }
  }
}

/** Whether a rule removes rows of an instant, whatever else is in them; false where that decides as well. */
async function expiredAt(bench: Workbench, table: BenchTable, condition: string, at: string): Promise<boolean> {
  const { time } = table.definition;
  const type = table.target.columns.get(time)?.type ?? '';
  try {
    const [row] = await bench.target.rows<{ refill_own_due: number }>(
      `SELECT toUInt8(${condition}) AS refill_own_due FROM (SELECT CAST(${instantLiteral(at)}, ${chLiteral(type)}) AS ${identifier(time)})`,
    );
    return row?.refill_own_due === 1;
  } catch (error) {
    // 47 is UNKNOWN_IDENTIFIER: it depends on other columns.
    if (asRefillError(error).details['clickhouse'] === 47) return false;
    throw error;
  }
}

export function expiredError(table: string, range: Range, what: string): RefillError {
  return new RefillError(
    'TTL_IN_RANGE',
    `${table} has rows from ${range.from} to ${range.to} that it would remove or reset again at the next merge, by its ${what}`,
    { details: { table, ttl: what } },
  );
}
