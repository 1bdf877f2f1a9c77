import type { Pool } from '../domain/pool.ts';
import type { DeleteState, WindowState } from '../domain/states.ts';
import type { Instant, Range, Strategy } from '../domain/words.ts';

/** A window as the flow needs it. */
export interface FlowWindow extends Range {
  readonly id: number;
  readonly delete: number;
  readonly state: WindowState;
  /** Whether its rows were shown to fit the target; only a `purge` asks. */
  readonly rehearsed?: boolean;
}

export interface FlowDelete extends Range {
  readonly id: number;
  readonly state: DeleteState;
  /** True where not all of its windows are in this work, as an executor hands it out in slices: it is left after them. */
  readonly cut?: boolean;
  /** True where windows that are not in this work are not rehearsed: nothing is deleted before they are. */
  readonly unrehearsed?: boolean;
}

/** What a run still has to do, as the ledger has it. */
export interface Work {
  readonly strategy: Strategy;
  readonly windows: readonly FlowWindow[];
  readonly deletes: readonly FlowDelete[];
  /** True where an executor hands the run out in slices, and more comes after this one. */
  readonly more?: boolean;
}

/**
 * The steps of a run. Each is safe to repeat after a crash: it looks in the ledger, and on the servers, for what is
 * already done. Arguments and results are plain data, so that a step can run on another machine. A step that fails for
 * good throws; whether it was tried again before that is the executor's affair.
 */
export interface Steps {
  /** Fixes the epoch and waits until the first snapshot may be taken. */
  begin(): Promise<Work>;
  /**
   * `purge`: shows that a window's rows fit the target, before anything is deleted. One that turns out too large is cut,
   * as by `writeWindow`.
   */
  rehearseWindow(window: number, to?: Instant): Promise<readonly FlowWindow[]>;
  /**
   * Writes a window and keeps the source's sums: the window is `written`. One that turns out too large is cut instead:
   * then the windows that it was cut into are returned, and nothing of them is written yet.
   *
   * @param to Where the window ends, as far as the flow knows: one that ends before was cut, and the answer was lost.
   */
  writeWindow(window: number, to?: Instant): Promise<readonly FlowWindow[]>;
  /** Sends a delete and returns when every mutation is `assigned`: rows written from now on are safe from it. */
  submitDelete(del: number): Promise<void>;
  /** Waits until a delete is `finished` on every replica. */
  awaitDelete(del: number): Promise<void>;
  /** `replace`: proves that every row of a delete's windows is in the target, so that the old ones can go. */
  proveWritten(del: number): Promise<void>;
  /** Verifies a delete's range against the source and keeps the proof: the delete is `proven`, its windows `done`. */
  proveDelete(del: number): Promise<void>;
  /** The last step of a run: looks once more over the whole range for rows that came too late for their delete. */
  sweep(): Promise<void>;
}

/** Deletes worked on at once: one more than one, so that the next one's windows are written while a mutation is waited for. */
export const DELETES_AT_ONCE = 2;

/** What the flow needs besides the steps; an executor hands it in. */
export interface FlowContext {
  /** Where windows are written. */
  readonly windows: Pool;
  /** Where deletes are worked on, `DELETES_AT_ONCE` of them. */
  readonly deletes: Pool;
  /**
   * True as long as new work may be begun; false after a pause, a cancel or a first Ctrl-C. Waits while the servers'
   * health or the calendar hold new work.
   */
  readonly mayBegin: () => Promise<boolean>;
  /** Called when a unit fails for good; the flow goes on with the others. */
  readonly onFailure: (
    unit: { readonly window: number } | { readonly delete: number },
    error: unknown,
  ) => Promise<void>;
}
