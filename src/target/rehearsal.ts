import { insertParts, type InsertTarget } from '../dataset/compile.ts';
import { chLiteral, identifier } from '../dataset/sql.ts';
import type { CompiledTable } from '../dataset/compile.ts';
import type { Target } from './clickhouse.ts';
import { readRules, type TtlRule } from './create-query.ts';
import type { TargetTable } from './tables.ts';

/** A column whose value the server makes of a row's others. */
interface DerivedColumn {
  readonly name: string;
  readonly type: string;
  readonly kind: 'DEFAULT' | 'MATERIALIZED' | 'ALIAS' | 'EPHEMERAL';
  readonly expression: string;
}

/** A condition under which a row must not be written. */
export interface RowCheck {
  /** True for such rows. */
  readonly condition: string;
  readonly kind: 'constraint' | 'ttl';
  /** What it is, for people: names and expressions of the table's own definition. */
  readonly what: string;
}

/** What the server computes and checks of each row that is inserted into a table. */
export interface WriteChecks {
  readonly derived: readonly DerivedColumn[];
  /** Keys and indexes that are made by expressions, which can fail for a value. */
  readonly expressions: readonly string[];
  readonly rows: readonly RowCheck[];
}

/** Reads from the server what it checks of rows for a table, TTLs that concern the columns of ours included. */
export async function readWriteChecks(
  target: Target,
  table: CompiledTable & { readonly target: TargetTable },
): Promise<WriteChecks> {
  const where = { database: table.target.database, name: table.target.name };
  const [[described], columns, indexes] = await Promise.all([
    target.rows<{ query: string; keys: string[] }>(
      `SELECT create_table_query AS query, [partition_key, sorting_key, sampling_key] AS keys FROM system.tables
       WHERE database = {database:String} AND name = {name:String}`,
      where,
    ),
    target.rows<DerivedColumn>(
      `SELECT name, type, default_kind AS kind, default_expression AS expression FROM system.columns
       WHERE database = {database:String} AND table = {name:String} AND default_kind != '' ORDER BY position`,
      where,
    ),
    target.rows<{ expr: string }>(
      `SELECT expr FROM system.data_skipping_indices WHERE database = {database:String} AND table = {name:String}`,
      where,
    ),
  ]);
  const { constraints, ttls } = readRules(described?.query ?? '');
  const ours = new Set(writtenColumns(table));
  return {
    derived: columns.filter(({ name }) => !ours.has(name)),
    expressions: [...(described?.keys ?? []), ...indexes.map(({ expr }) => expr)].filter(isComputed).map(withoutOrder),
    rows: [
      ...constraints.map(({ name, check }): RowCheck => ({
        // A check that is NULL has failed.
        condition: `ifNull(NOT (${check}), 1)`,
        kind: 'constraint',
        what: `constraint ${name} (${check})`,
      })),
      ...ttls
        .filter(({ column }) => column === null || ours.has(column))
        .map((rule): RowCheck => ({ condition: expired(rule), kind: 'ttl', what: ttlName(rule) })),
    ],
  };
}

/** The columns that an insert of ours names. */
function writtenColumns({ definition, columns }: CompiledTable): readonly string[] {
  const { version, owner } = definition;
  return [...columns.keys(), version, owner?.customer, owner?.profile].filter((name) => name !== undefined);
}

/** Whether a key is more than columns as they are. */
const isComputed = (key: string): boolean => !/^[\w`., ]*$/u.test(key);

const withoutOrder = (key: string): string => key.replaceAll(/ (?:ASC|DESC)(?=,|$)/gu, '');

const ttlName = ({ at, where, column }: TtlRule): string =>
  `TTL ${column === null ? '' : `of column ${column} `}${at}${where === null ? '' : ` WHERE ${where}`}`;

/** A row that outlives the proof by less would be proven, and be gone when somebody looks. */
const OUTLIVES_SECONDS = 3600;

/** ClickHouse: the condition for rows that a rule removes, or resets a column of, now or soon. 0 is never, as for the server. */
function expired({ at, where }: TtlRule): string {
  const due = `ifNull(toUnixTimestamp(${at}) BETWEEN 1 AND toUnixTimestamp(now()) + ${OUTLIVES_SECONDS}, 0)`;
  return where === null ? due : `(${due} AND ifNull(${where}, 0))`;
}

/** Begins what a check says of itself where a row does not pass it; its number in `WriteChecks.rows` follows. */
const FAILED_CHECK = 'refill: a row fails check ';

/** The number of the check that an error of a rehearsal is about. */
export function failedCheck(error: unknown): number | undefined {
  const text = error instanceof Error ? error.message : '';
  const found = new RegExp(`${FAILED_CHECK}(\\d+)`, 'u').exec(text);
  return found ? Number(found[1]) : undefined;
}

/**
 * The statement of `insertStatement` with everything computed and checked that the server computes and checks of each row
 * (casts, DEFAULT and MATERIALIZED columns, keys, indexes, constraints, TTLs), and with no row left to be written. It needs no
 * right that writing does not, makes no table that a crash could leave behind, and triggers no view.
 */
export function rehearsalStatement(
  table: CompiledTable & { readonly target: TargetTable },
  target: InsertTarget,
  { derived, expressions, rows }: WriteChecks,
): string {
  const { names, values, from } = insertParts(table, target);
  const typeOf = (name: string) => table.target.columns.get(name)?.type ?? '';
  const cast = (value: string, type: string, name: string) =>
    `CAST(${value}, ${chLiteral(type)}) AS ${identifier(name)}`;
  const input = names.map((name, nth) => cast(values[nth] ?? '', typeOf(name), name));
  const made = derived.map(({ name, type, expression }) =>
    cast(expression === '' ? `defaultValueOfTypeName(${chLiteral(type)})` : `(${expression})`, type, name),
  );
  const computed = [
    ...names.map(identifier),
    // What is only asked for (ALIAS, EPHEMERAL) is computed where something is made of it.
    ...derived.filter(({ kind }) => kind === 'DEFAULT' || kind === 'MATERIALIZED').map(({ name }) => identifier(name)),
    ...expressions.map((expression) => `tuple(${expression})`),
    ...rows.map(({ condition }, nth) => `throwIf(${condition}, ${chLiteral(`${FAILED_CHECK}${nth}`)})`),
  ];
  // The size of a row is never 0, and no optimizer knows that: a condition that it knows to be false computes nothing.
  return `INSERT INTO ${target.into} (${names.map(identifier).join(', ')})
${made.length === 0 ? '' : `WITH ${made.join(',\n  ')}\n`}SELECT ${names.map(identifier).join(', ')}
FROM (SELECT ${input.join(',\n  ')}
  ${from})
WHERE blockSerializedSize(${computed.join(',\n  ')}) = 0 FORMAT TabSeparated`;
}
