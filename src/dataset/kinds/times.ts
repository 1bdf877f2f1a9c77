import type { TargetType } from '../target-type.ts';
import { castTo, type Kind } from './kind.ts';

/**
 * Postgres: how the text of a day begins. It reads others as well, such as `now`, which is another time for each who asks.
 * They are replaced by `infinity`, which no target holds.
 */
const DAY = String.raw`^\d{4,}-\d\d-\d\d`;

/** 1900-01-01 and 2299-12-31: what DateTime64 holds, in seconds. */
const DATETIME64_SECONDS = [-2_208_988_800, 10_413_791_999] as const;
const DATETIME_SECONDS = [0, 4_294_967_295] as const;

export function timestampKind(target: TargetType): Kind | undefined {
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
    fromText: (text) => `CASE WHEN ${text} ~ '${DAY}' THEN ${text} ELSE 'infinity' END`,
    wire: ticks,
    input: 'Int64',
    decode: (n, { refuse }) => ticksToTime(target.base, precision, `${n} + ${refuse(fits(n), n)}`),
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

export function dateKind(target: TargetType): Kind | undefined {
  if (target.base !== 'Date' && target.base !== 'Date32') return undefined;
  const [low, high] = target.base === 'Date' ? [0, 65_535] : [-25_567, 120_529];
  return {
    accepts: ['date'],
    cast: 'date',
    // The text of a time is cast to a date without a word.
    fromText: (text) => `CASE WHEN ${text} ~ '${DAY}( BC)?$' THEN ${text} ELSE 'infinity' END`,
    wire: (v) => `(${v} - date '1970-01-01')`,
    input: 'Int64',
    decode: (n, { nullable, refuse }) => {
      const days = `${n} + ${refuse(`${n} >= ${low} AND ${n} <= ${high}`, n)}`;
      return castTo(`${target.base === 'Date' ? 'toUInt16' : 'toInt32'}(${days})`, target.base, nullable);
    },
    field: (n) => (target.base === 'Date' ? `toUInt16(${n})` : `toInt32(${n})`),
  };
}
