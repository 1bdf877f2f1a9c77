/** A ClickHouse type without its wrappers. */
export interface TargetType {
  readonly base: string;
  /** What stands in its brackets, one entry an argument: numbers, types, names with types, `'a' = 1`. */
  readonly args: readonly string[];
  readonly nullable: boolean;
}

/** Parses `LowCardinality(Nullable(String))`, `DateTime64(3, 'UTC')`, `Map(String, Array(Int8))` and the like. */
export function parseTargetType(type: string): TargetType {
  const call = /^(\w+)\((.*)\)$/su.exec(type);
  if (!call) return { base: type, args: [], nullable: false };
  const [, base = '', inside = ''] = call;
  if (base === 'LowCardinality' || base === 'Nullable') {
    const inner = parseTargetType(inside);
    return base === 'Nullable' ? { ...inner, nullable: true } : inner;
  }
  return { base, args: splitArguments(inside), nullable: false };
}

/** Splits at the commas that stand in no brackets, quotes or backticks. */
function splitArguments(text: string): string[] {
  const parts = text.match(/'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`|[(),]|[^'`(),]+/gsu) ?? [];
  const args = [''];
  let depth = 0;
  for (const part of parts) {
    if (part === '(') depth += 1;
    if (part === ')') depth -= 1;
    if (part === ',' && depth === 0) args.push('');
    else args[args.length - 1] += part;
  }
  return args.map((arg) => arg.trim()).filter((arg) => arg !== '');
}

/** The type of a tuple's element: `Int32` of `a Int32`, and of `Int32`. */
export function elementType(argument: string): string {
  return /^(?:`(?:[^`\\]|\\.)*`|[A-Za-z_]\w*)\s+(.+)$/su.exec(argument)?.[1] ?? argument;
}

/** The names of an Enum8 or Enum16. */
export function enumNames(target: TargetType): readonly string[] {
  return target.args.map((arg) => unquoted(/^'(.*)'\s*=\s*-?\d+$/su.exec(arg)?.[1] ?? ''));
}

const ESCAPES: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', '0': '\0' };

const unquoted = (text: string) => text.replaceAll(/\\(.)/gsu, (_, c: string) => ESCAPES[c] ?? c);
