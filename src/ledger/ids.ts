import { randomBytes } from 'node:crypto';

/** `p` is a plan, `r` a run, `f` a fleet, `v` a verification, `b` a backfill. */
type IdPrefix = 'p' | 'r' | 'f' | 'v' | 'b';

/** Crockford's base32 in lower case: no i, l, o or u, so that an id can be read aloud and typed. */
const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';
/** 50 bits: a million ids share one with a chance of 1 in 2,000, and a primary key refuses the second. */
const LENGTH = 10;

/** A new random id, such as `r-7k2m9xq0bd`. */
export function newId(prefix: IdPrefix): string {
  const letters = Array.from(randomBytes(LENGTH), (byte) => ALPHABET.charAt(byte % ALPHABET.length));
  return `${prefix}-${letters.join('')}`;
}
