import { chLiteral, identifier } from '../dataset/sql.ts';
import type { TargetColumn } from '../dataset/target-columns.ts';
import { parseTargetType } from '../dataset/target-type.ts';
import { RefillError } from '../domain/errors.ts';
import type { Warning } from '../domain/plan.ts';
import type { Range } from '../domain/words.ts';
import { deterministicFunctions } from '../target/functions.ts';
import { from, inRange } from '../target/tables.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/**
 * What a run would lose in columns that it does not derive: it deletes rows and writes them again, and then such a column
 * has its default. A row that holds another value loses it, whatever the strategy.
 */

/** Rows that lose a column's value. */
interface Reset {
  readonly table: string;
  readonly column: string;
  readonly rows: number;
  /** Whether a row's value was compared with the default; else every row counts, as each insert makes another one. */
  readonly compared: boolean;
  readonly expression: string;
}

/** A column that a run resets, with the condition for rows that lose something; null where no row can be told. */
interface Resettable {
  readonly name: string;
  readonly column: TargetColumn;
  readonly loses: string | null;
}

/**
 * Refuses to begin where rows of a range would lose values, as `COLUMN_RESET`.
 *
 * @returns What the dataset allows to be lost, as warnings.
 */
export async function refuseResets(bench: Workbench, range: Range): Promise<Warning[]> {
  const allowed: Reset[] = [];
  const refused: Reset[] = [];
  for (const table of bench.tables) {
    const { resets = [] } = table.definition;
    const found = await countResets(
      bench,
      table,
      await resettable(
        bench,
        table,
        table.unproven.map(({ column }) => column),
      ),
      inRange(table.definition, bench.tenant, range),
    );
    for (const reset of found) (resets.includes(reset.column) ? allowed : refused).push(reset);
  }
  if (refused.length > 0) throw columnReset(refused);
  return allowed.map((reset) => ({
    code: 'COLUMN_RESETS',
    table: reset.table,
    message: `the run writes the default into ${describe(reset)}: what is there now is lost, as the dataset lists it under resets`,
  }));
}

/**
 * Refuses to delete rows that have been given a value since, as `COLUMN_RESET`. Only columns whose default can be told:
 * the run's own rows have it.
 *
 * @param condition The rows of a table that are about to be deleted.
 */
export async function refuseResetsBy(bench: Workbench, table: BenchTable, condition: string): Promise<void> {
  const { resets = [], unproven = {} } = table.definition;
  const names = Object.keys(unproven).filter((name) => !resets.includes(name));
  const told = (await resettable(bench, table, names)).filter(({ loses }) => loses !== null);
  const found = await countResets(bench, table, told, condition);
  if (found.length > 0) throw columnReset(found);
}

function columnReset(resets: readonly Reset[]): RefillError {
  return new RefillError(
    'COLUMN_RESET',
    `a run would write the default into columns that it does not derive, and these rows hold something else: ${resets.map(describe).join('; ')}`,
    { details: { resets } },
  );
}

function describe({ table, column, rows, compared, expression }: Reset): string {
  const counted = `${table}.${column}: ${rows.toLocaleString('en')} ${rows === 1 ? 'row' : 'rows'}`;
  return compared
    ? counted
    : `${counted} (its default, ${expression}, is another one for each insert, so no row can be told to hold it)`;
}

async function countResets(
  bench: Workbench,
  table: BenchTable,
  columns: readonly Resettable[],
  condition: string,
): Promise<Reset[]> {
  if (columns.length === 0) return [];
  const counts = columns.map(({ loses }, index) => `toString(countIf(${loses ?? '1'})) AS refill_${index}`);
  const [row = {}] = await bench.target.rows<Record<string, string>>(
    `SELECT ${counts.join(', ')} ${from(table.target, false)} WHERE ${condition}`,
  );
  return columns.flatMap(({ name, column, loses }, index) => {
    const rows = Number(row[`refill_${index}`]);
    if (rows === 0) return [];
    const { expression } = column;
    return [{ table: table.definition.name, column: name, rows, compared: loses !== null, expression }];
  });
}

async function resettable(bench: Workbench, table: BenchTable, names: readonly string[]): Promise<Resettable[]> {
  const { columns } = table.target;
  return Promise.all(
    names.flatMap((name) => {
      const column = columns.get(name);
      // No row has a value of these.
      if (!column || column.kind === 'ALIAS' || column.kind === 'EPHEMERAL') return [];
      return [losing(bench, table, name, column).then((loses) => ({ name, column, loses }))];
    }),
  );
}

/** ClickHouse: the condition for rows whose value is not the default; null where the default cannot be told. */
async function losing(bench: Workbench, table: BenchTable, name: string, column: TargetColumn): Promise<string | null> {
  // An array of a Nested is filled up to the length of its neighbours.
  if (name.includes('.') && parseTargetType(column.type).base === 'Array') return null;
  const value = identifier(name);
  const type = chLiteral(column.type);
  if (column.expression === '') return differs(value, `defaultValueOfTypeName(${type})`);
  if (!(await isDeterministic(bench, table, column.expression))) return null;
  return differs(value, `CAST((${column.expression}) AS ${column.type})`);
}

/** Texts are compared: every type has one, NaN is itself, and NULL is told apart. */
const differs = (a: string, b: string) =>
  `(isNull(${a}) != isNull(${b}) OR ifNull(toString(${a}) != toString(${b}), 0))`;

/** Whether an expression gives the same for the same row, whenever it is asked. */
async function isDeterministic(bench: Workbench, table: BenchTable, expression: string): Promise<boolean> {
  const code = expression.replaceAll(/'(?:[^'\\]|\\.)*'/gsu, "''");
  const ephemeral = [...table.target.columns].some(([name, { kind }]) => kind === 'EPHEMERAL' && code.includes(name));
  if (ephemeral) return false;
  const calls = [...code.matchAll(/([A-Za-z_]\w*)\s*\(/gu)].map(([, name = '']) => name.toLowerCase());
  const names = [...new Set(calls)].filter((name) => !OPERATORS.has(name));
  const sure = await deterministicFunctions(bench.target, names);
  return names.every((name) => sure.has(name));
}

/** Words before a bracket that are no functions. */
const OPERATORS: ReadonlySet<string> = new Set([
  'and',
  'or',
  'not',
  'in',
  'as',
  'when',
  'then',
  'else',
  'is',
  'like',
  'between',
]);
