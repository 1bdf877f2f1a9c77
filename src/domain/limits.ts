/** The numbers that a run keeps to. All of them can be set under `limits` in the configuration. */
export interface Limits {
  /**
   * Windows at work at once in a run. Default 2: one reads Postgres while the other waits for ClickHouse; each holds one
   * connection to Postgres, which is the side that suffers first.
   */
  readonly windows: number;
  /**
   * Source rows, of all tables together, that a window aims at. Once a rate was measured, the aim follows `windowSeconds`,
   * from half of this number to four times it. A plan cuts no hour, however many rows it has. Default 500,000: some seconds
   * on a laptop, some minutes on a loaded server.
   */
  readonly windowRows: number;
  /**
   * Seconds that a window aims at, once a rate is known. Default 120: long enough that its fixed costs do not count,
   * short enough that an interruption loses little.
   */
  readonly windowSeconds: number;
  /**
   * Rows that one delete may remove from a table at most. Default 10 million: a mutation blocks every later one of its
   * table, and one of 232.9 million rows did so for everybody.
   */
  readonly deleteRows: number;
  /**
   * Bytes that the deletes of a partition may write again on a server, all together, where they are not lightweight. Each of
   * them rewrites the whole partition, so there are only so many as this allows, and at least one, whatever their rows; one
   * a day where another table is partitioned by days. Default 100 GiB: some minutes of a disk's time.
   */
  readonly deleteBytes: number;
  /**
   * Tries of a window or a delete before it counts as failed. Default 3, as batched migrations elsewhere do. With three or
   * more, a window that failed three times of too much work is halved instead, and its halves are tried anew.
   */
  readonly attempts: number;
  /**
   * Minutes that a server which does not answer is waited for, before the window or delete fails. Default 10: a restart
   * or a fail-over is over by then.
   */
  readonly outageMinutes: number;
  /** A plan is refused when a table's count has drifted by more than this share since. Default 0.1. */
  readonly countDrift: number;
  /**
   * Seconds between the epoch and the first snapshot. Default 2: a live writer whose clock is behind by less keeps its
   * newer rows in `replace`.
   */
  readonly clockMarginSeconds: number;
  /** Seconds before a row that differs is looked up again. Default 3: a live writer's usual delay. */
  readonly graceSeconds: number;
  /** How often a row that differs is looked up again while its source keeps changing. Default 3. */
  readonly looks: number;
  /** Seconds between looks at a mutation, at most; the first come sooner. Default 15. */
  readonly mutationPollSeconds: number;
  /** Minutes without one more part done after which a delete is called stalled, and why is shown. Default 10. */
  readonly stalledMinutes: number;
  /**
   * Minutes for which a replica that does not answer is waited for, once a delete is done on all others. Default 2: a
   * restart is over by then; a replica that is away for longer applies the delete by itself when it is back.
   */
  readonly replicaMinutes: number;
  /**
   * Seconds within which a delete must reach its server, which refuses it afterwards. Default 30: far more than a network
   * takes that works, and as long as a run waits at most where an answer was lost.
   */
  readonly statementSeconds: number;
  /**
   * Seconds between looks at the servers' health, at the calendar and at limits set by hand. Default 10: soon enough for
   * a server that gets sick, and some cheap queries of system tables.
   */
  readonly healthSeconds: number;
  /**
   * Tenants of a fleet at work at once on a cluster. Default 4: one that is a thousand times another then has company,
   * and while one waits for a mutation the others read.
   */
  readonly tenants: number;
  /**
   * Windows at work at once on a cluster, of all tenants and programs together. Default 4: what ClickHouse merges beside
   * its readers; tenants take turns.
   */
  readonly clusterWindows: number;
  /**
   * Windows at work at once on a Postgres server, of all its clusters together. Default 4: each is a connection that
   * reads as fast as it can, and sixty of them made a server sick.
   */
  readonly serverWindows: number;
  /**
   * Windows at work at once in all. Default 16: two for each of eight clusters; a window holds some megabytes of
   * this program's memory and a part of its one processor.
   */
  readonly fleetWindows: number;
  /**
   * Tenants of a fleet that may fail before nothing new is begun. Default 5: one or two have a reason of their own,
   * five have one in common.
   */
  readonly fleetFailures: number;
  /**
   * Rows that a plan or a fleet may delete without their number being typed. Default 50 million: more than all tenants
   * but the largest few have, so that a range that is a year too long is noticed.
   */
  readonly blastRows: number;
}

export const DEFAULT_LIMITS: Limits = {
  windows: 2,
  windowRows: 500_000,
  windowSeconds: 120,
  deleteRows: 10_000_000,
  deleteBytes: 100 * 1024 ** 3,
  attempts: 3,
  outageMinutes: 10,
  countDrift: 0.1,
  clockMarginSeconds: 2,
  graceSeconds: 3,
  looks: 3,
  mutationPollSeconds: 15,
  stalledMinutes: 10,
  replicaMinutes: 2,
  statementSeconds: 30,
  healthSeconds: 10,
  tenants: 4,
  clusterWindows: 4,
  serverWindows: 4,
  fleetWindows: 16,
  fleetFailures: 5,
  blastRows: 50_000_000,
};
