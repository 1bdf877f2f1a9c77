import { countStatement } from '../dataset/compile.ts';
import { bind } from '../dataset/sql.ts';
import { RefillError } from '../domain/errors.ts';
import type { DayCount, TableCount } from '../domain/plan.ts';
import { DAY_MS, dayOf, HOUR_MS } from '../domain/windows.ts';
import type { Range } from '../domain/words.ts';
import { type Snapshot, withSnapshots, withSource } from '../source/postgres.ts';
import { countByHour, countKeys } from '../target/count.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** What both sides hold in a range. */
export interface SurveyCounts {
  readonly tables: readonly TableCount[];
  readonly days: readonly DayCount[];
  /** Source rows that should be in the target, of all tables together, by start of the hour in ms. */
  readonly sourceHours: ReadonlyMap<number, number>;
  /** Target rows by table and start of the hour in ms. */
  readonly targetHours: ReadonlyMap<string, ReadonlyMap<number, number>>;
}

/** Mutable sums, by day and for the whole range. */
interface Tally {
  source: number;
  excluded: Record<string, number>;
  target: number;
  targetKeys: number;
}

const emptyTally = (): Tally => ({ source: 0, excluded: {}, target: 0, targetKeys: 0 });

function entryOf<K>(map: Map<K, Tally>, key: K): Tally {
  const found = map.get(key) ?? emptyTally();
  map.set(key, found);
  return found;
}

/** Connections that a survey reads the source with: as many as windows are written with unless a limit says otherwise. */
const READERS = 2;

/**
 * Counts every row of a range on both sides, the source in one snapshot. A side that cannot be counted is an error:
 * unknown is not zero.
 */
export async function survey(bench: Workbench, range: Range): Promise<SurveyCounts> {
  const readers = Math.min(READERS, bench.tables.length);
  const counted = await withSnapshots(bench.source, readers, (snapshots) =>
    // A connection does one statement after another: a table waits for the one before it on the same connection.
    Promise.all(
      bench.tables.map((table, index) => countTable(bench, table, range, snapshots[index % readers] ?? snapshots[0])),
    ),
  );
  const sourceHours = new Map<number, number>();
  for (const [hour, rows] of counted.flatMap((c) => [...c.sourceHours]))
    sourceHours.set(hour, (sourceHours.get(hour) ?? 0) + rows);
  return {
    tables: counted.map((c) => c.count),
    days: counted.flatMap((c) => c.days),
    sourceHours,
    targetHours: new Map(counted.map((c) => [c.count.table, c.targetHours])),
  };
}

/** What both sides hold of one table. */
interface TableCounts {
  readonly count: TableCount;
  readonly days: readonly DayCount[];
  readonly sourceHours: ReadonlyMap<number, number>;
  readonly targetHours: ReadonlyMap<number, number>;
}

async function countTable(bench: Workbench, table: BenchTable, range: Range, snapshot: Snapshot): Promise<TableCounts> {
  const whole = emptyTally();
  const byDay = new Map<number, Tally>();
  const sourceHours = new Map<number, number>();
  const source = snapshot.query<{ hour: Date; reason: string; rows: string; astray: string }>(
    countStatement(table, { tenant: bench.tenant, range }),
  );
  const [sourceRows, hours, keys] = await Promise.all([source, ...targetSide(bench, table, range)]);
  refuseAstray(
    table,
    sourceRows.reduce((n, { reason, astray }) => n + (reason === '' ? Number(astray) : 0), 0),
  );
  for (const { hour, reason, rows } of sourceRows) {
    const day = entryOf(byDay, Math.floor(hour.getTime() / DAY_MS));
    const n = Number(rows);
    for (const tally of [whole, day]) {
      if (reason === '') tally.source += n;
      else tally.excluded[reason] = (tally.excluded[reason] ?? 0) + n;
    }
    if (reason === '') sourceHours.set(hour.getTime(), (sourceHours.get(hour.getTime()) ?? 0) + n);
  }
  for (const { hour, rows } of hours) {
    whole.target += rows;
    entryOf(byDay, Math.floor(hour / DAY_MS)).target += rows;
  }
  for (const [day, n] of keys) (day === null ? whole : entryOf(byDay, day)).targetKeys = n;
  const { name } = table.definition;
  return {
    count: { table: name, ...whole },
    days: [...byDay]
      .sort(([a], [b]) => a - b)
      .map(([day, tally]) => ({ day: dayOf(day * DAY_MS), table: name, ...tally })),
    sourceHours,
    targetHours: new Map(hours.map((h) => [h.hour, h.rows])),
  };
}

/**
 * Refuses a dataset whose range yields rows with a time outside of it: a run would write them where it deletes and proves
 * nothing, and once more each time.
 */
function refuseAstray({ definition }: BenchTable, rows: number): void {
  if (rows === 0) return;
  throw new RefillError(
    'DATASET_DISAGREES',
    `rowsInRange of ${definition.name} yields ${rows} rows whose ${definition.time} lies outside of the range`,
    { details: { table: definition.name, rows } },
  );
}

function targetSide(bench: Workbench, table: BenchTable, range: Range) {
  return [
    countByHour(bench.target, table, bench.tenant, range),
    countKeys(bench.target, table, bench.tenant, range),
  ] as const;
}

/** Rows in a window, from counts by hour. Windows begin and end on hours, except at the ends of the range. */
export function rowsIn(hours: ReadonlyMap<number, number>, fromMs: number, toMs: number): number {
  let rows = 0;
  for (let hour = Math.floor(fromMs / HOUR_MS) * HOUR_MS; hour < toMs; hour += HOUR_MS) rows += hours.get(hour) ?? 0;
  return rows;
}

/** Source rows without a time, of the whole tenant. It reads whole tables: only when asked for. */
export async function countUntimed(bench: Workbench): Promise<{ table: string; reason: string; rows: number }[]> {
  return withSource(bench.source, async (source) => {
    const found: { table: string; reason: string; rows: number }[] = [];
    for (const { definition } of bench.tables) {
      for (const untimed of definition.untimed ?? []) {
        const [row] = await source.query<{ rows: string }>(
          `SELECT count(*) AS rows FROM (${bind(untimed.select, { tenant: bench.tenant })}) u`,
        );
        found.push({ table: definition.name, reason: untimed.reason, rows: Number(row?.rows ?? 0) });
      }
    }
    return found;
  });
}
