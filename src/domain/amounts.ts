/** What a number counts, so that it can be said in words. A share is from 0 to 1. */
export type Unit = 'count' | 'seconds' | 'bytes' | 'share';

const BYTES = [
  [1024 ** 4, 'TiB'],
  [1024 ** 3, 'GiB'],
  [1024 ** 2, 'MiB'],
  [1024, 'KiB'],
] as const;
const SECONDS = [
  [86_400, 'd', 3600, 'h'],
  [3600, 'h', 60, 'min'],
  [60, 'min', 1, 's'],
] as const;

/** At most one digit after the point, and none that says nothing. */
const short = (value: number): string => String(Math.round(value * 10) / 10);

function seconds(value: number): string {
  const whole = Math.round(value);
  for (const [size, unit, smaller, smallerUnit] of SECONDS) {
    if (whole < size) continue;
    const rest = Math.floor((whole % size) / smaller);
    return `${Math.floor(whole / size)} ${unit}${rest === 0 ? '' : ` ${rest} ${smallerUnit}`}`;
  }
  return `${short(value)} s`;
}

function bytes(value: number): string {
  const [size, unit] = BYTES.find(([step]) => value >= step) ?? [1, 'bytes'];
  return `${short(value / size)} ${unit}`;
}

/** A measured number as a reason names it: `42`, `1 h 5 min`, `12.5 GiB`, `8 %`. */
export function amount(value: number, unit: Unit): string {
  switch (unit) {
    case 'count':
      return String(Math.round(value)).replace(/\B(?=(?:\d{3})+$)/gu, ',');
    case 'seconds':
      return seconds(value);
    case 'bytes':
      return bytes(value);
    case 'share':
      return `${short(value * 100)} %`;
  }
}
