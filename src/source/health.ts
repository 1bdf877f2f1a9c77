import type { Source } from './postgres.ts';

/** What a Postgres server says of how busy it is. */
export interface SourceHealth {
  /** Null where the user may not see what others' sessions do. */
  readonly activeSessions: number | null;
  readonly lockWaits: number | null;
  readonly freeConnections: number;
  /** Seconds that a standby is behind; 0 where there is none, null likewise. */
  readonly replicationLag: number | null;
}

const HEALTH = `
SELECT count(*) FILTER (WHERE state = 'active') AS active,
  count(*) FILTER (WHERE wait_event_type = 'Lock') AS waits,
  -- Without pg_read_all_stats others' sessions are there, and say nothing of themselves.
  count(*) FILTER (WHERE query = '<insufficient privilege>') AS hidden,
  current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
    - (SELECT sum(numbackends) FROM pg_stat_database) AS free,
  CASE WHEN pg_is_in_recovery() AND pg_last_wal_receive_lsn() IS DISTINCT FROM pg_last_wal_replay_lsn()
    THEN extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())
    ELSE (SELECT max(extract(epoch FROM replay_lag)) FROM pg_stat_replication) END AS lag
FROM pg_stat_activity`;

export async function sourceHealth(source: Source): Promise<SourceHealth> {
  const [row] = await source.query<{
    active: string;
    waits: string;
    hidden: string;
    free: string;
    lag: string | null;
  }>(HEALTH);
  const visible = Number(row?.hidden ?? 1) === 0;
  return {
    activeSessions: visible ? Number(row?.active) : null,
    lockWaits: visible ? Number(row?.waits) : null,
    freeConnections: Number(row?.free ?? 0),
    // What may not be seen of a standby looks as if there were none.
    replicationLag: visible || typeof row?.lag === 'string' ? Number(row?.lag ?? 0) : null,
  };
}
