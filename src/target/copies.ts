import { chLiteral } from '../dataset/sql.ts';
import type { Target } from './clickhouse.ts';
import type { TargetTable } from './tables.ts';
import { ALL_REPLICAS, everyReplica, SELF, type Topology } from './topology.ts';

/** How far a replica of a table has copied what was written to the others of its shard. */
export interface CopyState {
  /** What the server calls itself. */
  readonly self: string;
  readonly table: string;
  /** Where the shard's log of changes is in the Keeper: the same for the replicas of a shard. */
  readonly log: string;
  /** The next entry of the log that it will take, and the last one that there is. */
  readonly next: number;
  readonly last: number;
  /** Inserts that it has taken from the log and not copied yet, and since when the oldest waits (seconds since 1970). */
  readonly inserts: number;
  readonly oldestInsert: number;
  /** The clock of the server that was asked, in seconds since 1970: the servers' are compared before a run. */
  readonly now: number;
  /** It has lost its Keeper, and with it all knowledge of what others write. */
  readonly readOnly: boolean;
}

/** Asks every replica that answers. Empty for tables that are not replicated. */
export async function copyStates(
  target: Target,
  topology: Topology,
  tables: readonly Pick<TargetTable, 'database' | 'name'>[],
): Promise<readonly CopyState[]> {
  const places = tables.map((t) => `(${chLiteral(t.database)}, ${chLiteral(t.name)})`);
  const rows = await target.rows<{
    self: string;
    name: string;
    log: string;
    next: string;
    last: string;
    inserts: number;
    oldest: number;
    now: number;
    readonly: number;
  }>(
    `SELECT ${SELF} AS self, table AS name, zookeeper_path AS log, toString(log_pointer) AS next,
       toString(log_max_index) AS last, inserts_in_queue AS inserts, toUnixTimestamp(inserts_oldest_time) AS oldest,
       toUnixTimestamp(now()) AS now, is_readonly OR is_session_expired AS readonly
     FROM ${everyReplica(topology, 'system.replicas')} WHERE (database, table) IN (${places.join(', ')})`,
    {},
    ALL_REPLICAS,
  );
  return rows.map((r) => ({
    self: r.self,
    table: r.name,
    log: r.log,
    next: Number(r.next),
    last: Number(r.last),
    inserts: r.inserts,
    oldestInsert: r.oldest,
    now: r.now,
    readOnly: r.readonly === 1,
  }));
}

/**
 * The replicas that have not copied yet what had been written at an earlier look.
 *
 * @param then The earlier look; what was written since does not count, or live writers would keep one waiting for ever.
 */
export function behind(then: readonly CopyState[], now: readonly CopyState[]): readonly CopyState[] {
  const marks = new Map<string, number>();
  for (const { log, last, next } of then) {
    // An empty log has the last entry 0, as one with a single entry has: that one counts once a replica has taken it.
    if (last > 0 || next > 0) marks.set(log, Math.max(last, marks.get(log) ?? -1));
  }
  const since = new Map(then.map((s) => [`${s.self} ${s.log}`, s.now]));
  return now.filter((s) => {
    if (s.readOnly || s.next <= (marks.get(s.log) ?? -1)) return true;
    // An insert that was taken from the log before the earlier look is still to be copied.
    return s.inserts > 0 && s.oldestInsert <= (since.get(`${s.self} ${s.log}`) ?? s.now);
  });
}
