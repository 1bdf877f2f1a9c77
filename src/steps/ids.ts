import { countStatement } from '../dataset/compile.ts';
import { keyNames, parseKey } from '../dataset/key.ts';
import { RefillError } from '../domain/errors.ts';
import type { Warning } from '../domain/plan.ts';
import { HOUR_MS, instant } from '../domain/windows.ts';
import { formatTenant, type Range } from '../domain/words.ts';
import { withSource } from '../source/postgres.ts';
import { countByHour } from '../target/count.ts';
import { ever, lookup } from './lookup.ts';
import type { Workbench } from './workbench.ts';

/** Unknown ids that a warning names. */
const NAMED = 5;

/** Where the rows of some ids lie, and what has to be said of the ids. */
export interface Located {
  readonly range: Range;
  readonly warnings: readonly Warning[];
}

/**
 * The hours of a narrowed workbench's rows, on both sides: a row may lie in the target at a time that the source has left.
 *
 * @throws RefillError `KEY_UNKNOWN` where neither side has any of them.
 */
export async function locateIds(bench: Workbench, ids: readonly string[]): Promise<Located> {
  const hours: number[] = [];
  for (const table of bench.tables) {
    const [source, target] = await Promise.all([
      withSource(bench.source, (connection) =>
        connection.query<{ hour: Date }>(countStatement(table, { tenant: bench.tenant, range: ever(table) })),
      ),
      countByHour(bench.target, table, bench.tenant, ever(table)),
    ]);
    hours.push(...source.map(({ hour }) => hour.getTime()), ...target.map(({ hour }) => hour));
  }
  if (hours.length === 0)
    throw new RefillError('KEY_UNKNOWN', `neither side of ${formatTenant(bench.tenant)} has a row of these ids`);
  const sorted = hours.sort((a, b) => a - b);
  const range = { from: instant(sorted[0] ?? 0), to: instant((sorted.at(-1) ?? 0) + HOUR_MS) };
  return { range, warnings: await unknownIds(bench, ids, range) };
}

async function unknownIds(bench: Workbench, ids: readonly string[], range: Range): Promise<Warning[]> {
  const table = bench.tables.find(
    ({ definition }) => definition.byId && keyNames(definition).join() === definition.byId.column,
  );
  if (!table) return [];
  const keys = new Map(ids.map((id) => [id, parseKey(table.key, id)]));
  const facts = await lookup(
    bench,
    table,
    [...keys.values()].filter((key) => key !== null),
    range,
  );
  const unknown = ids.filter((id) => {
    const found = facts.get(keys.get(id) ?? '');
    return found === undefined || (found.source.length === 0 && found.targets.length === 0);
  });
  if (unknown.length === 0) return [];
  const more = unknown.length > NAMED ? ', …' : '';
  return [
    {
      code: 'IDS_UNKNOWN',
      table: table.definition.name,
      message: `${unknown.length} of ${ids.length} ids are on neither side: ${unknown.slice(0, NAMED).join(', ')}${more}`,
    },
  ];
}
