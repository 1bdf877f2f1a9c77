import { setMaxListeners } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { asRefillError, RefillError } from '../domain/errors.ts';
import type { RunEvent, RunResult } from '../domain/events.ts';
import type { FleetEvent, FleetResult } from '../domain/fleet-events.ts';
import type { MemberState } from '../domain/fleet.ts';
import type { Limits } from '../domain/limits.ts';
import { createPool } from '../domain/pool.ts';
import type { Wanted } from '../domain/states.ts';
import { type FleetOutcome, runFleetFlow, type TenantOutcome } from '../flow/fleet.ts';
import type { Actor, FleetRecord, Ledger, MemberRecord } from '../ledger/ledger.ts';
import type { EventQueue } from './events.ts';
import { FleetTracker } from './fleet-progress.ts';
import { readFleetResult } from './fleet-result.ts';
import type { SharedWindows } from './local-run.ts';
import { withRetries } from './retry.ts';
import { Slots } from './slots.ts';
import { ledgerLost, underLock } from './under-lock.ts';

/** What a tenant's run is given besides its plan or id. */
export interface TenantRunOptions {
  readonly shared: SharedWindows;
  readonly drain: AbortSignal;
  readonly force: AbortSignal;
}

export interface FleetRun {
  readonly ledger: Ledger;
  readonly fleet: FleetRecord;
  readonly actor: Actor;
  readonly limits: Limits;
  /** `retry` also goes on with tenants that have ended without being proven. */
  readonly how: 'run' | 'resume' | 'retry';
  /** Begins a tenant's plan, or goes on with its run. */
  readonly begin: {
    readonly run: (plan: string, options: TenantRunOptions) => AsyncIterable<RunEvent>;
    readonly resume: (run: string, options: TenantRunOptions) => AsyncIterable<RunEvent>;
    readonly retry: (run: string, options: TenantRunOptions) => AsyncIterable<RunEvent>;
  };
  /** Looks for what a person should know of the environment, such as tenants that have appeared since the plan. */
  readonly look: (onNotice: (message: string) => void) => Promise<void>;
  /** Aborting drains: no new tenant and no new window is begun. */
  readonly drain?: AbortSignal;
  /** Aborting stops at once. */
  readonly force?: AbortSignal;
}

/** How often the ledger is asked whether somebody wants the fleet to pause or end. */
const CONTROL_MS = 1000;
const PROGRESS_MS = 500;

/**
 * Runs a fleet in this process, each tenant by the local executor, with the ledger as its checkpoint. Yields what
 * happens; the last event is the result. Throws only where nothing was begun (`RUN_BUSY`, `RUN_STATE`), or where the
 * ledger is lost.
 */
export async function* runFleet(options: FleetRun): AsyncGenerator<FleetEvent> {
  const { ledger, fleet, actor } = options;
  const lock = await ledger.lockFleet(fleet.id, actor);
  yield* underLock<FleetEvent>(lock, {
    name: 'fleet',
    force: options.force,
    work: async (events, stop) => {
      // Under the lock: of two programs at one fleet, only one gets as far as this.
      if (options.how === 'retry') await ledger.retryFleet(fleet.id, actor);
      else await ledger.setFleetState(fleet.id, 'running', actor);
      await new Execution(options, events, stop).run();
    },
  });
}

/** What the end of a tenant's run is to its fleet. */
const OUTCOMES: Readonly<Record<RunResult['state'], TenantOutcome>> = {
  succeeded: 'proven',
  differences: 'differences',
  failed: 'failed',
  paused: 'left',
  cancelled: 'left',
};

class Execution {
  readonly #options: FleetRun;
  readonly #events: EventQueue<FleetEvent>;
  readonly #stop: AbortController;
  /** Aborted when nothing new may be begun, for whatever reason. */
  readonly #leave = new AbortController();
  readonly #slots: Slots;
  /** Runs at work, by the tenant's number. */
  readonly #runs = new Map<number, string>();
  #tracker: FleetTracker;
  #wanted: Wanted = 'run';

  constructor(options: FleetRun, events: EventQueue<FleetEvent>, stop: AbortController) {
    this.#options = options;
    this.#events = events;
    this.#stop = stop;
    // Every run at work listens to it.
    setMaxListeners(0, this.#leave.signal);
    const { ledger, actor, limits } = options;
    this.#slots = new Slots({ limits, actor, ledger: () => Promise.resolve(ledger) });
    this.#tracker = new FleetTracker(options.fleet.id, [], options.limits.tenants);
  }

  async run(): Promise<void> {
    const { ledger, fleet, limits, drain } = this.#options;
    const began = Date.now();
    const members = await ledger.members(fleet.id);
    this.#tracker = new FleetTracker(fleet.id, members, limits.tenants);
    this.#events.push({
      type: 'fleet-started',
      fleet: fleet.id,
      range: fleet.request.range,
      reach: fleet.reach,
      resumed: this.#options.how !== 'run',
      executor: 'local',
    });
    const leave = () => this.#leave.abort();
    for (const signal of [drain, this.#stop.signal]) {
      if (signal?.aborted === true) leave();
      signal?.addEventListener('abort', leave, { once: true });
    }
    const ended = new AbortController();
    const watch = this.#watch(ended.signal);
    const look = this.#options
      .look((message) => this.#notice(message))
      .catch((error: unknown) => this.#notice(`tenants were not looked for: ${asRefillError(error).message}`));
    const tick = () => this.#events.push(this.#tracker.snapshot(this.#slots.shares.waiting()));
    const ticker = setInterval(tick, PROGRESS_MS);
    let outcome: FleetOutcome;
    try {
      outcome = await this.#flow(members);
    } finally {
      clearInterval(ticker);
      ended.abort();
      drain?.removeEventListener('abort', leave);
      await Promise.all([watch, look, this.#slots.close()]);
    }
    const lost = ledgerLost(this.#stop.signal);
    if (lost) throw lost;
    tick();
    this.#events.push(await this.#end(outcome, (Date.now() - began) / 1000));
  }

  #flow(members: readonly MemberRecord[]): Promise<FleetOutcome> {
    const { limits, how } = this.#options;
    const pools = new Map([...new Set(members.map((m) => m.cluster))].map((c) => [c, createPool(limits.tenants)]));
    const byOrder = new Map(members.map((m) => [m.order, m]));
    const anyPool = createPool(limits.tenants);
    return runFleetFlow(
      {
        runTenant: async (order) => {
          const member = byOrder.get(order);
          if (!member) throw new RefillError('BUG', `the fleet has no tenant ${order}`);
          return this.#runTenant(member);
        },
      },
      {
        tenants: (cluster) => pools.get(cluster) ?? anyPool,
        mayBegin: () => Promise.resolve(this.#wanted === 'run' && !this.#leave.signal.aborted),
        failures: limits.fleetFailures,
      },
      members.map((member) => ({ order: member.order, cluster: member.cluster, ended: endedAs(member, how) })),
    );
  }

  async #runTenant(member: MemberRecord): Promise<TenantOutcome> {
    const { ledger, fleet, limits } = this.#options;
    const { order, cluster, customer, profile } = member;
    const tenant = { customer, profile };
    this.#tracker.state(order, 'running');
    let outcome: TenantOutcome = 'left';
    try {
      await ledger.setMemberError(fleet.id, order, null);
      outcome = await withRetries(
        {
          limits,
          signal: this.#leave.signal,
          onRetry: (error, seconds) =>
            this.#tracker.waits(order, `waiting for ${error.source} (${error.code}), tried again in ${seconds} s`),
        },
        () => this.#follow(member),
      );
    } catch (thrown) {
      const error = asRefillError(thrown);
      if (error.code.startsWith('LEDGER')) throw error;
      // Whoever leaves begins nothing: that it could not begin is found out again by `resume`.
      if (!this.#leave.signal.aborted) {
        outcome = 'failed';
        await ledger.setMemberError(fleet.id, order, error.toJSON());
        this.#events.push({ type: 'tenant-failed', fleet: fleet.id, cluster, tenant, error: error.toJSON() });
      }
    } finally {
      this.#runs.delete(order);
      this.#tracker.state(order, outcome satisfies MemberState);
    }
    return outcome;
  }

  /** Begins a tenant's run, or goes on with it, to its end. Throws where it could not begin. */
  async #follow(member: MemberRecord): Promise<TenantOutcome> {
    const { ledger, fleet, actor, begin } = this.#options;
    const { order, cluster, customer, profile } = member;
    const tenant = { customer, profile };
    const options: TenantRunOptions = {
      shared: { slots: this.#slots },
      drain: this.#leave.signal,
      force: this.#stop.signal,
    };
    let outcome: TenantOutcome = 'left';
    for await (const event of beginOrGoOn(member, begin, options)) {
      this.#tracker.event(order, event);
      if (event.type === 'started') {
        this.#runs.set(order, event.run);
        // A cancel that came while the run was made has not reached it.
        if (this.#wanted === 'cancel') await ledger.request(event.run, 'cancel', actor);
      }
      if (event.type === 'result') outcome = OUTCOMES[event.state];
      if (event.type !== 'progress') this.#events.push({ ...event, fleet: fleet.id, cluster, tenant });
    }
    return outcome;
  }

  /** Asks until `signal` what somebody wants of the fleet, and passes it on to the runs at work. */
  async #watch(signal: AbortSignal): Promise<void> {
    const { ledger, fleet } = this.#options;
    const cancelled = new Set<string>();
    while (!signal.aborted) {
      const wanted = await ledger.fleetWanted(fleet.id).catch(() => this.#wanted);
      if (wanted !== this.#wanted) {
        this.#wanted = wanted;
        if (wanted !== 'run') this.#leave.abort();
      }
      if (wanted === 'cancel')
        for (const run of this.#runs.values()) if (!cancelled.has(run) && (await this.#cancel(run))) cancelled.add(run);
      await sleep(CONTROL_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  /** Asks a run to end. False if the ledger could not save that: then it is asked again. */
  async #cancel(run: string): Promise<boolean> {
    const { ledger, actor } = this.#options;
    try {
      await ledger.request(run, 'cancel', actor);
      return true;
    } catch (error) {
      // A run that has ended meanwhile cannot be cancelled, and need not be.
      return asRefillError(error).code === 'RUN_STATE';
    }
  }

  #notice(message: string): void {
    this.#events.push({ type: 'fleet-notice', fleet: this.#options.fleet.id, message });
  }

  async #end(outcome: FleetOutcome, seconds: number): Promise<FleetResult> {
    const { ledger, fleet, actor, limits } = this.#options;
    const end = { stopped: outcome.stopped, failures: limits.fleetFailures, seconds };
    const result = await readFleetResult(ledger, fleet, end);
    await ledger.setFleetState(fleet.id, result.state, actor, {
      seconds,
      ...(result.error ? { error: result.error } : {}),
    });
    return result;
  }
}

/** How a tenant has ended already; null where there is something to do. */
export function endedAs({ plan, run, runState, state }: MemberRecord, how: FleetRun['how']): TenantOutcome | null {
  if (plan === null) return 'failed';
  if (state === 'proven') return 'proven';
  if (how === 'retry' || runState === 'running' || runState === 'paused') return null;
  if (state === 'left' && run === null) return null;
  return state === 'running' ? null : state;
}

function beginOrGoOn(
  { plan, run, runState }: MemberRecord,
  begin: FleetRun['begin'],
  options: TenantRunOptions,
): AsyncIterable<RunEvent> {
  if (run === null) return begin.run(plan ?? '', options);
  return runState === 'running' || runState === 'paused' ? begin.resume(run, options) : begin.retry(run, options);
}
