import type { DatasetDefinition } from './dataset/definition.ts';
import { refuseBlast } from './domain/blast.ts';
import { means } from './domain/dependents.ts';
import { asRefillError, RefillError } from './domain/errors.ts';
import type { TenantFinding } from './domain/events.ts';
import type { FleetEvent } from './domain/fleet-events.ts';
import {
  type ClusterFindings,
  type FleetMember,
  type FleetPlan,
  type FleetRequest,
  planOrder,
  reachOf,
} from './domain/fleet.ts';
import { createPool } from './domain/pool.ts';
import { formatTenant } from './domain/words.ts';
import type { Environment } from './environment.ts';
import { type FleetRun, runFleet } from './executors/fleet.ts';
import { withRetries } from './executors/retry.ts';
import type { TemporalClient } from './executors/temporal/client.ts';
import { runFleetTemporal } from './executors/temporal/follow-fleet.ts';
import { fleetSubject, settleIfReachable } from './executors/temporal/settle.ts';
import { workflowId } from './executors/temporal/shared/names.ts';
import { newId } from './ledger/ids.ts';
import type { FleetRecord } from './ledger/ledger.ts';
import { whereIdle } from './ledger/lock.ts';
import type { CancelWaiting, FleetReport, FleetStatus, PlanFleetOptions, RunOptions } from './refill.ts';
import type { Runs } from './runs.ts';
import type { Cluster } from './steps/connect.ts';
import { findByCluster, refuseCollisions, selectTenants } from './steps/fleet.ts';
import { tenantOf } from './steps/tenants.ts';
import { openWorkbench } from './steps/workbench.ts';

/** How many tenants that are not proven a status names; the result of a run names all. */
const STATUS_UNPROVEN = 1000;

/** Fleets: what is done with many tenants, made of what is done with one. */
export class Fleets {
  readonly #environment: Environment;
  readonly #runs: Runs;

  constructor(environment: Environment, runs: Runs) {
    this.#environment = environment;
    this.#runs = runs;
  }

  async tenantsByCluster(options: {
    readonly dataset?: string;
    readonly clusters?: readonly string[];
  }): Promise<readonly ClusterFindings[]> {
    return findByCluster(
      await this.#environment.clusters(options.clusters),
      await this.#environment.dataset(options.dataset),
    );
  }

  async plan(request: FleetRequest, options: PlanFleetOptions): Promise<FleetPlan> {
    const [clusters, dataset, ledger] = await Promise.all([
      this.#environment.clusters(request.clusters),
      this.#environment.dataset(request.dataset),
      this.#environment.ledger(),
    ]);
    const found = await findByCluster(clusters, dataset);
    const unknown = found.flatMap(({ cluster, error }) => (error === null ? [] : [{ cluster, error }]));
    const selected = selectTenants(found, request);
    const [firstUnknown] = unknown;
    if (selected.length === 0) {
      throw firstUnknown
        ? new RefillError(firstUnknown.error.code, `cluster ${firstUnknown.cluster}: ${firstUnknown.error.message}`)
        : new RefillError('TENANT_UNKNOWN', `no tenant is left on ${clusters.map((c) => c.name).join(', ')}`);
    }
    await refuseCollisions(selected, found, clusters, dataset);
    const members = await this.#members(selected, clusters, dataset, request, options);
    const plan: FleetPlan = {
      id: newId('f'),
      createdAt: new Date().toISOString(),
      createdBy: `${this.#environment.actor.user}@${this.#environment.actor.host}`,
      request,
      dataset: dataset.name,
      members: planOrder(members),
      unknown,
      reach: reachOf(members),
    };
    await ledger.saveFleet(plan, this.#environment.actor);
    return plan;
  }

  /** Plans tenants, as many at once on a cluster as will run at once. One that cannot be planned keeps its reason. */
  async #members(
    selected: readonly TenantFinding[],
    clusters: readonly Cluster[],
    dataset: DatasetDefinition,
    request: FleetRequest,
    { onProgress }: PlanFleetOptions,
  ): Promise<Omit<FleetMember, 'order'>[]> {
    const { limits } = await this.#environment.config();
    const pools = new Map(clusters.map((cluster) => [cluster, createPool(limits.tenants)]));
    const { range, strategy, tables, dependents } = request;
    const wanted = {
      range,
      ...(strategy ? { strategy } : {}),
      ...(tables ? { tables } : {}),
      ...(dependents ? { dependents, ofFleet: true } : {}),
    };
    // Views that an answer means: not every tenant has each of them, but one that nobody has is a typing mistake.
    const answered = new Set<string>();
    let done = 0;
    const errors: RefillError[] = [];
    const planOne = async (finding: TenantFinding): Promise<Omit<FleetMember, 'order'>> => {
      const { customer, profile, cluster: name } = finding;
      const head = { customer, profile, cluster: name, priority: request.priorities?.[formatTenant(finding)] ?? 0 };
      try {
        const cluster = clusters.find((c) => c.name === name);
        if (!cluster) throw new RefillError('BUG', `no cluster ${name}`);
        const plan = await withRetries(
          { limits: { ...limits, outageMinutes: 0 }, signal: new AbortController().signal, onRetry: () => undefined },
          async () => this.#runs.plan(await openWorkbench(cluster, tenantOf(finding), dataset, tables), wanted),
        );
        const { rowsToDelete, rowsToWrite, rowsToRewrite } = plan.cost;
        const rowsBefore = plan.counts.reduce((n, table) => n + table.target, 0);
        const { id, warnings } = plan;
        for (const name of Object.keys(dependents ?? {}))
          if (plan.dependents.some((one) => means(name, one))) answered.add(name);
        return { ...head, plan: id, problem: null, rowsBefore, rowsToDelete, rowsToWrite, rowsToRewrite, warnings };
      } catch (thrown) {
        const error = asRefillError(thrown);
        if (error.code.startsWith('LEDGER')) throw error;
        errors.push(error);
        const nothing = { rowsBefore: 0, rowsToDelete: 0, rowsToWrite: 0, rowsToRewrite: 0, warnings: [] };
        return { ...head, plan: null, problem: error.toJSON(), ...nothing };
      } finally {
        done += 1;
        onProgress?.(done, selected.length);
      }
    };
    const members = await Promise.all(
      selected.map((finding) => {
        const cluster = clusters.find((c) => c.name === finding.cluster);
        const pool = cluster && pools.get(cluster);
        return pool ? pool.run(() => planOne(finding)) : planOne(finding);
      }),
    );
    const [first] = errors;
    if (first && members.every((member) => member.plan === null)) throw first;
    const unknown = Object.keys(dependents ?? {}).filter((name) => !answered.has(name));
    if (unknown.length > 0 && !first)
      throw new RefillError('DEPENDENT_UNKNOWN', `no tenant of the fleet has a dependent called ${unknown.join(', ')}`);
    return members;
  }

  async *run(id: string, options: RunOptions): AsyncGenerator<FleetEvent> {
    const [ledger, { limits }] = await Promise.all([this.#environment.ledger(), this.#environment.config()]);
    const fleet = await ledger.fleet(id);
    if (fleet.state !== 'planned') {
      throw new RefillError('RUN_STATE', `fleet ${fleet.id} was begun before: it is ${fleet.state}`, {
        hint:
          fleet.state === 'running' && fleet.holder !== null
            ? `\`refill status ${fleet.id}\` shows it at work.`
            : `Go on with it (\`refill resume ${fleet.id}\`, \`refill retry ${fleet.id} --execute\`), or make a new plan.`,
      });
    }
    refuseBlast({ id: fleet.id, rowsToDelete: fleet.reach.rowsToDelete }, limits.blastRows, options.confirmRows);
    const executor = options.executor ?? (await this.#environment.config()).executor ?? 'local';
    yield* this.#execute({ ...fleet, executor }, 'run', options);
  }

  async *resume(id: string, options: RunOptions): AsyncGenerator<FleetEvent> {
    const fleet = await (await this.#environment.ledger()).fleet(id);
    if (fleet.state !== 'running' && fleet.state !== 'paused') {
      const why = fleet.state === 'planned' ? 'was not begun' : `is ${fleet.state}`;
      throw new RefillError('RUN_STATE', `fleet ${fleet.id} ${why}, so there is nothing to resume`);
    }
    yield* this.#execute(fleet, 'resume', options);
  }

  async *retry(id: string, options: RunOptions): AsyncGenerator<FleetEvent> {
    const fleet = await (await this.#environment.ledger()).fleet(id);
    yield* this.#execute(await this.#settled(fleet), 'retry', options);
  }

  /** By the executor that the fleet was begun with. */
  async *#execute(fleet: FleetRecord, how: FleetRun['how'], options: RunOptions): AsyncGenerator<FleetEvent> {
    if (fleet.executor === 'local') {
      yield* runFleet(await this.#fleetRun(fleet, how, options));
      return;
    }
    const [ledger, { limits }, client] = await Promise.all([
      this.#environment.ledger(),
      this.#environment.config(),
      this.#temporal(fleet),
    ]);
    const { drain, force } = options;
    yield* runFleetTemporal({
      ledger,
      client,
      fleet,
      actor: this.#environment.actor,
      limits,
      how,
      governed: (plan) => this.#environment.governed(plan),
      look: (onNotice) => this.#look(fleet, onNotice),
      drain,
      force,
    });
  }

  /** The Temporal server of a fleet: a workflow has its tenants on its own server and namespace. */
  async #temporal(fleet: FleetRecord): Promise<TemporalClient> {
    const client = await this.#environment.temporal();
    for (const cluster of new Set((await (await this.#environment.ledger()).members(fleet.id)).map((m) => m.cluster))) {
      if ((await this.#environment.temporal(cluster)) === client) continue;
      throw new RefillError('CONFIG_INVALID', `cluster ${cluster} has a Temporal server of its own`, {
        hint: 'A fleet over Temporal needs one server for all of its clusters: make a fleet for each server.',
      });
    }
    return client;
  }

  /** A fleet as it is: one whose workflow was ended from outside is failed. A server that does not answer tells nothing. */
  async #settled(fleet: FleetRecord): Promise<FleetRecord> {
    if (fleet.executor === 'local' || fleet.state !== 'running') return fleet;
    const ledger = await this.#environment.ledger();
    const subject = fleetSubject(ledger, fleet, this.#environment.actor);
    await settleIfReachable(() => this.#temporal(fleet), subject);
    return ledger.fleet(fleet.id);
  }

  async #fleetRun(fleet: FleetRecord, how: FleetRun['how'], options: RunOptions): Promise<FleetRun> {
    const [runs, config] = [this.#runs, await this.#environment.config()];
    const { drain, force, recount } = options;
    return {
      ledger: await this.#environment.ledger(),
      fleet,
      actor: this.#environment.actor,
      limits: config.limits,
      how,
      begin: {
        run: (plan, own) => runs.runApproved(plan, { ...own, ...(recount === undefined ? {} : { recount }) }),
        resume: (run, own) => runs.resume(run, own),
        retry: (run, own) => runs.retry(run, own),
      },
      look: (onNotice) => this.#look(fleet, onNotice),
      ...(drain ? { drain } : {}),
      ...(force ? { force } : {}),
    };
  }

  /** Tenants that have appeared since the plan: it does not name them, so they are not touched, and that is said. */
  async #look(fleet: FleetRecord, onNotice: (message: string) => void): Promise<void> {
    const { tenants, exclude = [], clusters } = fleet.request;
    if (tenants !== undefined) return;
    const found = await this.tenantsByCluster({ dataset: fleet.dataset, ...(clusters ? { clusters } : {}) });
    const members = await (await this.#environment.ledger()).members(fleet.id);
    const key = (t: { readonly cluster: string; readonly customer: string; readonly profile: string }) =>
      JSON.stringify([t.cluster, t.customer, t.profile]);
    const known = new Set(members.map(key));
    const excluded = new Set(exclude.map(formatTenant));
    const unknownThen = new Set(fleet.unknown.map((one) => one.cluster));
    for (const { cluster, tenants: now, error } of found) {
      if (error !== null) onNotice(`cluster ${cluster} is unknown: ${error.message}`);
      const appeared = now.filter((t) => !known.has(key(t)) && !excluded.has(formatTenant(t)));
      if (appeared.length === 0) continue;
      const names = appeared.map(formatTenant).join(', ');
      onNotice(
        unknownThen.has(cluster)
          ? `cluster ${cluster} was unknown when the fleet was planned, so it is not touched: ${names}`
          : `not touched, as it is not in the plan: ${names} (cluster ${cluster})`,
      );
    }
  }

  async ask(id: string, wanted: 'pause' | 'cancel', waiting: CancelWaiting = {}): Promise<FleetRecord> {
    const { actor } = this.#environment;
    const ledger = await this.#environment.ledger();
    const fleet = await ledger.fleet(id);
    await ledger.requestFleet(fleet.id, wanted, actor);
    if (fleet.executor === 'temporal') {
      const client = await this.#temporal(fleet);
      const workflow = fleet.workflow ?? workflowId(fleet.id);
      await client.tell(workflow, wanted);
      if ((await client.state(workflow)) === 'running') return ledger.fleet(fleet.id);
    }
    // Nobody is at work on it who could see what is wanted: then it is done here.
    if (fleet.holder === null)
      await whereIdle(ledger.lockFleet(fleet.id, actor), async () => {
        for (const { run, runState } of await ledger.members(fleet.id)) {
          const open = runState === 'running' || (runState === 'paused' && wanted === 'cancel');
          if (run !== null && open) await this.#runs.ask(run, wanted, waiting);
        }
        const { state } = await ledger.fleet(fleet.id);
        if (wanted === 'cancel' && (state === 'running' || state === 'paused'))
          await ledger.setFleetState(fleet.id, 'cancelled', actor);
        else if (state === 'running') await ledger.setFleetState(fleet.id, 'paused', actor);
      });
    return ledger.fleet(fleet.id);
  }

  async status(id: string): Promise<FleetStatus> {
    const ledger = await this.#environment.ledger();
    const fleet = await this.#settled(await ledger.fleet(id));
    const [clusters, unproven] = await Promise.all([
      ledger.fleetTally(fleet.id),
      ledger.unproven(fleet.id, STATUS_UNPROVEN),
    ]);
    return { fleet, clusters, unproven };
  }

  async report(id: string): Promise<FleetReport> {
    const status = await this.status(id);
    const ledger = await this.#environment.ledger();
    const [plan, members, audit] = await Promise.all([
      ledger.fleetPlan(status.fleet.id),
      ledger.members(status.fleet.id),
      ledger.auditEntries({ subject: status.fleet.id, limit: 100 }),
    ]);
    return { ...status, plan, members, audit };
  }
}
