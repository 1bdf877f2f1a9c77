import type { Instant } from './words.ts';

/** The instant of a version (`2026-01-05 06:00:00.000000`, in UTC), to the millisecond. */
export function versionInstant(version: string): Instant {
  return `${version.slice(0, 23).replace(' ', 'T')}Z`;
}

/** A version (`2026-01-05 06:00:00.000000`, in UTC) as it was so many seconds before, to the millisecond. */
export function versionBefore(version: string, seconds: number): string {
  const before = Date.parse(versionInstant(version)) - seconds * 1000;
  return new Date(before).toISOString().replace('T', ' ').replace('Z', '000');
}
