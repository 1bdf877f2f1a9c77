import type { ColumnDefinition } from './definition.ts';
import { literal } from './sql.ts';

/**
 * How a value gets from a Postgres expression into a ClickHouse column, and what its canonical text is.
 *
 * This file is the one table of what is canonical. A row's canonical line is the line that COPY writes: the fields below,
 * escaped and with tabs between them. ClickHouse makes the same line of a stored row, and both are hashed. What comes
 * back is so compared byte by byte with what Postgres said, not with how we understood it.
 *
 * | kind      | canonical text |
 * | --------- | -------------- |
 * | text      | the text |
 * | int, bool | decimal digits |
 * | float     | the IEEE bits as 16 (or 8) hex digits; `nan`; -0 counts as 0 |
 * | decimal   | digits without trailing zeros |
 * | timestamp | ticks of the target's precision since the epoch, cut and not rounded |
 * | date      | days since the epoch |
 * | uuid      | lower case |
 * | NULL      | `\\N`, which no escaped text can be |
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
  /** Postgres types of the expression that lose nothing on the way; undefined where all do. */
  readonly accepts: readonly string[] | undefined;
}

/** A ClickHouse type without its wrappers. */
export interface TargetType {
  readonly base: string;
  readonly args: readonly string[];
  readonly nullable: boolean;
}

/** Parses `LowCardinality(Nullable(String))`, `DateTime64(3, 'UTC')`, `Decimal(18, 4)` and the like. */
export function parseTargetType(type: string): TargetType {
  const wrapped = /^(LowCardinality|Nullable)\((.*)\)$/su.exec(type);
  if (wrapped) {
    const inner = parseTargetType(wrapped[2] ?? '');
    return wrapped[1] === 'Nullable' ? { ...inner, nullable: true } : inner;
  }
  const call = /^(\w+)\((.*)\)$/su.exec(type);
  if (!call) return { base: type, args: [], nullable: false };
  return { base: call[1] ?? '', args: (call[2] ?? '').split(',').map((arg) => arg.trim()), nullable: false };
}

/**
 * ClickHouse: 0, or an error that names the column (and never the value) where a value is not NULL and the condition does
 * not hold: a condition that is NULL, as of a conversion that failed, does not hold either.
 */
const refuseUnless = (condition: string, name: string) =>
  `throwIf(isNotNull(${name}) AND NOT ifNull(${condition}, 0), 'refill: a value does not fit the column ${name.replaceAll(/^`|`$/gu, '').replaceAll(/[^A-Za-z0-9_]/gu, '_')}')`;

/** ClickHouse: a cast that keeps NULL where there can be one; `CAST` to a plain type would be an error for it. */
const castTo = (value: string, type: string, nullable: boolean) =>
  `CAST(${value} AS ${nullable ? `Nullable(${type})` : type})`;

interface Kind {
  /** Postgres type that the expression is cast to before NULL is replaced. */
  readonly cast: string;
  readonly wire: (value: string) => string;
  readonly input: string;
  readonly decode: (name: string, nullable: boolean) => string;
  readonly field: (name: string) => string;
  readonly accepts?: readonly string[];
}

const INTEGERS = ['int2', 'int4', 'int8', 'oid'] as const;

const INT_BOUNDS: Readonly<Record<string, readonly [string, string]>> = {
  Int8: ['-128', '127'],
  Int16: ['-32768', '32767'],
  Int32: ['-2147483648', '2147483647'],
  Int64: ['-9223372036854775808', '9223372036854775807'],
  UInt8: ['0', '255'],
  UInt16: ['0', '65535'],
  UInt32: ['0', '4294967295'],
  UInt64: ['0', '18446744073709551615'],
};

function intKind(target: TargetType): Kind | undefined {
  const bounds = INT_BOUNDS[target.base];
  if (!bounds) return undefined;
  if (target.base === 'UInt64') return wideIntKind();
  return {
    // A fraction would be rounded without a word.
    accepts: INTEGERS,
    cast: 'bigint',
    wire: (v) => v,
    input: 'Int64',
    decode: (n, nullable) => {
      const fits = `${n} >= toInt64('${bounds[0]}') AND ${n} <= toInt64('${bounds[1]}')`;
      return castTo(`${n} + ${refuseUnless(fits, n)}`, target.base, nullable);
    },
    field: (n) => n,
  };
}

/**
 * UInt64, the one that bigint does not hold; numeric is far dearer. It travels as text: what ClickHouse reads as an
 * integer wraps around without a word where it has too many digits.
 */
function wideIntKind(): Kind {
  const text = (value: string) => `trim_scale(${value})::text`;
  return {
    accepts: [...INTEGERS, 'numeric'],
    cast: 'numeric',
    wire: text,
    input: 'String',
    decode: (n, nullable) => {
      const number = `accurateCastOrNull(${n}, 'UInt64')`;
      return castTo(`${number} + ${refuseUnless(`isNotNull(${number})`, n)}`, 'UInt64', nullable);
    },
    field: (n) => n,
  };
}

function boolKind(target: TargetType): Kind | undefined {
  if (target.base !== 'UInt8' && target.base !== 'Bool') return undefined;
  return {
    accepts: ['bool'],
    cast: 'boolean',
    wire: (v) => `(${v})::int`,
    input: 'UInt8',
    decode: (n, nullable) => castTo(n, target.base, nullable),
    field: (n) => `toUInt8(${n})`,
  };
}

function floatKind(target: TargetType): Kind | undefined {
  const digits = { Float64: 16, Float32: 8 }[target.base];
  if (digits === undefined) return undefined;
  const [cast, send] = target.base === 'Float64' ? ['double precision', 'float8send'] : ['real', 'float4send'];
  const bits = `UInt${digits * 4}`;
  return {
    accepts: [...INTEGERS, 'float4', 'float8', 'numeric'],
    cast,
    // Bits, not digits: the two servers print some numbers in different ways. Adding 0 turns -0 into 0.
    wire: (v) => `CASE WHEN ${v} = 'NaN' THEN 'nan' ELSE encode(${send}(${v} + 0::${cast}), 'hex') END`,
    input: 'String',
    decode: (n) => `if(${n} = 'nan', to${target.base}(nan), reinterpretAs${target.base}(reverse(unhex(${n}))))`,
    field: (n) =>
      `if(isNaN(${n}), 'nan', leftPad(lower(hex(reinterpretAs${bits}(to${target.base}(${n} + 0)))), ${digits}, '0'))`,
  };
}

function decimalKind(target: TargetType): Kind | undefined {
  if (!/^Decimal(32|64|128|256)?$/u.test(target.base)) return undefined;
  const type = `${target.base}(${target.args.join(', ')})`;
  const text = (value: string) => `trim_scale(${value})::text`;
  return {
    // A float has no decimal digits of its own: where it is to be cut is for the dataset to say.
    accepts: [...INTEGERS, 'numeric', 'money'],
    cast: 'numeric',
    wire: text,
    input: 'String',
    // Digits past the scale would be dropped without a word: what comes back must be what was sent.
    decode: (n, nullable) =>
      castTo(
        `concat(${n}, substring('', ${refuseUnless(`toString(accurateCastOrNull(${n}, '${type}')) = ${n}`, n)} + 1))`,
        type,
        nullable,
      ),
    field: (n) => `toString(${n})`,
  };
}

/** 1900-01-01 and 2299-12-31: what DateTime64 holds, in seconds. */
const DATETIME64_SECONDS = [-2_208_988_800, 10_413_791_999] as const;
const DATETIME_SECONDS = [0, 4_294_967_295] as const;

function timestampKind(target: TargetType): Kind | undefined {
  if (target.base !== 'DateTime64' && target.base !== 'DateTime') return undefined;
  const precision = target.base === 'DateTime' ? 0 : Number(target.args[0] ?? 3);
  const [low, high] = target.base === 'DateTime' ? DATETIME_SECONDS : DATETIME64_SECONDS;
  const unit = 10 ** precision;
  // A double holds milliseconds exactly for every year that the target can hold, and is several times cheaper than
  // extract(), whose result is numeric. It does not hold microseconds after 2242.
  const ticks = (v: string) =>
    precision === 3
      ? `(date_part('epoch', date_trunc('milliseconds', ${v})) * 1000)::bigint`
      : `floor(extract(epoch from ${v}) * ${unit})::bigint`;
  // Nanoseconds end in 2262, where 64 bits do.
  const last = (BigInt(high) + 1n) * BigInt(unit) - 1n;
  const fits = (n: string) =>
    `${n} >= ${BigInt(low) * BigInt(unit)} AND ${n} <= ${last < INT64_MAX ? last : INT64_MAX}`;
  return {
    accepts: ['timestamptz', 'timestamp', 'date'],
    cast: 'timestamptz',
    wire: ticks,
    input: 'Int64',
    decode: (n) => ticksToTime(target.base, precision, `${n} + ${refuseUnless(fits(n), n)}`),
    field: (n) => timeToTicks(target.base, precision, n),
  };
}

const INT64_MAX = 2n ** 63n - 1n;

/** The precisions that have functions of their own. */
const TICKS: Readonly<Record<number, string>> = { 3: 'Milli', 6: 'Micro', 9: 'Nano' };

function ticksToTime(base: string, precision: number, ticks: string): string {
  if (base === 'DateTime') return `toDateTime(${ticks}, 'UTC')`;
  const name = TICKS[precision];
  // Scaled to the next of the three, a late year would not fit into 64 bits, and wrap around.
  return name
    ? `fromUnixTimestamp64${name}(${ticks}, 'UTC')`
    : `reinterpret(${ticks}, 'DateTime64(${precision}, ''UTC'')')`;
}

function timeToTicks(base: string, precision: number, time: string): string {
  if (base === 'DateTime') return `toUnixTimestamp(${time})`;
  const name = TICKS[precision];
  return name ? `toUnixTimestamp64${name}(${time})` : `reinterpret(${time}, 'Int64')`;
}

function dateKind(target: TargetType): Kind | undefined {
  if (target.base !== 'Date' && target.base !== 'Date32') return undefined;
  const [low, high] = target.base === 'Date' ? [0, 65_535] : [-25_567, 120_529];
  return {
    accepts: ['date'],
    cast: 'date',
    wire: (v) => `(${v} - date '1970-01-01')`,
    input: 'Int64',
    decode: (n, nullable) => {
      const days = `${n} + ${refuseUnless(`${n} >= ${low} AND ${n} <= ${high}`, n)}`;
      return castTo(`${target.base === 'Date' ? 'toUInt16' : 'toInt32'}(${days})`, target.base, nullable);
    },
    field: (n) => (target.base === 'Date' ? `toUInt16(${n})` : `toInt32(${n})`),
  };
}

function textKind(target: TargetType): Kind | undefined {
  if (target.base !== 'String') return undefined;
  return {
    cast: 'text',
    wire: (v) => v,
    input: 'String',
    decode: (n) => n,
    field: (n) => n,
  };
}

function uuidKind(target: TargetType): Kind | undefined {
  if (target.base !== 'UUID') return undefined;
  return {
    accepts: ['uuid'],
    cast: 'uuid',
    wire: (v) => v,
    input: 'UUID',
    decode: (n) => n,
    field: (n) => n,
  };
}

const KINDS: Readonly<Record<ColumnDefinition['kind'], (target: TargetType) => Kind | undefined>> = {
  text: textKind,
  int: intKind,
  bool: boolKind,
  float: floatKind,
  decimal: decimalKind,
  timestamp: timestampKind,
  date: dateKind,
  uuid: uuidKind,
};

/** The codec of a column into a target type, or what does not fit, in words. */
export function columnCodec(column: ColumnDefinition, type: string): ColumnCodec | string {
  const target = parseTargetType(type);
  const kind = KINDS[column.kind](target);
  if (!kind) return `${column.kind} does not fit into ${type}`;
  if (column.ifNull === null && !target.nullable) return `NULL is to be kept, but ${type} is not Nullable`;

  const keepsNull = column.ifNull === null;
  const cast = `(${column.sql})::${kind.cast}`;
  const value = keepsNull ? cast : `coalesce(${cast}, ${literal(String(column.ifNull))}::${kind.cast})`;
  return {
    wire: kind.wire(value),
    input: keepsNull ? `Nullable(${kind.input})` : kind.input,
    decode: (name) => kind.decode(name, keepsNull),
    field: kind.field,
    accepts: kind.accepts,
  };
}
