import { RefillError } from '../domain/errors.ts';
import type { Only } from '../domain/words.ts';
import type { DatasetDefinition, TableDefinition } from './definition.ts';
import { chLiteral, identifier } from './sql.ts';

/** Ids that a plan may name: they stand in each of its statements, and ClickHouse takes 256 KB of one. */
export const MOST_IDS = 1000;

/**
 * A Postgres array of ids. Colons are escaped, so that parameters that are put in afterwards (`:from`) are not looked for
 * inside of an id.
 */
function idsLiteral(ids: readonly string[]): string {
  const items = ids.map((id) => `"${id.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`);
  const text = `{${items.join(',')}}`.replaceAll('\\', '\\\\').replaceAll("'", "''").replaceAll(':', '\\x3A');
  return `E'${text}'::text[]`;
}

function part(table: TableDefinition, only: Only): { readonly rowsInRange: string; readonly target: string } | null {
  if ('subset' in only) return table.subsets?.[only.subset] ?? null;
  if (!table.byId) return null;
  return {
    rowsInRange: table.byId.rowsInRange.replaceAll(/(?<![:\w]):ids\b/gu, () => idsLiteral(only.ids)),
    target: `${identifier(table.byId.column)} IN (${only.ids.map(chLiteral).join(', ')})`,
  };
}

/**
 * A dataset that is confined to some of its rows on both sides, as if no others were there: what is counted, written,
 * deleted and proven is a part of them, by the same steps.
 *
 * @throws RefillError `SUBSET_UNKNOWN`.
 */
export function narrow(dataset: DatasetDefinition, only: Only | undefined): DatasetDefinition {
  if (only === undefined) return dataset;
  return {
    ...dataset,
    tables: dataset.tables.map((table) => {
      const found = part(table, only);
      if (!found) {
        const what = 'subset' in only ? `subset ${only.subset}` : 'way to find rows by ids';
        const known = Object.keys(table.subsets ?? {}).join(', ') || 'none';
        throw new RefillError(
          'SUBSET_UNKNOWN',
          `table ${table.name} of dataset ${dataset.name} has no ${what}; its subsets: ${known}`,
        );
      }
      return { ...table, source: { ...table.source, rowsInRange: found.rowsInRange }, only: found.target };
    }),
  };
}
