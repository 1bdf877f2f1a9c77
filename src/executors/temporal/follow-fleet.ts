import { asRefillError } from '../../domain/errors.ts';
import type { FleetEvent } from '../../domain/fleet-events.ts';
import type { Limits } from '../../domain/limits.ts';
import type { Plan } from '../../domain/plan.ts';
import type { Actor, FleetRecord, Ledger, MemberRecord } from '../../ledger/ledger.ts';
import type { FleetRun } from '../fleet.ts';
import { FleetTracker } from '../fleet-progress.ts';
import { readFleetResult } from '../fleet-result.ts';
import type { Governed } from '../local-run.ts';
import type { TemporalClient } from './client.ts';
import { type Following, goOn } from './follow.ts';
import { RunWatch, type Standing, standingAtFirst, standingOf } from './run-watch.ts';
import { fleetSubject, hasEnded } from './settle.ts';
import type { MemberPayload } from './shared/payloads.ts';
import { workflowId } from './shared/names.ts';
import { FleetQueues } from './watch-queue.ts';

export interface TemporalFleet extends Following {
  readonly ledger: Ledger;
  readonly client: TemporalClient;
  readonly fleet: FleetRecord;
  readonly actor: Actor;
  readonly limits: Limits;
  readonly how: MemberPayload['how'];
  readonly governed: (plan: Plan) => Promise<Pick<Governed, 'calendar'>>;
  /** Looks for what a person should know of the environment, such as tenants that have appeared since the plan. */
  readonly look: FleetRun['look'];
}

/** How often the ledger and the server are looked at: a fleet has many runs at work. */
const LOOK_MS = 1000;

/**
 * Starts the workflow of a fleet, or attaches to it, and tells what happens until it has ended; the last event is the
 * result. It only looks, as `runTemporal` does.
 */
export async function* runFleetTemporal(options: TemporalFleet): AsyncGenerator<FleetEvent> {
  const { ledger, client, fleet, actor, how, limits, look } = options;
  if (how === 'retry') await ledger.retryFleet(fleet.id, actor);
  else await ledger.setFleetState(fleet.id, 'running', actor);
  await ledger.setFleetWorkflow(fleet.id, workflowId(fleet.id));
  let changes = await ledger.memberChanges(fleet.id, null);
  const before = changes.members;
  const standing = await standingOfRuns(ledger, before);
  await client.startFleet(fleet, how);
  yield {
    type: 'fleet-started',
    fleet: fleet.id,
    range: fleet.request.range,
    reach: fleet.reach,
    resumed: how !== 'run',
    executor: 'temporal',
  };
  const tracker = new FleetTracker(fleet.id, before, limits.tenants);
  const watches = new MemberWatches(options, tracker, before, standing);
  const subject = fleetSubject(ledger, fleet, actor);
  const queues = new FleetQueues(client, subject.workflow, tracker);
  const notices: string[] = [];
  const looked = look((message) => notices.push(message)).catch((error: unknown) => {
    notices.push(`tenants were not looked for: ${asRefillError(error).message}`);
  });
  for (;;) {
    const ended = await hasEnded(client, subject);
    if (ended) await looked;
    for (const message of notices.splice(0)) yield { type: 'fleet-notice', fleet: fleet.id, message };
    // All of them each time would be twenty thousand rows a second of a large fleet.
    changes = await ledger.memberChanges(fleet.id, changes.mark);
    yield* await watches.look(changes.members);
    yield tracker.snapshot([]);
    if (ended) break;
    notices.push(...(await queues.look()));
    await goOn(options, `fleet ${fleet.id}`, fleet.id, LOOK_MS);
  }
  const record = await ledger.fleet(fleet.id);
  const stopped = record.error?.code === 'FLEET_FAILURES';
  const result = await readFleetResult(ledger, record, { stopped, failures: limits.fleetFailures, seconds: 0 });
  const error = record.error ?? undefined;
  const state = record.state === 'planned' || record.state === 'running' ? 'failed' : record.state;
  yield { ...result, state, ...(error ? { error } : {}) };
}

/** How the runs stand that may be gone on with: those of a fleet that was run before. */
async function standingOfRuns(
  ledger: Ledger,
  members: readonly MemberRecord[],
): Promise<ReadonlyMap<string, Standing>> {
  const standing = new Map<string, Standing>();
  for (const { run, state } of members)
    if (run !== null && state !== 'proven') standing.set(run, await standingOf(ledger, run));
  return standing;
}

/** The runs of a fleet's tenants, each watched from when it is there to its end. */
class MemberWatches {
  readonly #options: TemporalFleet;
  readonly #tracker: FleetTracker;
  readonly #watches = new Map<number, RunWatch>();
  readonly #states: Map<number, MemberRecord['state']>;
  /** Tenants whose runs are at work, as they were when they changed last: each look is at all of them. */
  readonly #atWork: Map<number, MemberRecord>;
  readonly #standing: ReadonlyMap<string, Standing>;

  /**
   * @param before The tenants before the fleet went on: what had ended by then is not told again.
   * @param standing Their runs by then.
   */
  constructor(
    options: TemporalFleet,
    tracker: FleetTracker,
    before: readonly MemberRecord[],
    standing: ReadonlyMap<string, Standing>,
  ) {
    this.#options = options;
    this.#tracker = tracker;
    this.#states = new Map(
      before.flatMap(({ order, state }) => (state === 'running' ? [] : [[order, state] as const])),
    );
    this.#atWork = new Map(before.flatMap((one) => (one.state === 'running' ? [[one.order, one] as const] : [])));
    this.#standing = standing;
  }

  /** @param changed Tenants that have changed since the last look. */
  async look(changed: readonly MemberRecord[]): Promise<readonly FleetEvent[]> {
    const events: FleetEvent[] = [];
    const members = new Map([...this.#atWork, ...changed.map((member) => [member.order, member] as const)]);
    for (const [order, member] of [...members].sort(([a], [b]) => a - b)) {
      if (member.state === 'running') this.#atWork.set(order, member);
      else this.#atWork.delete(order);
      events.push(...(await this.#member(member)));
    }
    return events;
  }

  async #member(member: MemberRecord): Promise<readonly FleetEvent[]> {
    const { order, run, state } = member;
    const changed = this.#states.get(order) !== state;
    this.#states.set(order, state);
    if (changed) this.#tracker.state(order, state);
    if (run === null) return changed ? this.#couldNotBegin(member) : [];
    let watch = this.#watches.get(order);
    // One that had ended before is not told again.
    if (!watch && state !== 'running' && !changed) return [];
    const events: FleetEvent[] = [];
    const { ledger, client, fleet, governed } = this.#options;
    const tell = (told: Awaited<ReturnType<RunWatch['look']>>) => {
      for (const event of told) {
        this.#tracker.event(order, event);
        const { cluster, customer, profile } = member;
        if (event.type !== 'progress')
          events.push({ ...event, fleet: fleet.id, cluster, tenant: { customer, profile } });
      }
    };
    if (!watch) {
      // It is at work since some moment before this look.
      const before = this.#standing.get(run) ?? (await standingAtFirst(ledger, run));
      watch = await RunWatch.open(ledger, client, run, async (plan) => (await governed(plan)).calendar, before);
      this.#watches.set(order, watch);
      tell([watch.started(this.#options.how !== 'run')]);
    }
    tell(await watch.look());
    if (state !== 'running') {
      tell([await watch.result()]);
      this.#watches.delete(order);
    }
    return events;
  }

  /** Why a tenant's run could not begin. */
  async #couldNotBegin({ order, cluster, customer, profile, state }: MemberRecord): Promise<readonly FleetEvent[]> {
    if (state !== 'failed') return [];
    const { ledger, fleet } = this.#options;
    const [unproven] = await ledger.unproven(fleet.id, 1, order);
    const error = unproven?.error;
    if (!error) return [];
    return [{ type: 'tenant-failed', fleet: fleet.id, cluster, tenant: { customer, profile }, error }];
  }
}
