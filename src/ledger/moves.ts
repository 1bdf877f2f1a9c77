import { RefillError } from '../domain/errors.ts';
import type { BackfillState } from '../domain/backfill.ts';
import type { FleetState } from '../domain/fleet.ts';
import type { DeleteState, RunState, WindowState } from '../domain/states.ts';

/** The states from which each state may be entered. */
type Moves<State extends string> = Readonly<Record<State, readonly State[]>>;

/**
 * Moves of a run by the programs that work on it. `running` from `running` is a program that takes over from one that
 * was killed. Ended states are left by `retry` alone.
 */
export const RUN_MOVES: Moves<RunState> = {
  running: ['running', 'paused'],
  paused: ['running'],
  cancelled: ['running', 'paused'],
  failed: ['running'],
  differences: ['running'],
  succeeded: ['running'],
};

/** States of a run that `retry` makes `running`. */
export const RETRIED_RUN_STATES: readonly RunState[] = ['paused', 'cancelled', 'failed', 'differences'];

/** Moves of a fleet by the programs that work on it; as those of a run. */
export const FLEET_MOVES: Moves<FleetState> = {
  planned: [],
  running: ['planned', 'running', 'paused'],
  paused: ['running'],
  cancelled: ['running', 'paused'],
  failed: ['running'],
  differences: ['running'],
  succeeded: ['running'],
};

/** Moves of a fleet by `retry`. */
export const FLEET_RETRY_MOVES: Moves<FleetState> = {
  ...FLEET_MOVES,
  running: ['paused', 'cancelled', 'failed', 'differences'],
};

/** Moves of a backfill. One that failed or was cancelled goes on when that is asked for. */
export const BACKFILL_MOVES: Moves<BackfillState> = {
  planned: [],
  running: ['planned', 'running', 'paused', 'failed', 'cancelled'],
  paused: ['running'],
  cancelled: ['running', 'paused'],
  failed: ['running'],
  incomplete: ['running'],
  succeeded: ['running'],
};

/**
 * Moves of a window. `writing` from `writing` follows an attempt that was killed; `pending` from `pending` is a window
 * that is cut before anything of it was written, or after all of that was abandoned.
 */
export const WINDOW_MOVES: Moves<WindowState> = {
  pending: ['pending', 'writing'],
  writing: ['pending', 'writing'],
  written: ['writing'],
  done: ['written'],
  failed: ['pending', 'writing', 'written', 'failed'],
};

/** Windows that `retry` may make pending; which of them it does is its own matter. */
export const WINDOW_RETRY_MOVES: Moves<WindowState> = { ...WINDOW_MOVES, pending: ['failed', 'written', 'done'] };

/** Moves of a delete. `submitted` from `submitted` is the same mutations planned once more before they are sent. */
export const DELETE_MOVES: Moves<DeleteState> = {
  pending: [],
  submitted: ['pending', 'submitted'],
  assigned: ['submitted'],
  finished: ['submitted', 'assigned'],
  proven: ['finished'],
  failed: ['pending', 'submitted', 'assigned', 'finished', 'failed'],
};

/** Deletes that `retry` may make pending. */
export const DELETE_RETRY_MOVES: Moves<DeleteState> = { ...DELETE_MOVES, pending: ['failed', 'proven'] };

/** Throws `RUN_STATE` unless the move is allowed. `subject` is what the message says, such as `Window 3 of run r-…`. */
export function checkMove<State extends string>(moves: Moves<State>, subject: string, from: State, to: State): void {
  if (moves[to].includes(from)) return;
  throw new RefillError('RUN_STATE', `${subject} is ${from} and cannot become ${to}.`, { details: { from, to } });
}
