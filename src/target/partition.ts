import { instant, ms } from '../domain/windows.ts';
import type { Range } from '../domain/words.ts';
import type { TargetTable } from './tables.ts';

/**
 * ClickHouse: the partition that all rows of a range lie in, as `IN PARTITION` takes it. Undefined where they may lie in
 * several, or where that is not certain: a column in another zone than UTC has its days and months elsewhere.
 */
export function partitionOf(table: TargetTable, time: string, range: Range): string | undefined {
  if (!/^DateTime(?:64)?\((?:\d+, )?'UTC'\)$/u.test(table.columns.get(time)?.type ?? '')) return undefined;
  const [first, last] = [range.from, instant(ms(range.to) - 1)].map((at) => at.slice(0, 10));
  if (first === undefined || last === undefined || first < '1970' || last > '2100') return undefined;
  const key = table.partitionKey.replaceAll('`', '');
  const literals: readonly (readonly [key: string, of: (day: string) => string])[] = [
    [`toYYYYMM(${time})`, (day) => day.slice(0, 7).replace('-', '')],
    [`toStartOfMonth(${time})`, (day) => `'${day.slice(0, 7)}-01'`],
    [`toYYYYMMDD(${time})`, (day) => day.replaceAll('-', '')],
    [`toDate(${time})`, (day) => `'${day}'`],
  ];
  const of = literals.find(([known]) => known === key)?.[1];
  return of && of(first) === of(last) ? of(first) : undefined;
}

/** The id of a partition, by which parts are named, of what `partitionOf` says. */
export function partitionId(partition: string): string {
  return partition.replaceAll(/['-]/gu, '');
}
