/**
 * A run.
 *
 * - `running`: from its creation, or from `resume` or `retry`. A program is at work on it, or was killed: whether one is
 *   alive is told by the ledger's lock, never by this state.
 * - `paused`: on request, or by the first Ctrl-C. `resume` makes it `running`.
 * - `cancelled`: on request. Ended; `retry` can make it `running` again.
 * - `failed`: everything was tried, and a window or delete failed. Ended; `retry` makes it `running`.
 * - `differences`: all windows done, and verify found differences that stay. Ended; `retry` makes it `running`.
 * - `succeeded`: all windows done, and nothing differs. Ended for ever.
 */
export const RUN_STATES = ['running', 'paused', 'cancelled', 'failed', 'differences', 'succeeded'] as const;
export type RunState = (typeof RUN_STATES)[number];

/** States in which a run still owns its tenant and range: another that overlaps is refused. */
export const UNFINISHED_RUN_STATES: readonly RunState[] = ['running', 'paused'];

/** What somebody wants of a run that is at work: it looks at this between steps. */
export type Wanted = 'run' | 'pause' | 'cancel';

/**
 * A window of a run.
 *
 * - `pending`: nothing of it was written, or what was is abandoned.
 * - `writing`: an attempt is at work, or was killed.
 * - `written`: its rows are in the target and its source sums in the ledger, committed together.
 * - `done`: its delete is finished and its proof kept. For ever.
 * - `failed`: tried as often as is allowed, or proven incomplete. `retry` makes it `pending`.
 */
export const WINDOW_STATES = ['pending', 'writing', 'written', 'done', 'failed'] as const;
export type WindowState = (typeof WINDOW_STATES)[number];

/**
 * A delete of a run.
 *
 * - `pending`: nothing was sent.
 * - `submitted`: its statements and nonces are in the ledger, and may have been sent.
 * - `assigned`: every shard has given every mutation a version: rows inserted from now on are safe from it.
 * - `finished`: the mutations are done on every replica.
 * - `proven`: its windows were verified after it. For ever.
 * - `failed`: a mutation failed or vanished. `retry` makes it `pending`.
 */
export const DELETE_STATES = ['pending', 'submitted', 'assigned', 'finished', 'proven', 'failed'] as const;
export type DeleteState = (typeof DELETE_STATES)[number];
