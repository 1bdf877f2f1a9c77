import type { ColumnDefinition } from '../definition.ts';
import { chLiteral } from '../sql.ts';
import { elementType, type TargetType } from '../target-type.ts';
import type { Decoding, Kind } from './kind.ts';

/**
 * Arrays, maps and tuples. Their canonical text is that of their values, each with a comma behind it; in a value `\` is
 * written as `\b` and `,` as `\c`, so that containers nest, and `\N` is NULL. A map's entries are sorted by their bytes:
 * it has no order of its own.
 *
 * Postgres takes arrays and JSON apart in the same way: as JSON, the values as texts, which are then cast. A text that is
 * no number is an error there, while a cast from another type would round.
 */

/** What an expression can name, besides columns: the value of an array or map, and a map's key. */
export interface Scope {
  readonly item?: string;
  readonly key?: string;
  /** How many containers are around it. */
  readonly depth: number;
}

/** A value with its kind, where it stands. */
export interface Value {
  readonly kind: Kind;
  readonly type: TargetType;
  /** Postgres: the value in its canonical form. */
  readonly wire: string;
  /** Postgres types that the container of it may have, where it holds nothing else. */
  readonly direct: boolean;
}

/** Compiles the definition of a value in a container; what is wrong, in words. */
export type Compile = (column: ColumnDefinition, type: string, scope: Scope) => Value | string;

const SEPARATOR = ',';
const NULL_TOKEN = String.raw`\N`;
/** What no value is: it is written where one does not fit, and refused by ClickHouse. */
const MISFIT = String.raw`\!`;

/** Postgres: a value's text between separators. */
function tokenOf({ kind, wire }: Value): string {
  const text = `(${wire})::text`;
  const escaped = kind.free === true ? `replace(replace(${text}, E'\\\\', E'\\\\b'), '${SEPARATOR}', E'\\\\c')` : text;
  return `coalesce(${escaped}, E'\\\\N')`;
}

/** ClickHouse: the texts between separators. */
const tokensOf = (text: string) => `arrayPopBack(splitByChar('${SEPARATOR}', ${text}))`;

/** ClickHouse: a value of the text between separators. */
function fromToken({ kind, type }: Value, token: string, { refuse }: Decoding): string {
  const { nullable } = type;
  const text = nullable ? `nullIf(${token}, ${chLiteral(NULL_TOKEN)})` : token;
  if (kind.input !== 'String')
    return kind.decode(`CAST(${text} AS ${nullable ? `Nullable(${kind.input})` : kind.input})`, { nullable, refuse });
  if (kind.free !== true) return kind.decode(text, { nullable, refuse });
  const fits = `concat(${text}, substring('', ${refuse(`${token} != ${chLiteral(MISFIT)}`, token)} + 1))`;
  const unescaped = `replaceAll(replaceAll(${fits}, ${chLiteral(String.raw`\c`)}, '${SEPARATOR}'), ${chLiteral(String.raw`\b`)}, ${chLiteral('\\')})`;
  return kind.decode(unescaped, { nullable, refuse });
}

/** ClickHouse: the text between separators of a stored value. */
function toToken({ kind, type }: Value, stored: string): string {
  const text = `toString(${kind.field(stored)})`;
  const escaped =
    kind.free === true
      ? `replaceAll(replaceAll(${text}, ${chLiteral('\\')}, ${chLiteral(String.raw`\b`)}), '${SEPARATOR}', ${chLiteral(String.raw`\c`)})`
      : text;
  return type.nullable ? `ifNull(${escaped}, ${chLiteral(NULL_TOKEN)})` : escaped;
}

const CONTAINER = { cast: 'jsonb', input: 'String', free: true } as const;

/** What the container of values may be in Postgres, by what they are. */
function containerTypes({ kind, direct }: Value): readonly string[] {
  const json = kind.fromJson === false ? [] : ['json', 'jsonb', '_json', '_jsonb'];
  const types = kind.asElement ?? kind.accepts;
  if (!direct || types === undefined) return ['_*', ...json];
  return [...types.map((type) => (type.startsWith('_') || type.startsWith('json') ? type : `_${type}`)), ...json];
}

export function arrayKind(target: TargetType, column: ColumnDefinition, scope: Scope, compile: Compile) {
  const [type] = target.args;
  if (target.base !== 'Array' || type === undefined || column.element === undefined) return undefined;
  const rows = `refill_${scope.depth + 1}`;
  const element = compile(column.element, type, { item: `(${rows}.v #>> '{}')`, depth: scope.depth + 1 });
  if (typeof element === 'string') return `its element: ${element}`;
  const variable = `refill_own_x${scope.depth + 1}`;
  // An array in an array of texts is no text: a dimension would be lost.
  const token =
    element.kind.cast === 'jsonb' || element.kind.free !== true
      ? tokenOf(element)
      : `CASE WHEN jsonb_typeof(${rows}.v) = 'array' THEN E'\\\\!' ELSE ${tokenOf(element)} END`;
  return {
    ...CONTAINER,
    accepts: containerTypes(element),
    wire: (json: string) =>
      `coalesce((SELECT string_agg(${token} || '${SEPARATOR}', '' ORDER BY ${rows}.n) FROM jsonb_array_elements(${json}) WITH ORDINALITY AS ${rows} (v, n)), '')`,
    decode: (text: string, decoding: Decoding) =>
      `arrayMap(${variable} -> ${fromToken(element, variable, decoding)}, ${tokensOf(text)})`,
    field: (stored: string) =>
      `arrayStringConcat(arrayMap(${variable} -> concat(${toToken(element, variable)}, '${SEPARATOR}'), ${stored}))`,
  } satisfies Kind;
}

export function mapKind(target: TargetType, column: ColumnDefinition, scope: Scope, compile: Compile) {
  const [keyType, valueType] = target.args;
  if (target.base !== 'Map' || keyType === undefined || valueType === undefined) return undefined;
  if (column.key === undefined || column.element === undefined) return undefined;
  const depth = scope.depth + 1;
  const rows = `refill_${depth}`;
  const inner = { key: `${rows}.k`, item: `(${rows}.v #>> '{}')`, depth };
  const key = compile(column.key, keyType, inner);
  if (typeof key === 'string') return `its key: ${key}`;
  const value = compile(column.element, valueType, inner);
  if (typeof value === 'string') return `its values: ${value}`;
  const [k, v, i, t] = [`refill_own_k${depth}`, `refill_own_v${depth}`, `refill_own_i${depth}`, `refill_own_t${depth}`];
  const entry = `${tokenOf(key)} || '${SEPARATOR}' || ${tokenOf(value)} || '${SEPARATOR}'`;
  const every = (text: string, odd: 0 | 1) =>
    `arrayFilter((${t}, ${i}) -> ${i} % 2 = ${odd}, ${tokensOf(text)}, arrayEnumerate(${tokensOf(text)}))`;
  return {
    ...CONTAINER,
    accepts: ['json', 'jsonb', 'hstore'],
    wire: (json: string) =>
      `coalesce((SELECT string_agg(${rows}_t.t, '' ORDER BY ${rows}_t.t COLLATE "C") FROM (SELECT ${entry} AS t FROM jsonb_each(${json}) AS ${rows} (k, v)) ${rows}_t), '')`,
    decode: (text: string, decoding: Decoding) => {
      const keys = `arrayMap(${k} -> ${fromToken(key, k, decoding)}, ${every(text, 1)})`;
      const values = `arrayMap(${v} -> ${fromToken(value, v, decoding)}, ${every(text, 0)})`;
      // Two texts can be one key: `1` and `01`.
      const once = decoding.refuse(`length(arrayDistinct(${keys})) = length(${keys})`, text);
      return `mapFromArrays(arrayResize(${keys}, length(${keys}) + ${once}), ${values})`;
    },
    field: (stored: string) =>
      `arrayStringConcat(arraySort(arrayMap((${k}, ${v}) -> concat(${toToken(key, k)}, '${SEPARATOR}', ${toToken(value, v)}, '${SEPARATOR}'), mapKeys(${stored}), mapValues(${stored}))))`,
  } satisfies Kind;
}

export function tupleKind(target: TargetType, column: ColumnDefinition, scope: Scope, compile: Compile, item: string) {
  const { elements } = column;
  if (target.base !== 'Tuple' || elements === undefined) return undefined;
  if (elements.length !== target.args.length)
    return `it has ${elements.length} elements, and ${target.args.length} are in the target's`;
  const values: Value[] = [];
  for (const [index, element] of elements.entries()) {
    const value = compile(element, elementType(target.args[index] ?? ''), { item, depth: scope.depth });
    if (typeof value === 'string') return `its element ${index + 1}: ${value}`;
    values.push(value);
  }
  return {
    ...CONTAINER,
    wire: () => values.map((value) => `${tokenOf(value)} || '${SEPARATOR}'`).join(' || '),
    decode: (text: string, decoding: Decoding) =>
      `tuple(${values.map((value, index) => fromToken(value, `${tokensOf(text)}[${index + 1}]`, decoding)).join(', ')})`,
    field: (stored: string) =>
      `concat(${values.map((value, index) => `${toToken(value, `tupleElement(${stored}, ${index + 1})`)}, '${SEPARATOR}'`).join(', ')})`,
  } satisfies Kind;
}
