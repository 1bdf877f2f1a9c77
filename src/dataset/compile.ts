import { RefillError } from '../domain/errors.ts';
import type { UnprovenColumn } from '../domain/words.ts';
import type { ColumnCodec, SourceType } from './codec.ts';
import {
  columnProblems,
  type Misfit,
  OWN_NAMES,
  problem,
  timeTickMs,
  unprovenColumns,
  versionPrecision,
} from './columns.ts';
import type { TableDefinition } from './definition.ts';
import { type Key, type KeyColumn, keyColumn, type KeyLists, keyLiteral, keyNames } from './key.ts';
import type { TargetColumns } from './target-columns.ts';
import { bind, chLiteral, identifier, literal, type Parameters } from './sql.ts';

/**
 * A table definition with the types of the target it is for: it makes every statement that reads the source. All of
 * them are made of the same three parts (the base rows, the exclusions, the columns), so that survey, re-index, verify
 * and explain cannot disagree about which rows there are and why one is left out.
 */
export interface CompiledTable {
  readonly definition: TableDefinition;
  /** The columns of the canonical line in its order: those of the key first, so that a line begins with its key. */
  readonly columns: ReadonlyMap<string, ColumnCodec>;
  readonly key: readonly KeyColumn[];
  /** How many ms a tick of the time column's canonical text has: 1 for DateTime64(3), 1000 for DateTime. */
  readonly timeTickMs: number;
  /** Precision of the version column in digits of a second; null where rows of a run cannot be told from others. */
  readonly versionPrecision: number | null;
  /** What of the target is neither derived nor proven. */
  readonly unproven: readonly UnprovenColumn[];
}

/**
 * Buckets of a window, told by a row's key: whatever becomes of a row, it stays in its bucket, so that an equal bucket says
 * of each of its keys that it is right. Enough of them that one difference makes only some hundred rows suspect. A power of two.
 */
export const BUCKETS = 1024;

/** Compiles a table; what does not fit, where something does not. */
export function compileTable(definition: TableDefinition, target: TargetColumns): CompiledTable | Misfit {
  const columns = new Map<string, ColumnCodec>();
  const problems = columnProblems(definition, target, columns);
  const keys = keyNames(definition).map((name) => ({
    name,
    column: keyColumn(name, definition.columns[name]?.kind ?? 'text', target.get(name)?.type ?? ''),
  }));
  for (const { name, column } of keys) if (typeof column === 'string') problems.push(problem(name, column));
  if (problems.length > 0) return { table: definition.name, side: 'target', problems };
  return {
    definition,
    columns: keyFirst(definition, columns),
    key: keys.flatMap(({ column }) => (typeof column === 'string' ? [] : [column])),
    timeTickMs: timeTickMs(definition, target),
    versionPrecision: versionPrecision(definition, target),
    unproven: unprovenColumns(definition, target),
  };
}

/** Columns in the order of the line: the key's come first, in the order of the key. */
function keyFirst(
  definition: TableDefinition,
  columns: ReadonlyMap<string, ColumnCodec>,
): ReadonlyMap<string, ColumnCodec> {
  const keys = keyNames(definition);
  const rank = (name: string) => (keys.includes(name) ? keys.indexOf(name) : keys.length);
  return new Map([...columns].sort(([a], [b]) => rank(a) - rank(b)));
}

/** Which source rows a statement is about: those of a range, those of some keys, or of some keys in a range. */
export type Scope = Parameters & ({ readonly range: NonNullable<Parameters['range']> } | { readonly keys: KeyLists });

function fromClause(table: TableDefinition, scope: Scope): string {
  const rows = scope.range ? table.source.rowsInRange : table.source.rowsByKey;
  return `FROM ${table.source.from.replace(/(?<![:\w]):rows\b/u, () => `(${rows})`)}`;
}

/** Postgres: the reason why a row is left out, '' where it is not. */
function reason(table: TableDefinition): string {
  if (table.exclusions.length === 0) return `''::text`;
  const branches = table.exclusions.map(
    ({ reason: name, when, unless }) =>
      `${unless === undefined ? '' : `WHEN ${unless} THEN '' `}WHEN ${when} THEN ${literal(name)}`,
  );
  return `CASE ${branches.join(' ')} ELSE '' END`;
}

/** The rows of a scope, those left out included. */
function rowsOf(table: TableDefinition, scope: Scope): string {
  return `${fromClause(table, scope)}${scope.keys ? `\nWHERE (${table.source.whereKey})` : ''}`;
}

/**
 * ClickHouse: some canonical fields of a target row as they stand in its line. It escapes as COPY does, but for two characters: it writes `\\'` where COPY
 * writes `'`, and leaves the vertical tab that COPY writes as `\\v`.
 */
function targetFields(table: CompiledTable, names: readonly string[]): string {
  const fields = names.map((name) => table.columns.get(name)?.field(identifier(name)) ?? '');
  return `replaceAll(replaceAll(formatRowNoNewline('TabSeparated', ${fields.join(', ')}), '\\\\\\'', '\\''), '\\x0B', '\\\\v')`;
}

const keyOf = (table: CompiledTable) => table.key.map(({ name }) => name);

/** ClickHouse: a target row's key, as its canonical line begins (`Key`). */
export function targetKey(table: CompiledTable): string {
  return targetFields(table, keyOf(table));
}

/** ClickHouse: the condition for rows of some keys, none of which is another's bytes. */
export function keyIn(table: CompiledTable, keys: readonly Key[]): string {
  return `${targetKey(table)} IN (${keys.map(keyLiteral).join(', ')})`;
}

/**
 * ClickHouse: the two halves of a target row's hash (src/domain/row-hash.ts) and its bucket, as columns `refill_own_xx`,
 * `refill_own_murmur` and `refill_own_bucket` of a SELECT or a WITH: a column of the table's own may be called anything.
 *
 * @param misplaced A condition for rows that are not where they should be: their hash is another one, so that they
 * count as different wherever hashes are compared.
 */
export function targetHash(table: CompiledTable, misplaced = ''): string {
  const own =
    misplaced === '' ? 'xxHash32(refill_own_line)' : `bitXor(xxHash32(refill_own_line), toUInt32(${misplaced}))`;
  const key = `substringIndex(refill_own_line, '\\t', ${table.key.length})`;
  return `${targetFields(table, [...table.columns.keys()])} AS refill_own_line, ${own} AS refill_own_xx, murmurHash3_32(refill_own_line) AS refill_own_murmur, bitAnd(murmurHash3_32(${key}), ${BUCKETS - 1}) AS refill_own_bucket`;
}

/** ClickHouse: the hash of a SELECT with `targetHash` as 16 hex digits. */
export const HASH_TEXT = `lower(concat(leftPad(hex(refill_own_xx), 8, '0'), leftPad(hex(refill_own_murmur), 8, '0')))`;

/** Postgres: the expression of one of a table's columns. */
function expression(table: CompiledTable, name: string): string {
  const definition = table.definition.columns[name];
  if (!definition) throw new RefillError('BUG', `${table.definition.name} has no column ${name}`);
  return `(${definition.sql})`;
}

const sourceTime = (table: CompiledTable) => `${expression(table, table.definition.time)}::timestamptz`;

/**
 * The rows of a scope as the one SELECT that survey, re-index, verify and explain read: first why a row is left out ('' where
 * it is not), then its canonical line.
 *
 * @param order Whether rows come in the order of their keys' canonical fields: by their bytes, NULL first.
 */
export function readStatement(table: CompiledTable, scope: Scope, order = false): string {
  const wires = [...table.columns].map(([name, codec]) => `${codec.wire}${aliasOf(name)}`);
  const by = order ? `\nORDER BY ${keyOrder(table)}` : '';
  const why = `${reason(table.definition)} AS reason`;
  return bind(`SELECT ${[why, ...wires].join(',\n  ')}\n${rowsOf(table.definition, scope)}${by}`, scope);
}

const keyOrder = (table: CompiledTable) =>
  keyOf(table)
    .map((name) => `(${table.columns.get(name)?.wire ?? ''})::text COLLATE "C" NULLS FIRST`)
    .join(', ');

/** ClickHouse: what rows are ordered by to come in the order of `readStatement` by key, NULL first. */
export function targetKeyOrder(table: CompiledTable): string {
  return keyOf(table)
    .map((name) => `toString(${table.columns.get(name)?.field(identifier(name)) ?? ''})`)
    .join(', ');
}

/** Postgres: names a column for whoever reads the statement, where its name surely changes nothing in it. */
const aliasOf = (name: string) => (/^[A-Za-z_]\w{0,50}$/u.test(name) ? ` AS "${name}"` : '');

/** The dataset's expressions with the types that they may have, by column. */
export function sourceTypes(table: CompiledTable): readonly (SourceType & { readonly column: string })[] {
  return [...table.columns].flatMap(([column, { sources }]) => sources.map((source) => ({ ...source, column })));
}

/** Reads no row: its columns have the types of `sourceTypes`, before any cast of ours. */
export function typesStatement(table: CompiledTable, scope: Scope): string {
  const columns = sourceTypes(table).map(({ sql }) => `(${sql})`);
  return bind(`SELECT ${columns.join(',\n  ')}\n${rowsOf(table.definition, scope)}\nLIMIT 0`, scope);
}

/** Some keys that several rows of a scope have: a column of canonical text for each of the key's. */
export function repeatedKeysStatement(table: CompiledTable, scope: Scope, most: number): string {
  const wires = keyOf(table).map((name, index) => `(${table.columns.get(name)?.wire ?? ''})::text AS k${index}`);
  const by = keyOf(table).map((_, index) => `k${index}`);
  const rows = `SELECT ${reason(table.definition)} AS reason, ${wires.join(', ')}\n${rowsOf(table.definition, scope)} OFFSET 0`;
  return bind(
    `SELECT ${by.join(', ')} FROM (${rows}) r WHERE reason = '' GROUP BY ${by.join(', ')} HAVING count(*) > 1 LIMIT ${most}`,
    scope,
  );
}

/** Computes one column of every row: it fails where that column's values are at fault. */
export function columnStatement(table: CompiledTable, scope: Scope, name: string): string {
  const wire = table.columns.get(name)?.wire;
  if (wire === undefined) throw new RefillError('BUG', `${table.definition.name} has no column ${name}`);
  return bind(`SELECT count(${wire}) AS rows\n${rowsOf(table.definition, scope)}`, scope);
}

/** Where rows go, and the values that are the same for all of them. */
export interface InsertTarget {
  /** What an INSERT INTO names: a table, or a table function. */
  readonly into: string;
  readonly tenant: Parameters['tenant'];
  /** `YYYY-MM-DD HH:MM:SS.ffffff` in UTC: the time of the snapshot that the rows were read in. */
  readonly version: string;
}

/** What an INSERT is made of that takes the lines of `readStatement` that are not left out. */
export interface InsertParts {
  readonly names: readonly string[];
  /** The expression of each, in terms of the input's columns. */
  readonly values: readonly string[];
  /** Reads the lines. */
  readonly from: string;
}

/** The INSERT that takes the lines of `readStatement` that are not left out. */
export function insertStatement(table: CompiledTable, target: InsertTarget): string {
  const { names, values, from } = insertParts(table, target);
  return `INSERT INTO ${target.into} (${names.map(identifier).join(', ')})
SELECT ${values.join(',\n  ')}
${from} FORMAT TabSeparated`;
}

export function insertParts(table: CompiledTable, target: InsertTarget): InsertParts {
  const { definition } = table;
  const names = [...table.columns.keys()];
  // Names of our own in what is read: a column of the target may be called anything else.
  const inputs = [...table.columns.values()].map((codec, index) => ({ codec, name: `${OWN_NAMES}${index + 1}` }));
  const values = inputs.map(({ codec, name }) => codec.decode(name));
  if (definition.version !== undefined) {
    names.push(definition.version);
    values.push(versionLiteral(table, target.version));
  }
  if (definition.owner) {
    names.push(definition.owner.customer, definition.owner.profile);
    values.push(chLiteral(target.tenant.customer), chLiteral(target.tenant.profile));
  }
  const structure = [`${OWN_NAMES}reason String`, ...inputs.map(({ codec, name }) => `${name} ${codec.input}`)].join(
    ', ',
  );
  return { names, values, from: `FROM input(${chLiteral(structure)})` };
}

/** ClickHouse: a version as a literal of the version column's type. */
export function versionLiteral(table: CompiledTable, version: string): string {
  return `toDateTime64(${chLiteral(version)}, ${table.versionPrecision ?? 0}, 'UTC')`;
}

/**
 * Rows of a range by hour of their time and by reason, and of these the ones whose time does not lie in the range:
 * `hour timestamptz, reason text, rows bigint, astray bigint`. `OFFSET 0` keeps Postgres from merging the subquery into
 * its parent, where it would evaluate time and reason twice.
 */
export function countStatement(
  table: CompiledTable,
  scope: { readonly tenant: Parameters['tenant']; readonly range: NonNullable<Parameters['range']> },
): string {
  const rows = `SELECT ${sourceTime(table)} AS at, ${reason(table.definition)} AS reason
${rowsOf(table.definition, scope)} OFFSET 0`;
  return bind(
    `SELECT date_trunc('hour', at, 'UTC') AS hour, reason, count(*) AS rows,
  count(*) FILTER (WHERE NOT (at >= :from AND at < :to)) AS astray
FROM (${rows}) r GROUP BY 1, 2`,
    scope,
  );
}
