import type { ErrorCode } from '../domain/catalogue.ts';
import type { Instant } from '../domain/words.ts';

/** Who does something: kept in the audit and shown to whoever finds a run busy. */
export interface Actor {
  readonly user: string;
  readonly host: string;
  readonly pid: number;
}

/** A lock on a run, held by a connection of its own: it ends with the program, whatever ends the program. */
export interface RunLock {
  /**
   * Resolves, with the reason, when the lock was lost (the ledger went away): work must stop at once. Where the network
   * swallows packets that is noticed within 10 s, before the server gives the lock to anybody else. Never resolves
   * otherwise, nor after `release`.
   */
  readonly lost: Promise<Error>;
  /** Gives the lock back. Never throws; a second call does nothing. */
  release(): Promise<void>;
}

/** Something that one program at a time may be at work on: a table whose rows have a holder. */
export interface Lockable {
  readonly table: 'refill.run' | 'refill.fleet' | 'refill.backfill';
  readonly name: 'run' | 'fleet' | 'backfill';
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

export const BACKFILL_LOCK: Lockable = {
  table: 'refill.backfill',
  name: 'backfill',
  unknown: 'BACKFILL_UNKNOWN',
  key: (alias) => `hashtextextended('refill.backfill ' || ${alias}.id, 1)`,
};

/** Who is at work on something, by the ledger's lock. */
export type Holder = Actor & { readonly since: Instant };

export interface HolderRow {
  holder: Actor | null;
  holder_since: Instant | null;
  held: boolean;
}

/**
 * SQL: seconds that programs were at work on it. Those of the program that has the lock now, or was killed while it had it,
 * are counted up to its last sign of life.
 */
export function secondsOf(alias: string): string {
  return `(${alias}.seconds + coalesce(extract(epoch FROM ${alias}.holder_seen - ${alias}.holder_since), 0))::float8`;
}

/** SQL of an UPDATE that adds the seconds of a stretch: those of the program that has the lock begin anew. */
export const NEW_STRETCH = `holder_since = CASE WHEN holder_seen IS NULL THEN holder_since ELSE clock_timestamp() END,
            holder_seen = CASE WHEN holder_seen IS NULL THEN NULL ELSE clock_timestamp() END`;

/** Joins the lock as `l`: the holder counts only while the backend that took it has it. */
export function joinHeld(of: Lockable, alias: string): string {
  return `LEFT JOIN pg_locks l ON ${heldBy(of, alias, `${alias}.holder_backend`)}`;
}

/** SQL: the session that asks has the lock on the row of id $1. */
export function heldHere(of: Lockable): string {
  return `EXISTS (SELECT FROM ${of.table} r JOIN pg_locks l ON ${heldBy(of, 'r', 'pg_backend_pid()')} WHERE r.id = $1)`;
}

/** SQL: that `l`, a row of pg_locks, is a backend's lock on a row. It shows a key's two halves apart. */
function heldBy(of: Lockable, alias: string, backend: string): string {
  return `l.locktype = 'advisory' AND l.granted AND l.objsubid = 1 AND l.pid = ${backend}
   AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
   AND (l.classid::bigint << 32 | l.objid::bigint) = ${of.key(alias)}`;
}

export function holderOf({ holder, holder_since: since, held }: HolderRow): Holder | null {
  return held && holder !== null && since !== null ? { ...holder, since } : null;
}
