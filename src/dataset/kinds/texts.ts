import { chLiteral } from '../sql.ts';
import { enumNames, type TargetType } from '../target-type.ts';
import { castTo, checkedText, type Kind } from './kind.ts';

/**
 * Text into String as it is, and into FixedString with the zero bytes that ClickHouse adds: no text of Postgres holds
 * one, so that none is lost.
 */
export function textKind(target: TargetType): Kind | undefined {
  const text = { cast: 'text', wire: (v: string) => v, input: 'String', free: true } as const;
  if (target.base === 'String') return { ...text, decode: (n) => n, field: (n) => n };
  if (target.base !== 'FixedString') return undefined;
  const [length = '1'] = target.args;
  return {
    ...text,
    decode: (n, { nullable, refuse }) =>
      castTo(checkedText(n, refuse(`length(${n}) <= ${length}`, n)), `FixedString(${length})`, nullable),
    // Without the zero bytes at its end.
    field: (n) => `toString(${n})`,
  };
}

/** A name of the target's enum, from an enum of Postgres or a text. */
export function enumerationKind(target: TargetType): Kind | undefined {
  if (target.base !== 'Enum8' && target.base !== 'Enum16') return undefined;
  const names = enumNames(target).map(chLiteral).join(', ');
  return {
    cast: 'text',
    wire: (v) => v,
    input: 'String',
    free: true,
    decode: (n, { nullable, refuse }) =>
      castTo(checkedText(n, refuse(`${n} IN (${names})`, n)), `${target.base}(${target.args.join(', ')})`, nullable),
    field: (n) => `toString(${n})`,
  };
}

/** Bytes as hex digits. FixedString takes exactly its length: it could not tell the zero bytes that it adds. */
export function bytesKind(target: TargetType): Kind | undefined {
  if (target.base !== 'String' && target.base !== 'FixedString') return undefined;
  const length = target.base === 'FixedString' ? target.args[0] : undefined;
  return {
    accepts: ['bytea'],
    // A text of JSON would be read as escapes.
    fromJson: false,
    cast: 'bytea',
    replacement: (ifNull) => String.raw`\x${ifNull}`,
    wire: (v) => `encode(${v}, 'hex')`,
    input: 'String',
    decode: (n, { nullable, refuse }) => {
      if (length === undefined) return `unhex(${n})`;
      const checked = checkedText(n, refuse(`length(${n}) = 2 * ${length}`, n));
      return castTo(`unhex(${checked})`, `FixedString(${length})`, nullable);
    },
    field: (n) => `lower(hex(${n}))`,
  };
}

/** Hex digits of the address of a host: the two servers shorten an IPv6 address in different ways. */
export function ipKind(target: TargetType): Kind | undefined {
  if (target.base !== 'IPv4' && target.base !== 'IPv6') return undefined;
  const v4 = target.base === 'IPv4';
  // A network is no host, and neither type could hold its mask.
  const host = (v: string) => `masklen(${v}) = CASE family(${v}) WHEN 4 THEN 32 ELSE 128 END`;
  const digits = (v: string) => `encode(substring(inet_send(${v}) from 5), 'hex')`;
  return {
    accepts: ['inet', 'cidr'],
    cast: 'inet',
    replacement: (ifNull) => (ifNull !== '' ? ifNull : v4 ? '0.0.0.0' : '::'),
    wire: (v) =>
      `CASE WHEN ${host(v)} THEN ${v4 ? digits(v) : `lpad(${digits(v)}, 32, CASE family(${v}) WHEN 4 THEN '${MAPPED}' ELSE '' END)`} WHEN ${v} IS NOT NULL THEN 'network' END`,
    input: 'String',
    decode: (n, { nullable, refuse }) => {
      const checked = checkedText(n, refuse(`match(${n}, '^[0-9a-f]{${v4 ? 8 : 32}}$')`, n));
      return v4
        ? castTo(`reinterpretAsUInt32(reverse(unhex(${checked})))`, 'IPv4', nullable)
        : castTo(castTo(`unhex(${checked})`, 'FixedString(16)', nullable), 'IPv6', nullable);
    },
    // Small numbers lose their zeros.
    field: (n) => `leftPad(lower(hex(${n})), ${v4 ? 8 : 32}, '0')`,
  };
}

/** What stands before an IPv4 address in an IPv6 one. */
const MAPPED = '00000000000000000000ffff';

export function uuidKind(target: TargetType): Kind | undefined {
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
