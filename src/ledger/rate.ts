import type { Instant } from '../domain/words.ts';
import type { Sql } from './connection.ts';

/** As many as an average needs, and few enough that last month's servers do not count. */
const WINDOWS = 20;

interface Timed {
  readonly rows: number;
  readonly started: Instant;
  readonly finished: Instant;
}

/**
 * Rows a second: all rows, divided by the time in which at least one window was at work. Windows run side by side, so
 * the sum of their durations would count the same second several times, and pauses between them count for nothing.
 * Null where nothing was written or no time passed.
 */
export function rateOf(windows: readonly Timed[]): number | null {
  const spans = windows
    .map((window) => ({ from: Date.parse(window.started), to: Date.parse(window.finished) }))
    .sort((a, b) => a.from - b.from);
  let covered = 0;
  let reached = -Infinity;
  for (const { from, to } of spans) {
    if (to <= reached) continue;
    covered += to - Math.max(from, reached);
    reached = to;
  }
  const rows = windows.reduce((sum, window) => sum + window.rows, 0);
  return rows > 0 && covered > 0 ? (rows * 1000) / covered : null;
}

export async function measuredRate(sql: Sql, cluster: string, dataset: string): Promise<number | null> {
  const windows = await sql.rows<Timed>(
    `SELECT a.rows, a.started_at AS started, a.finished_at AS finished
       FROM refill.attempt a JOIN refill.run r ON r.id = a.run
      WHERE a.state = 'done' AND r.cluster = $1 AND r.dataset = $2
      ORDER BY a.finished_at DESC LIMIT ${WINDOWS}`,
    [cluster, dataset],
  );
  return rateOf(windows);
}
