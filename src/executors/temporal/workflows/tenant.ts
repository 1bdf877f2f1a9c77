import {
  CancellationScope,
  CancelledFailure,
  continueAsNew,
  defineQuery,
  defineUpdate,
  isCancellation,
  patched,
  setHandler,
  workflowInfo,
} from '@temporalio/workflow';
import { createPool, type ResizablePool } from '../../../domain/pool.ts';
import { formatRange, type Instant } from '../../../domain/words.ts';
import { DELETES_AT_ONCE, type FlowWindow, type Steps } from '../../../flow/steps.ts';
import { runFlow } from '../../../flow/run.ts';
import type { RefillActivities, Slice, TenantEnd } from '../shared/activity-types.ts';
import { errorOf } from '../../../domain/errors.ts';
import { fromFailure, toFailure } from '../shared/failure.ts';
import { LIMITS_UPDATE, PROGRESS_QUERY } from '../shared/names.ts';
import {
  type LimitsPayload,
  limitsPayload,
  sentTenant,
  tenantPayload,
  type TenantPayload,
} from '../shared/payloads.ts';
import { activities } from './activities.ts';
import { setAttributes } from './attributes.ts';
import { WantedHere } from './wanted.ts';

const limitsUpdate = defineUpdate<number, [LimitsPayload]>(LIMITS_UPDATE);
const progressQuery = defineQuery<TenantProgress>(PROGRESS_QUERY);

/** What is done to a window or a delete. */
type UnitActivity = keyof Pick<
  RefillActivities,
  | 'refillRehearseWindow'
  | 'refillWriteWindow'
  | 'refillSubmitDelete'
  | 'refillAwaitDelete'
  | 'refillProveWritten'
  | 'refillProveDelete'
>;

const nameOf = (unit: { readonly window: number } | { readonly delete: number }): string =>
  'window' in unit ? `window ${unit.window}` : `delete ${unit.delete}`;

/** How far a run is, as far as its workflow knows; the ledger knows all of it. */
interface TenantProgress {
  readonly run: string | null;
  /** Windows of this execution, and those of them that are written. */
  readonly windows: { readonly total: number; readonly done: number };
  readonly deletes: { readonly total: number; readonly done: number };
  readonly goesOn: boolean;
}

/**
 * A run, as a workflow: the flow of src/flow over activities. One execution takes a slice of the run and continues as a
 * new one, so that no history grows without end; the ledger knows what is done.
 */
export async function refillTenant(raw: unknown): Promise<TenantEnd> {
  let payload: TenantPayload;
  try {
    payload = tenantPayload(raw);
  } catch (error) {
    throw toFailure(error);
  }
  return await new TenantRun(payload).run();
}

class TenantRun {
  readonly #payload: TenantPayload;
  readonly #began = Date.now();
  readonly #done = { rehearsals: 0, windows: 0, deletes: 0 };
  readonly #wanted: WantedHere;
  #run: string | null;
  #slice: Slice | undefined;
  /** What windows were cut into, by number: the first part of one has its own. */
  readonly #cut = new Map<number, FlowWindow>();
  #windows: ResizablePool | undefined;
  /** Windows at once at most, as set by an update. */
  #most: number | null;
  /** Whether this execution left work because its history is long enough. */
  #full = false;
  /** Whether a unit was not begun as the run was paused: where it was resumed since, there is something to do. */
  #left = false;
  #resumed = false;
  /** Whether the last look over the range was come to. */
  #swept = false;

  constructor(payload: TenantPayload) {
    this.#payload = payload;
    this.#run = payload.run;
    this.#most = payload.most;
    this.#wanted = new WantedHere((wanted) => (this.#resumed = wanted === 'run'));
    setHandler(
      limitsUpdate,
      ({ windows }) => {
        this.#most = windows;
        this.#windows?.resize(this.#atOnce);
        return windows;
      },
      { validator: (raw) => void limitsPayload(raw) },
    );
    setHandler(progressQuery, () => this.#progress());
  }

  async run(): Promise<TenantEnd> {
    let failure: unknown;
    try {
      await this.#open();
      await this.#flow();
    } catch (error) {
      if (!this.#isStop(error)) failure = error;
    }
    const run = this.#run;
    // Nothing is kept of a run that was never made.
    if (run === null) throw failure === undefined ? new CancelledFailure('cancelled') : toFailure(fromFailure(failure));
    if (failure === undefined && this.#wanted.goesOn && this.#progressed && (this.#full || this.#slice?.more === true))
      return await this.#again(run, this.#seconds);
    this.#resumed = false;
    const end = await this.#end(run, failure);
    // Either the ledger knows of more, or somebody resumed the run while it was being paused.
    const resumed = end.state === 'paused' && this.#resumed && !this.#wanted.cancelled;
    if (end.state === 'running' || resumed) return await this.#again(run, resumed ? 0 : this.#seconds);
    setAttributes(this.#payload.attributes, { RefillState: end.state });
    if (this.#wanted.cancelled) throw new CancelledFailure(`run ${run} is ${end.state}`);
    if (end.error) throw toFailure(errorOf(end.error));
    return end;
  }

  async #open(): Promise<void> {
    const { member, attributes } = this.#payload;
    if (this.#run === null && member)
      this.#run = (await activities(`plan ${member.plan}`).refillOpen({ v: 1, ...member })).run;
    setAttributes(attributes, { RefillRun: this.#run ?? '', RefillState: 'running' });
  }

  async #flow(): Promise<void> {
    const run = this.#run ?? '';
    await runFlow(this.#steps(run), {
      windows: { run: (task) => (this.#windows ??= createPool(this.#atOnce)).run(task) },
      deletes: createPool(DELETES_AT_ONCE),
      mayBegin: () => {
        this.#full ||= workflowInfo().continueAsNewSuggested;
        return Promise.resolve(this.#wanted.goesOn && !this.#full);
      },
      onFailure: async (unit, error) => {
        // Stopped is not failed: it goes on where it was.
        if (this.#isStop(error)) return;
        const failure = fromFailure(error).toJSON();
        await activities(`${nameOf(unit)}: ${failure.code}`).refillKeepFailure({ v: 1, run, unit, error: failure });
      },
    });
  }

  /** Where its worker is gone, an activity that was cancelled has timed out. */
  #isStop(error: unknown): boolean {
    return isCancellation(error) || this.#wanted.cancelled;
  }

  /** Windows at once: as the plan says, or fewer where somebody set that. */
  get #atOnce(): number {
    const planned = this.#slice?.windows ?? 1;
    return Math.min(planned, this.#most ?? planned);
  }

  #steps(run: string): Steps {
    const step =
      (kind: 'window' | 'delete', activity: UnitActivity, counted?: 'rehearsals' | 'windows' | 'deletes') =>
      async (unit: number, to?: Instant): Promise<readonly FlowWindow[]> => {
        const payload = { v: 1, run, unit, ...(to ? { to } : {}) } as const;
        const { wanted, windows = [], left = false } = await activities(this.#summary(kind, unit))[activity](payload);
        for (const window of windows) this.#cut.set(window.id, window);
        this.#wanted.read(wanted);
        this.#left ||= left;
        // Stopped is not failed.
        if (left) throw new CancelledFailure('the run was paused before it began');
        if (counted) this.#done[counted] += 1;
        return windows;
      };
    const ofDelete =
      (...of: Parameters<typeof step>) =>
      async (unit: number): Promise<void> => {
        await step(...of)(unit);
      };
    return {
      begin: async () => {
        this.#slice = await activities().refillBegin({ v: 1, run, slice: this.#payload.slice });
        this.#wanted.read(this.#slice.wanted);
        return this.#slice.work;
      },
      rehearseWindow: step('window', 'refillRehearseWindow', 'rehearsals'),
      writeWindow: step('window', 'refillWriteWindow', 'windows'),
      submitDelete: ofDelete('delete', 'refillSubmitDelete'),
      awaitDelete: ofDelete('delete', 'refillAwaitDelete'),
      proveWritten: ofDelete('delete', 'refillProveWritten'),
      proveDelete: ofDelete('delete', 'refillProveDelete', 'deletes'),
      sweep: async () => {
        // Workflows that began before there was a sweep end without one.
        if (patched('sweep')) {
          const { wanted, left = false } = await activities().refillSweep({ v: 1, run });
          this.#wanted.read(wanted);
          this.#left ||= left;
          if (left) throw new CancelledFailure('the run was paused before it began');
        }
        this.#swept = true;
      },
    };
  }

  /** `window 12: 2026-01-01 to 2026-01-02` */
  #summary(kind: 'window' | 'delete', unit: number): string {
    const { windows = [], deletes = [] } = this.#slice?.work ?? {};
    const range =
      kind === 'delete'
        ? deletes.find(({ id }) => id === unit)
        : (this.#cut.get(unit) ?? windows.find(({ id }) => id === unit));
    return `${kind} ${unit}${range ? `: ${formatRange(range)}` : ''}`;
  }

  /** Whether this execution got anything done: one that did not would not the next time either. */
  get #progressed(): boolean {
    return this.#done.rehearsals + this.#done.windows + this.#done.deletes > 0 || this.#left;
  }

  get #seconds(): number {
    return this.#payload.seconds + (Date.now() - this.#began) / 1000;
  }

  /** Keeps how it ended; once more where it would go on, and was cancelled while that was found out. */
  async #end(run: string, failure: unknown): Promise<TenantEnd> {
    for (;;) {
      const { cancelled } = this.#wanted;
      const end = await CancellationScope.nonCancellable(() =>
        activities().refillEnd({
          v: 1,
          run,
          seconds: this.#seconds,
          goesOn: !this.#wanted.drained && this.#progressed,
          cancelled,
          error: failure === undefined ? null : fromFailure(failure).toJSON(),
          swept: this.#swept,
        }),
      );
      if (end.state !== 'running' || cancelled || !this.#wanted.cancelled) return end;
    }
  }

  /** @param seconds At work that are not in the ledger yet. */
  #again(run: string, seconds: number): Promise<never> {
    return continueAsNew<typeof refillTenant>(
      sentTenant({ ...this.#payload, run, member: null, most: this.#most, seconds }),
    );
  }

  #progress(): TenantProgress {
    const work = this.#slice?.work;
    return {
      run: this.#run,
      windows: { total: work?.windows.length ?? 0, done: this.#done.windows },
      deletes: { total: work?.deletes.length ?? 0, done: this.#done.deletes },
      goesOn: this.#wanted.goesOn,
    };
  }
}
