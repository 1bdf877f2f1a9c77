import type { TargetType } from '../target-type.ts';
import { castTo, checkedText, type Kind } from './kind.ts';

const INTEGERS = ['int2', 'int4', 'int8', 'oid'] as const;

const INT_BOUNDS: Readonly<Record<string, readonly [string, string]>> = {
  Int8: ['-128', '127'],
  Int16: ['-32768', '32767'],
  Int32: ['-2147483648', '2147483647'],
  Int64: ['-9223372036854775808', '9223372036854775807'],
  UInt8: ['0', '255'],
  UInt16: ['0', '65535'],
  UInt32: ['0', '4294967295'],
};

export function intKind(target: TargetType): Kind | undefined {
  if (/^(?:UInt64|U?Int128|U?Int256)$/u.test(target.base)) return wideIntKind(target.base);
  const bounds = INT_BOUNDS[target.base];
  if (!bounds) return undefined;
  return {
    // A fraction would be rounded without a word.
    accepts: INTEGERS,
    cast: 'bigint',
    wire: (v) => v,
    input: 'Int64',
    decode: (n, { nullable, refuse }) => {
      const fits = `${n} >= toInt64('${bounds[0]}') AND ${n} <= toInt64('${bounds[1]}')`;
      return castTo(`${n} + ${refuse(fits, n)}`, target.base, nullable);
    },
    field: (n) => n,
  };
}

/**
 * The integers that bigint does not hold; numeric is far dearer. They travel as text: ClickHouse wraps a number with too
 * many digits around without a word, and its accurate casts do so too past 64 bits. What comes back must be what was sent.
 */
function wideIntKind(type: string): Kind {
  return {
    accepts: [...INTEGERS, 'numeric'],
    cast: 'numeric',
    wire: (value) => `trim_scale(${value})::text`,
    input: 'String',
    decode: (n, { nullable, refuse }) => {
      const number = `accurateCastOrNull(${n}, '${type}')`;
      return castTo(checkedText(n, refuse(`toString(${number}) = ${n}`, n)), type, nullable);
    },
    field: (n) => n,
  };
}

export function boolKind(target: TargetType): Kind | undefined {
  if (target.base !== 'UInt8' && target.base !== 'Bool') return undefined;
  return {
    accepts: ['bool'],
    cast: 'boolean',
    wire: (v) => `(${v})::int`,
    input: 'UInt8',
    decode: (n, { nullable }) => castTo(n, target.base, nullable),
    field: (n) => `toUInt8(${n})`,
  };
}

export function floatKind(target: TargetType): Kind | undefined {
  const digits = { Float64: 16, Float32: 8 }[target.base];
  if (digits === undefined) return undefined;
  const [cast, send] = target.base === 'Float64' ? ['double precision', 'float8send'] : ['real', 'float4send'];
  const bits = `UInt${digits * 4}`;
  return {
    accepts: [...INTEGERS, 'float4', 'float8', 'numeric'],
    // The text of a real says less than its bits do: 0.1 is another double.
    asElement: [...INTEGERS, ...(target.base === 'Float32' ? ['float4'] : []), 'float8', 'numeric'],
    cast,
    // Bits, not digits: the two servers print some numbers in different ways. Adding 0 turns -0 into 0.
    wire: (v) => `CASE WHEN ${v} = 'NaN' THEN 'nan' ELSE encode(${send}(${v} + 0::${cast}), 'hex') END`,
    input: 'String',
    decode: (n) => `if(${n} = 'nan', to${target.base}(nan), reinterpretAs${target.base}(reverse(unhex(${n}))))`,
    field: (n) =>
      `if(isNaN(${n}), 'nan', leftPad(lower(hex(reinterpretAs${bits}(to${target.base}(${n} + 0)))), ${digits}, '0'))`,
  };
}

export function decimalKind(target: TargetType): Kind | undefined {
  if (!/^Decimal(32|64|128|256)?$/u.test(target.base)) return undefined;
  const type = `${target.base}(${target.args.join(', ')})`;
  return {
    // A float has no decimal digits of its own: where it is to be cut is for the dataset to say.
    accepts: [...INTEGERS, 'numeric', 'money'],
    asElement: [...INTEGERS, 'numeric'],
    cast: 'numeric',
    wire: (value) => `trim_scale(${value})::text`,
    input: 'String',
    // Digits past the scale would be dropped without a word: what comes back must be what was sent.
    decode: (n, { nullable, refuse }) =>
      castTo(checkedText(n, refuse(`toString(accurateCastOrNull(${n}, '${type}')) = ${n}`, n)), type, nullable),
    field: (n) => `toString(${n})`,
  };
}
