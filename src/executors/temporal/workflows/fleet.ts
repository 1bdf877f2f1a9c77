import { WorkflowExecutionAlreadyStartedError } from '@temporalio/common';
import {
  CancellationScope,
  CancelledFailure,
  ChildWorkflowCancellationType,
  type ChildWorkflowHandle,
  type ChildWorkflowOptions,
  continueAsNew,
  defineQuery,
  isCancellation,
  ParentClosePolicy,
  patched,
  setHandler,
  sleep,
  startChild,
  WorkflowIdReusePolicy,
  workflowInfo,
} from '@temporalio/workflow';
import type { RunState } from '../../../domain/states.ts';
import { createPool, type Pool } from '../../../domain/pool.ts';
import { runFleetFlow, type FleetOutcome, type TenantOutcome } from '../../../flow/fleet.ts';
import type { FleetSlice, SentMember } from '../shared/activity-types.ts';
import { attributePairs } from '../shared/attributes.ts';
import { fromFailure, toFailure } from '../shared/failure.ts';
import { clusterQueue, memberWorkflowId, PROGRESS_QUERY, TENANT_WORKFLOW, WANTED_SIGNAL } from '../shared/names.ts';
import { fleetPayload, type FleetPayload, sentFleet, sentTenant } from '../shared/payloads.ts';
import { summaryOf } from '../shared/summary.ts';
import { activities } from './activities.ts';
import type { refillTenant } from './tenant.ts';
import { setAttributes } from './attributes.ts';
import { WantedHere } from './wanted.ts';

const OUTCOMES: Readonly<Record<RunState, TenantOutcome>> = {
  running: 'left',
  succeeded: 'proven',
  differences: 'differences',
  failed: 'failed',
  paused: 'left',
  cancelled: 'left',
};

const progressQuery = defineQuery<FleetProgress>(PROGRESS_QUERY);

/** How far a fleet is, as far as its workflow knows; the ledger, and the workflows of its tenants, know all of it. */
interface FleetProgress {
  readonly fleet: string;
  /** Of this execution: tenants that were begun, or gone on with, and those of them that are at work. */
  readonly tenants: { readonly total: number; readonly begun: number; readonly atWork: number };
  readonly goesOn: boolean;
}

/** Workflows that began before it end `paused` where they are resumed while they are pausing. */
const RESUMED = 'resumed-while-pausing';

const START_TRIES = 30;
const START_PAUSE = '2 seconds';

/**
 * A fleet, as a workflow: the flow of src/flow, with a child workflow for each tenant on the task queue of its cluster.
 * Clusters are no workflows of their own, as the number of failures after which nothing new is begun is the fleet's.
 */
export async function refillFleet(raw: unknown): Promise<{ readonly state: RunState }> {
  let payload: FleetPayload;
  try {
    payload = fleetPayload(raw);
  } catch (error) {
    throw toFailure(error);
  }
  return await new FleetRun(payload).run();
}

class FleetRun {
  readonly #payload: FleetPayload;
  readonly #began = Date.now();
  /** Tenants at work: a signal to the fleet is passed on to them. */
  readonly #children = new Map<number, ChildWorkflowHandle<typeof refillTenant>>();
  readonly #wanted: WantedHere;
  /** By cluster, the last tenant that was begun. */
  readonly #after: Record<string, number>;
  #full = false;
  /** Whether somebody wanted it to pause, and whether somebody wanted it to go on since its end was begun. */
  #paused = false;
  #resumed = false;
  #tenants = 0;
  #begun = 0;
  #failed: number;

  constructor(payload: FleetPayload) {
    this.#payload = payload;
    this.#after = { ...payload.after };
    this.#failed = payload.failed;
    // Last: a signal that is there already is heard at once.
    this.#wanted = new WantedHere((wanted) => {
      this.#resumed = wanted === 'run';
      this.#paused ||= wanted === 'pause';
      for (const child of this.#children.values()) void child.signal(WANTED_SIGNAL, wanted).catch(() => undefined);
    });
    setHandler(progressQuery, () => ({
      fleet: payload.fleet,
      tenants: { total: this.#tenants, begun: this.#begun, atWork: this.#children.size },
      goesOn: this.#wanted.goesOn,
    }));
  }

  async run(): Promise<{ readonly state: RunState }> {
    const { fleet, attributes, how, after, sliceTenants: most } = this.#payload;
    setAttributes(attributes, { RefillRun: fleet, RefillState: 'running' });
    let outcome: FleetOutcome | undefined;
    let more = false;
    try {
      const slice = await activities().refillFleetBegin({ v: 1, fleet, how, most, after });
      more = slice.more ?? false;
      outcome = await this.#flow(slice);
    } catch (error) {
      if (!isCancellation(error)) throw toFailure(fromFailure(error));
    }
    const next = outcome && this.#next(outcome, more);
    if (next) return await this.#again(next, this.#seconds);
    this.#resumed = false;
    const end = await CancellationScope.nonCancellable(() =>
      activities().refillFleetEnd({
        v: 1,
        fleet,
        stopped: outcome?.stopped ?? false,
        cancelled: this.#wanted.cancelled,
        seconds: this.#seconds,
      }),
    );
    if (end.state === 'paused' && this.#resumed && this.#wanted.goesOn && patched(RESUMED))
      return await this.#again(after, 0);
    setAttributes(attributes, { RefillState: end.state });
    if (this.#wanted.cancelled) throw new CancelledFailure(`fleet ${fleet} is ${end.state}`);
    return end;
  }

  /** By cluster, the tenant after which the next execution goes on; undefined where none does. */
  #next(outcome: FleetOutcome, more: boolean): FleetPayload['after'] | undefined {
    if (outcome.stopped || !this.#wanted.goesOn) return undefined;
    // Somebody resumed it while it was pausing: tenants that were begun may be left, so they are looked at again.
    if (outcome.left > 0 && this.#paused && patched(RESUMED)) return this.#payload.after;
    return this.#begun > 0 && (more || (outcome.left > 0 && this.#full)) ? this.#after : undefined;
  }

  #flow({ members, tenants, failures }: FleetSlice): Promise<FleetOutcome> {
    this.#tenants = members.length;
    const pools = new Map<string, Pool>(members.map(({ cluster }) => [cluster, createPool(tenants)]));
    const byOrder = new Map(members.map((member) => [member.order, member]));
    return runFleetFlow(
      { runTenant: (order) => this.#runTenant(byOrder.get(order)) },
      {
        tenants: (cluster) => pools.get(cluster) ?? createPool(tenants),
        mayBegin: () => {
          this.#full ||= workflowInfo().continueAsNewSuggested;
          return Promise.resolve(this.#wanted.goesOn && !this.#full);
        },
        failures: failures - this.#failed,
      },
      members,
    );
  }

  async #runTenant(member: SentMember | undefined): Promise<TenantOutcome> {
    if (!member) throw toFailure(new Error('the fleet has no such tenant'));
    this.#begun += 1;
    this.#after[member.cluster] = member.order;
    const outcome = await this.#outcome(member);
    if (outcome === 'failed') this.#failed += 1;
    return outcome;
  }

  async #outcome(member: SentMember): Promise<TenantOutcome> {
    const { fleet } = this.#payload;
    try {
      return await this.#child(member);
    } catch (thrown) {
      if (isCancellation(thrown) || this.#wanted.cancelled) return 'left';
      const error = fromFailure(thrown).toJSON();
      // A run that failed tells for itself; this is kept for one that could not begin.
      await activities(`${member.tenant}: ${error.code}`).refillTenantFailed({
        v: 1,
        fleet,
        order: member.order,
        error,
      });
      return 'failed';
    }
  }

  async #child({ order, cluster, plan, how, tenant, dataset }: SentMember): Promise<TenantOutcome> {
    const { fleet, attributes, slice, taskQueue } = this.#payload;
    const payload = { run: null, member: { fleet, order, plan, how }, attributes, slice, most: null, seconds: 0 };
    const child = await this.#start({
      args: [sentTenant(payload)],
      workflowId: memberWorkflowId(fleet, order),
      taskQueue: clusterQueue(taskQueue, cluster),
      workflowIdReusePolicy: WorkflowIdReusePolicy.ALLOW_DUPLICATE,
      cancellationType: ChildWorkflowCancellationType.WAIT_CANCELLATION_COMPLETED,
      // Whoever terminates a fleet wants its tenants to stop, each with its end kept.
      parentClosePolicy: ParentClosePolicy.REQUEST_CANCEL,
      staticSummary: summaryOf(`${tenant} of fleet ${fleet}`),
      staticDetails: `plan ${plan}, dataset ${dataset}, cluster ${cluster}`,
      memo: { fleet, tenant, cluster, plan },
      typedSearchAttributes: attributes
        ? attributePairs({ RefillCluster: cluster, RefillTenant: tenant, RefillDataset: dataset })
        : [],
    });
    this.#children.set(order, child);
    // A signal that came while it was being started has not reached it.
    if (this.#wanted.drained) await child.signal(WANTED_SIGNAL, 'pause').catch(() => undefined);
    try {
      const end = await child.result();
      return OUTCOMES[end.state];
    } finally {
      this.#children.delete(order);
    }
  }

  /** A tenant of a fleet that was terminated may still be ending: its workflow is waited for. */
  async #start(options: ChildWorkflowOptions & { args: [unknown] }): Promise<ChildWorkflowHandle<typeof refillTenant>> {
    for (let left = START_TRIES; ; left -= 1) {
      try {
        return await startChild<typeof refillTenant>(TENANT_WORKFLOW, options);
      } catch (error) {
        if (!(error instanceof WorkflowExecutionAlreadyStartedError) || left <= 0) throw error;
        await sleep(START_PAUSE);
      }
    }
  }

  get #seconds(): number {
    return this.#payload.seconds + (Date.now() - this.#began) / 1000;
  }

  /** @param seconds At work that are not in the ledger yet. */
  #again(after: FleetPayload['after'], seconds: number): Promise<never> {
    return continueAsNew<typeof refillFleet>(sentFleet({ ...this.#payload, after, failed: this.#failed, seconds }));
  }
}
