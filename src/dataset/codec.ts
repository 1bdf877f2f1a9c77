import type { ColumnDefinition, ColumnKind } from './definition.ts';
import { arrayKind, type Compile, mapKind, type Scope, tupleKind, type Value } from './kinds/containers.ts';
import type { Kind } from './kinds/kind.ts';
import { boolKind, decimalKind, floatKind, intKind } from './kinds/numbers.ts';
import { bytesKind, enumerationKind, ipKind, textKind, uuidKind } from './kinds/texts.ts';
import { dateKind, timestampKind } from './kinds/times.ts';
import { chLiteral, fixedLiteral } from './sql.ts';
import { parseTargetType, type TargetType } from './target-type.ts';

/**
 * How a value gets from a Postgres expression into a ClickHouse column, and what its canonical text is.
 *
 * This file is the one table of what is canonical. A row's canonical line is the line that COPY writes: the fields below,
 * escaped and with tabs between them. ClickHouse makes the same line of a stored row, and both are hashed. What comes
 * back is so compared byte by byte with what Postgres said, not with how we understood it.
 *
 * | kind        | canonical text |
 * | ----------- | -------------- |
 * | text        | the text; of a FixedString without the zero bytes at its end |
 * | enumeration | the name |
 * | int, bool   | decimal digits |
 * | float       | the IEEE bits as 16 (or 8) hex digits; `nan`; -0 counts as 0 |
 * | decimal     | digits without trailing zeros |
 * | timestamp   | ticks of the target's precision since the epoch, cut and not rounded |
 * | date        | days since the epoch |
 * | uuid        | lower case |
 * | ip          | the address as 8 or 32 hex digits |
 * | bytes       | hex digits |
 * | array, map, tuple | the values' texts, each with a comma behind it; `\\b` for a backslash in them, `\\c` for a comma |
 * | NULL        | `\\N`, which no escaped text can be |
 */
export interface ColumnCodec {
  /** Postgres: what COPY writes. */
  readonly wire: string;
  /** ClickHouse: the type in which `input()` reads it. */
  readonly input: string;
  /** ClickHouse: the target's value, of the column `name` of `input()`; throws where the target cannot hold it. */
  readonly decode: (name: string) => string;
  /** ClickHouse: a value whose TabSeparated form is the canonical text of a target column. */
  readonly field: (name: string) => string;
  /** The Postgres expressions of the column, with the types that lose nothing on the way. */
  readonly sources: readonly SourceType[];
}

/** A Postgres expression and the types that it may have; undefined where all lose nothing, `_*` for any array. */
export interface SourceType {
  readonly kind: ColumnKind;
  readonly sql: string;
  readonly accepts: readonly string[] | undefined;
}

/** Whether an expression's type loses nothing on the way. */
export function isAccepted({ accepts }: SourceType, type: string): boolean {
  return accepts === undefined || accepts.includes(type) || (accepts.includes('_*') && type.startsWith('_'));
}

type SimpleKind = Exclude<ColumnKind, 'array' | 'map' | 'tuple'>;

const KINDS: Readonly<Record<SimpleKind, (target: TargetType) => Kind | undefined>> = {
  text: textKind,
  int: intKind,
  bool: boolKind,
  float: floatKind,
  decimal: decimalKind,
  timestamp: timestampKind,
  date: dateKind,
  uuid: uuidKind,
  enumeration: enumerationKind,
  ip: ipKind,
  bytes: bytesKind,
};

const CONTAINERS: Readonly<Record<string, ColumnKind>> = { Array: 'array', Map: 'map', Tuple: 'tuple' };

/** The codec of a column into a target type, or what does not fit, in words. */
export function columnCodec(column: ColumnDefinition, type: string, name = 'value'): ColumnCodec | string {
  const sources: SourceType[] = [];
  const compile: Compile = (definition, inner, scope) => compileValue(definition, inner, scope, sources, compile);
  const value = compile(column, type, { depth: 0 });
  if (typeof value === 'string') return value;
  const { kind } = value;
  const nullable = column.ifNull === null;
  return {
    wire: value.wire,
    input: nullable ? `Nullable(${kind.input})` : kind.input,
    decode: (input) => kind.decode(input, { nullable, refuse: refusing(name) }),
    field: kind.field,
    sources,
  };
}

/**
 * ClickHouse: 0, or an error that names the column (and never the value) where a value is not NULL and the condition does
 * not hold: a condition that is NULL, as of a conversion that failed, does not hold either.
 */
const refusing = (column: string) => {
  const message = chLiteral(`refill: a value does not fit the column «${column.replaceAll('»', '')}»`);
  return (condition: string, value: string) =>
    `throwIf(isNotNull(${value}) AND NOT ifNull(${condition}, 0), ${message})`;
};

function compileValue(
  column: ColumnDefinition,
  type: string,
  scope: Scope,
  sources: SourceType[],
  compile: Compile,
): Value | string {
  const target = parseTargetType(type);
  const sql = inScope(column.sql, scope);
  const kind = kindOf(column, target, scope, compile, sql);
  if (typeof kind === 'string') return kind;
  if (kind === undefined) return `${column.kind} does not fit into ${type}; ${whatFits(target, type)}`;
  if (column.ifNull === null && !target.nullable) return `NULL is to be kept, but ${type} is not Nullable`;
  // A tuple is made of its elements' expressions, whose types are looked at one by one.
  if (scope.depth === 0 && column.kind !== 'tuple') sources.unshift({ kind: column.kind, sql, accepts: kind.accepts });
  const value = valueOf(column, kind, sql, scope);
  return {
    kind,
    type: { ...target, nullable: column.ifNull === null },
    wire: kind.wire(value),
    direct: column.sql.trim() === ':item',
  };
}

/** Postgres: the value as the type that a kind begins with, NULL replaced. */
function valueOf({ ifNull }: ColumnDefinition, kind: Kind, sql: string, { depth }: Scope): string {
  if (kind.cast === 'jsonb') return `nullif(${depth === 0 ? `to_jsonb(${sql})` : `(${sql})::text::jsonb`}, 'null')`;
  const text = `(${sql})::text`;
  const cast = depth === 0 ? `(${sql})::${kind.cast}` : `(${kind.fromText?.(text) ?? text})::${kind.cast}`;
  if (ifNull === null) return cast;
  const replacement = kind.replacement?.(String(ifNull)) ?? String(ifNull);
  return `coalesce(${cast}, ${fixedLiteral(replacement)}::${kind.cast})`;
}

function kindOf(
  column: ColumnDefinition,
  target: TargetType,
  scope: Scope,
  compile: Compile,
  sql: string,
): Kind | string | undefined {
  const { kind } = column;
  if (kind === 'array') return arrayKind(target, column, scope, compile);
  if (kind === 'map') return mapKind(target, column, scope, compile);
  return kind === 'tuple' ? tupleKind(target, column, scope, compile, `(${sql})`) : KINDS[kind](target);
}

/** Puts the value that a container's definition is about into its expressions. */
function inScope(sql: string, { item, key }: Scope): string {
  return sql.replaceAll(/(?<![:\w]):(item|key)\b/gu, (whole, name: string) => (name === 'item' ? item : key) ?? whole);
}

/** What a dataset's author can do about a target type, in words. */
function whatFits(target: TargetType, type: string): string {
  const container = CONTAINERS[target.base];
  const kinds =
    container === undefined
      ? Object.entries(KINDS).flatMap(([kind, make]) => (make(target) ? [kind] : []))
      : [container];
  return kinds.length > 0
    ? `${type} takes ${kinds.join(' or ')}`
    : `Refill has no exact form for ${type}: change the target's type, or leave the column out and list it under \`unproven\``;
}
