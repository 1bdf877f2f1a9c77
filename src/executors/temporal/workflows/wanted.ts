import { CancellationScope, defineSignal, setHandler } from '@temporalio/workflow';
import type { Wanted } from '../../../domain/states.ts';
import { WANTED_SIGNAL } from '../shared/names.ts';

export const wantedSignal = defineSignal<[Wanted]>(WANTED_SIGNAL);

/** What somebody wants of a run or a fleet: by signal, which is heard at once, and by the ledger, which decides. */
export class WantedHere {
  /** The workflow's own: a scope within it that cannot be cancelled would not tell. */
  readonly #scope = CancellationScope.current();
  #signalled: Wanted = 'run';
  #inLedger: Wanted = 'run';

  /**
   * To be made in the workflow's own scope.
   *
   * @param onSignal Called after each signal.
   */
  constructor(onSignal: (wanted: Wanted) => void = () => undefined) {
    setHandler(wantedSignal, (wanted: unknown) => {
      // Of another version, or by hand: it asks for nothing that is known.
      if (wanted !== 'run' && wanted !== 'pause') return;
      this.#signalled = wanted;
      // What was read before it is out of date.
      if (wanted === 'run') this.#inLedger = 'run';
      onSignal(wanted);
    });
  }

  /** What a step has read in the ledger. */
  read(wanted: Wanted): void {
    this.#inLedger = wanted;
  }

  /** Whether new work may be begun. */
  get goesOn(): boolean {
    return this.#signalled === 'run' && this.#inLedger === 'run' && !this.cancelled;
  }

  /** Whether it was asked by signal to begin nothing new. */
  get drained(): boolean {
    return this.#signalled !== 'run';
  }

  /** Whether the workflow was cancelled. */
  get cancelled(): boolean {
    return this.#scope.consideredCancelled;
  }
}
