import { RefillError } from '../domain/errors.ts';
import { type ColumnCodec, columnCodec, parseTargetType } from './codec.ts';
import type { TableDefinition } from './definition.ts';
import { bind, chLiteral, identifier, literal, type Parameters } from './sql.ts';

/** A column of a target table, as `system.columns` has it. */
export interface TargetColumn {
  readonly type: string;
  /** It has a DEFAULT, so that an insert may leave it out. */
  readonly defaulted: boolean;
}

/** A target table's columns by name, those left out that no insert may name (MATERIALIZED, ALIAS). */
export type TargetColumns = ReadonlyMap<string, TargetColumn>;

/**
 * A table definition with the types of the target it is for: it makes every statement that reads the source. All of
 * them are made of the same three parts (the base rows, the exclusions, the columns), so that survey, re-index, verify
 * and explain cannot disagree about which rows there are and why one is left out.
 */
export interface CompiledTable {
  readonly definition: TableDefinition;
  readonly columns: ReadonlyMap<string, ColumnCodec>;
  /** Precision of the version column in digits of a second; null where rows of a run cannot be told from others. */
  readonly versionPrecision: number | null;
}

/** Buckets of a window: enough that one difference makes only a few hundred rows suspect. A power of two. */
export const BUCKETS = 1024;

/** Compiles a table, or throws `DATASET_INVALID` with everything that does not fit. */
export function compileTable(definition: TableDefinition, target: TargetColumns): CompiledTable {
  const problems: string[] = [];
  const columns = new Map<string, ColumnCodec>();
  for (const [name, column] of Object.entries(definition.columns)) {
    const type = target.get(name);
    const codec = type === undefined ? 'the target has no such column' : columnCodec(column, type.type);
    if (typeof codec === 'string') problems.push(`${name}: ${codec}`);
    else columns.set(name, codec);
  }
  const ours = new Set([...columns.keys(), definition.version, definition.owner?.customer, definition.owner?.profile]);
  for (const name of [definition.key, definition.time]) {
    if (!(name in definition.columns)) problems.push(`${name}: key and time must be columns of the dataset`);
  }
  for (const name of [definition.version, definition.owner?.customer, definition.owner?.profile]) {
    if (name !== undefined && !target.has(name)) problems.push(`${name}: the target has no such column`);
  }
  for (const [name, { defaulted }] of target) {
    if (!ours.has(name) && !defaulted)
      problems.push(`${name}: the target has this column, the dataset does not say what goes into it`);
  }
  if (problems.length > 0) {
    throw new RefillError(
      'DATASET_INVALID',
      `the dataset does not fit table ${definition.name}: ${problems.join('; ')}`,
      {
        details: { table: definition.name, problems },
      },
    );
  }
  return { definition, columns, versionPrecision: versionPrecision(definition, target) };
}

/** A version coarser than milliseconds cannot tell one attempt from another, and counts as none. */
function versionPrecision(definition: TableDefinition, target: TargetColumns): number | null {
  if (definition.version === undefined) return null;
  const type = parseTargetType(target.get(definition.version)?.type ?? '');
  const precision = type.base === 'DateTime64' ? Number(type.args[0] ?? 3) : 0;
  return precision >= 3 ? precision : null;
}

/** Which source rows a statement is about: those of a range, or those of some keys. */
export type Scope = Parameters &
  ({ readonly range: NonNullable<Parameters['range']> } | { readonly keys: readonly string[] });

function fromClause(table: TableDefinition, scope: Scope): string {
  const rows = scope.keys ? table.source.rowsByKey : table.source.rowsInRange;
  return `FROM ${table.source.from.replace(/(?<![:\w]):rows\b/u, () => `(${rows})`)}`;
}

function reason(table: TableDefinition): string {
  if (table.exclusions.length === 0) return 'NULL::text';
  return `CASE ${table.exclusions.map((e) => `WHEN ${e.when} THEN ${literal(e.reason)}`).join(' ')} END`;
}

/**
 * Kept rows. `IS NOT TRUE` condition by condition, as Postgres can estimate that and cannot estimate `CASE … IS NULL`: it
 * would expect one row in two hundred and read the rest by nested loops.
 */
function keptRows(table: TableDefinition, scope: Scope): string {
  const conditions = table.exclusions.map((e) => `(${e.when}) IS NOT TRUE`);
  if (scope.keys) conditions.unshift(`(${table.source.whereKey})`);
  return `${fromClause(table, scope)}${conditions.length > 0 ? `\nWHERE ${conditions.join('\n  AND ')}` : ''}`;
}

/** All rows, those left out included. */
function allRows(table: TableDefinition, scope: Scope): string {
  return `${fromClause(table, scope)}${scope.keys ? `\nWHERE (${table.source.whereKey})` : ''}`;
}

/** Postgres: the hash of a row, the first 64 bits of the MD5 of its canonical texts, as a signed number. */
function sourceHash(table: CompiledTable): string {
  const texts = [...table.columns.values()].map((c) => c.sourceText).join(", '|', ");
  return `('x' || left(md5(concat(${texts})), 16))::bit(64)::bigint`;
}

/** ClickHouse: the same hash of a target row. */
export function targetHash(table: CompiledTable): string {
  const texts = [...table.columns].map(([name, codec]) => codec.targetText(identifier(name))).join(", '|', ");
  return `reinterpretAsInt64(reverse(substring(MD5(concat(${texts})), 1, 8)))`;
}

/** Postgres: the expression of one of a table's columns. */
function expression(table: CompiledTable, name: string): string {
  const definition = table.definition.columns[name];
  if (!definition) throw new RefillError('BUG', `${table.definition.name} has no column ${name}`);
  return `(${definition.sql})`;
}

const sourceKey = (table: CompiledTable) => `${expression(table, table.definition.key)}::text`;
const sourceTime = (table: CompiledTable) => `${expression(table, table.definition.time)}::timestamptz`;

/** The SELECT whose COPY is piped into `insertStatement`. */
export function readStatement(table: CompiledTable, scope: Scope): string {
  const wires = [...table.columns].map(([name, codec]) => `${codec.wire} AS "${name.replaceAll('"', '""')}"`);
  return bind(`SELECT ${wires.join(',\n  ')}\n${keptRows(table.definition, scope)}`, scope);
}

/** Where rows go, and the values that are the same for all of them. */
export interface InsertTarget {
  readonly database: string;
  readonly tenant: Parameters['tenant'];
  /** `YYYY-MM-DD HH:MM:SS.ffffff` in UTC: the time of the snapshot that the rows were read in. */
  readonly version: string;
}

/** The INSERT that takes TabSeparated rows of `readStatement`. */
export function insertStatement(table: CompiledTable, target: InsertTarget): string {
  const { definition } = table;
  const names = [...table.columns.keys()];
  const values = [...table.columns].map(([name, codec]) => codec.decode(identifier(name)));
  if (definition.version !== undefined) {
    names.push(definition.version);
    values.push(versionLiteral(table, target.version));
  }
  if (definition.owner) {
    names.push(definition.owner.customer, definition.owner.profile);
    values.push(chLiteral(target.tenant.customer), chLiteral(target.tenant.profile));
  }
  const structure = [...table.columns].map(([name, codec]) => `${identifier(name)} ${codec.input}`).join(', ');
  return `INSERT INTO ${identifier(target.database)}.${identifier(definition.name)} (${names.map(identifier).join(', ')})
SELECT ${values.join(',\n  ')}
FROM input(${chLiteral(structure)}) FORMAT TabSeparated`;
}

/** ClickHouse: a version as a literal of the version column's type. */
export function versionLiteral(table: CompiledTable, version: string): string {
  return `toDateTime64(${chLiteral(version)}, ${table.versionPrecision ?? 0}, 'UTC')`;
}

// `OFFSET 0` below keeps Postgres from merging a subquery into its parent, where it would evaluate the reason and the
// hash once for each place that names them. It does not keep the query from being parallel.

/** Rows by hour of their time and by reason (NULL where kept): `hour timestamptz, reason text, rows bigint`. */
export function countStatement(table: CompiledTable, scope: Scope): string {
  const rows = `SELECT date_trunc('hour', ${sourceTime(table)}, 'UTC') AS hour, ${reason(table.definition)} AS reason
${allRows(table.definition, scope)} OFFSET 0`;
  return bind(`SELECT hour, reason, count(*) AS rows FROM (${rows}) r GROUP BY 1, 2`, scope);
}

/** Rows and sum of hashes by reason and bucket: `reason text, bucket int, rows bigint, sum numeric`. */
export function sumsStatement(table: CompiledTable, scope: Scope): string {
  const rows = `SELECT ${reason(table.definition)} AS reason, ${sourceHash(table)} AS hash
${allRows(table.definition, scope)} OFFSET 0`;
  return bind(
    `SELECT reason, CASE WHEN reason IS NULL THEN hash & ${BUCKETS - 1} END AS bucket, count(*) AS rows, sum(hash) AS sum
FROM (${rows}) r GROUP BY 1, 2`,
    scope,
  );
}

/** Keys and hashes of kept rows in some buckets, in the order of the key's bytes: `key text, hash bigint`. */
export function keysStatement(table: CompiledTable, scope: Scope, buckets: readonly number[]): string {
  const rows = `SELECT ${sourceKey(table)} AS key, ${sourceHash(table)} AS hash ${keptRows(table.definition, scope)} OFFSET 0`;
  const some = buckets.length < BUCKETS ? `WHERE hash & ${BUCKETS - 1} IN (${buckets.join(', ')})` : '';
  return bind(`SELECT key, hash FROM (${rows}) r ${some} ORDER BY key COLLATE "C"`, scope);
}

/** What the source knows of some keys, left-out rows included: `key text, reason text, time timestamptz, hash bigint`. */
export function lookupStatement(table: CompiledTable, scope: Scope): string {
  return bind(
    `SELECT ${sourceKey(table)} AS key, ${reason(table.definition)} AS reason, ${sourceTime(table)} AS time, ${sourceHash(table)} AS hash
${allRows(table.definition, scope)}`,
    scope,
  );
}
