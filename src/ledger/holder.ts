import type { ErrorCode } from '../domain/catalogue.ts';
import type { Instant } from '../domain/words.ts';
import type { Actor } from './ledger.ts';

/** Something that one program at a time may be at work on: a table whose rows have a holder. */
export interface Lockable {
  readonly table: 'refill.run' | 'refill.fleet';
  readonly name: 'run' | 'fleet';
  readonly unknown: ErrorCode;
  /** SQL of the advisory lock's key. The seed keeps it apart from the keys of tenants (runs.ts). */
  readonly key: (alias: string) => string;
}

export const RUN_LOCK: Lockable = {
  table: 'refill.run',
  name: 'run',
  unknown: 'RUN_UNKNOWN',
  key: (alias) => `hashtextextended('refill.run ' || ${alias}.id, 1)`,
};

export const FLEET_LOCK: Lockable = {
  table: 'refill.fleet',
  name: 'fleet',
  unknown: 'FLEET_UNKNOWN',
  key: (alias) => `hashtextextended('refill.fleet ' || ${alias}.id, 1)`,
};

/** Who is at work on something, by the ledger's lock. */
export type Holder = Actor & { readonly since: Instant };

export interface HolderRow {
  holder: Actor | null;
  holder_since: Instant | null;
  held: boolean;
}

/** Joins the lock as `l`: the holder counts only while the backend that took it has it. pg_locks shows a key's two halves apart. */
export function joinHeld(of: Lockable, alias: string): string {
  return `LEFT JOIN pg_locks l
    ON l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.pid = ${alias}.holder_backend
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND (l.classid::bigint << 32 | l.objid::bigint) = ${of.key(alias)}`;
}

export function holderOf({ holder, holder_since: since, held }: HolderRow): Holder | null {
  return held && holder !== null && since !== null ? { ...holder, since } : null;
}
