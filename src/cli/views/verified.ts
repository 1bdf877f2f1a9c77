import type { VerifiedTable } from '../../domain/events.ts';
import { DRIFT_KINDS, type DriftKind, type Excluded, type UnprovenColumn } from '../../domain/words.ts';
import { brief, count, visible } from '../../report/format.ts';
import { excludedReasons } from '../../report/summary.ts';
import type { Paint } from '../paint.ts';
import { table } from '../table.ts';

/** Keys of each kind that a terminal shows; `--json` has a hundred, the ledger all. */
const SHOWN_KEYS = 3;

/** Rows that differ in some tables, all kinds together. */
export function differences(tables: readonly VerifiedTable[]): number {
  return tables.reduce((sum, one) => sum + DRIFT_KINDS.reduce((all, kind) => all + one[kind], 0), 0);
}

/** Source, target and what differs, by table. */
export function verifiedTables(tables: readonly VerifiedTable[], color: Paint): string {
  const unsettled = tables.some((one) => one.unsettled > 0);
  const wrong = (rows: number) => (rows === 0 ? '0' : color.red(count(rows)));
  return table(
    [
      { head: 'table' },
      { head: 'source', right: true },
      { head: 'target', right: true },
      ...DRIFT_KINDS.map((kind) => ({ head: kind, right: true })),
      ...(unsettled ? [{ head: 'unsettled', right: true }] : []),
    ],
    tables.map((one) => [
      brief(one.table),
      count(one.source),
      count(one.target),
      ...DRIFT_KINDS.map((kind) => wrong(one[kind])),
      ...(unsettled ? [count(one.unsettled)] : []),
    ]),
    color,
  );
}

/** Source rows that are left out on purpose, by reason and table; null where there are none. */
export function excludedRows(
  tables: readonly { readonly table: string; readonly excluded: Excluded }[],
  color: Paint,
): string | null {
  const reasons = excludedReasons(tables);
  if (reasons.length === 0) return null;
  return table(
    [{ head: 'left out on purpose' }, ...tables.map((one) => ({ head: brief(one.table), right: true }))],
    // A reason that a table does not have is none of its own, which is not a count of zero.
    reasons.map((reason) => [brief(reason), ...tables.map((one) => count(one.excluded[reason]))]),
    color,
  );
}

/** Columns that nobody derives or compares, with the reason; null where there are none. */
export function unprovenRows(columns: readonly UnprovenColumn[], color: Paint): string | null {
  if (columns.length === 0) return null;
  return table(
    [{ head: 'not proven' }, { head: 'why' }],
    columns.map((one) => [`${brief(one.table)}.${brief(one.column)}`, visible(one.reason)]),
    color,
  );
}

/** How many rows differ, by table, kind and reason. */
type Reasons = readonly {
  readonly table: string;
  readonly kind: DriftKind;
  readonly reason: string;
  readonly rows: number;
  readonly columns?: Readonly<Record<string, number>>;
}[];

/** The columns that differ, those of most rows first: `: score, weight`. */
function columnWords(of: Reasons): string {
  const rows = new Map<string, number>();
  for (const { columns } of of)
    for (const [column, n] of Object.entries(columns ?? {})) rows.set(column, (rows.get(column) ?? 0) + n);
  const names = [...rows].sort(([, a], [, b]) => b - a).map(([column]) => column);
  return names.length === 0 ? '' : `: ${names.join(', ')}`;
}

/** What differs, by kind, reason and table, the most first and so many at most. */
export function reasonRows(reasons: Reasons, color: Paint, most = Number.POSITIVE_INFINITY): string {
  const tables = [...new Set(reasons.map((one) => one.table))].sort();
  const kinds = new Map(reasons.map(({ kind, reason }) => [JSON.stringify([kind, reason]), { kind, reason }]));
  const rows = [...kinds.values()].map(({ kind, reason }) => {
    const of = reasons.filter((one) => one.kind === kind && one.reason === reason);
    return { kind, reason, of, rows: Math.max(...of.map((one) => one.rows)) };
  });
  rows.sort((a, b) => b.rows - a.rows);
  return table(
    [{ head: 'differs' }, { head: 'why' }, ...tables.map((name) => ({ head: brief(name), right: true }))],
    rows
      .slice(0, most)
      .map(({ kind, reason, of }) => [
        kind,
        brief(`${reason}${columnWords(of)}`, 60),
        ...tables.map((name) => count(of.find((one) => one.table === name)?.rows)),
      ]),
    color,
  );
}

/** The first keys of each kind, by table; null where nothing differs. */
export function namedKeys(tables: readonly VerifiedTable[], color: Paint): string | null {
  const lines = tables.flatMap((one) =>
    DRIFT_KINDS.flatMap((kind) => {
      const keys = one.keys[kind] ?? [];
      if (keys.length === 0) return [];
      const named = keys.slice(0, SHOWN_KEYS).map((key) => brief(key, 60));
      const more = one[kind] - named.length;
      return `  ${brief(one.table)} ${color.red(kind)}: ${named.join(', ')}${more > 0 ? color.dim(` … and ${count(more)} more`) : ''}`;
    }),
  );
  return lines.length === 0 ? null : lines.join('\n');
}
