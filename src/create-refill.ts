import { hostname, userInfo } from 'node:os';
import type { RefillConfig } from './config/config.ts';
import type { ConfigInput } from './config/define.ts';
import { completeConfig } from './config/load.ts';
import { resolveSecret } from './config/secrets.ts';
import { type FleetHost, LocalFleets } from './create-fleet.ts';
import type { DatasetDefinition } from './dataset/definition.ts';
import { refuseBlast } from './domain/blast.ts';
import { asRefillError, RefillError } from './domain/errors.ts';
import type { Finding, RunEvent, TenantFinding } from './domain/events.ts';
import type { MutationFinding } from './domain/mutations.ts';
import type { Plan } from './domain/plan.ts';
import type { PlanRequest, Survey } from './domain/requests.ts';
import type { RunState } from './domain/states.ts';
import { formatTenant, type Range } from './domain/words.ts';
import type { TenantRunOptions } from './executors/fleet.ts';
import { type LocalRun, runLocal } from './executors/local.ts';
import { newId } from './ledger/ids.ts';
import type { Actor, Ledger, LiveLimit, RunRecord } from './ledger/ledger.ts';
import { openLedger } from './ledger/open.ts';
import type { Refill, RunOptions, TenantRequest } from './refill.ts';
import { type Cluster, clustersNamed, openCluster } from './steps/connect.ts';
import { debugPoint } from './steps/debug-points.ts';
import { explain } from './steps/explain.ts';
import { listMutations, takeBack } from './steps/list-mutations.ts';
import { checkPlan, makePlan } from './steps/plan.ts';
import { preflight } from './steps/preflight.ts';
import { countUntimed, survey } from './steps/survey.ts';
import { findTenant, findTenants, tenantOf } from './steps/tenants.ts';
import { verify } from './steps/verify.ts';
import { openWorkbench, type Workbench } from './steps/workbench.ts';

/**
 * Opens nothing yet: each connection is made when it is first needed. Call `close()` at the end.
 *
 * @param config What `defineConfig` or `loadConfig` returned. It is checked at the first call, which throws
 * `CONFIG_INVALID` where something is wrong with it.
 */
export function createRefill(config: ConfigInput): Refill {
  return new LocalRefill(config);
}

class LocalRefill implements Refill {
  readonly #input: ConfigInput;
  readonly #actor: Actor = { user: userInfo().username, host: hostname(), pid: process.pid };
  readonly #closing = new AbortController();
  #completed: Promise<RefillConfig> | undefined;
  #ledger: Promise<Ledger> | undefined;
  #clusters: Promise<readonly Cluster[]> | undefined;

  constructor(input: ConfigInput) {
    this.#input = input;
  }

  #config(): Promise<RefillConfig> {
    this.#completed ??= completeConfig(this.#input);
    return this.#completed;
  }

  readonly ledger = (): Promise<Ledger> => {
    this.#ledger ??= (async () => {
      const { ledger } = await this.#config();
      const { password } = ledger;
      return openLedger(ledger, password === undefined ? undefined : await resolveSecret(password));
    })().catch((error: unknown) => {
      // A ledger that was away may be back at the next call.
      this.#ledger = undefined;
      throw error;
    });
    return this.#ledger;
  };

  #allClusters(): Promise<readonly Cluster[]> {
    this.#clusters ??= this.#config().then(({ clusters }) =>
      Promise.all(Object.entries(clusters).map(([name, cluster]) => openCluster(name, cluster, resolveSecret))),
    );
    return this.#clusters;
  }

  async #clustersNamed(name: string | undefined): Promise<readonly Cluster[]> {
    return clustersNamed(await this.#allClusters(), name === undefined ? undefined : [name]);
  }

  async #dataset(name: string | undefined): Promise<DatasetDefinition> {
    const { datasets } = await this.#config();
    const found = name === undefined ? datasets[0] : datasets.find((d) => d.name === name);
    if (!found)
      throw new RefillError(
        'DATASET_UNKNOWN',
        `no dataset ${name ?? ''} in the configuration; it has ${datasets.map((d) => d.name).join(', ') || 'none'}`,
      );
    return found;
  }

  async #workbench(request: TenantRequest & { readonly tables?: readonly string[] }): Promise<Workbench> {
    const dataset = await this.#dataset(request.dataset);
    const { cluster, finding } = await findTenant(await this.#clustersNamed(request.cluster), dataset, request.tenant);
    return openWorkbench(cluster, tenantOf(finding), dataset, request.tables);
  }

  /** The workbench of a saved plan: its tenant as it was found then, and its tables. */
  async #workbenchOf(plan: Plan): Promise<Workbench> {
    const [cluster] = await this.#clustersNamed(plan.tenant.cluster);
    if (!cluster) throw new RefillError('BUG', `no cluster ${plan.tenant.cluster}`);
    return openWorkbench(cluster, plan.tenant, await this.#dataset(plan.dataset), plan.tables);
  }

  async tenants(options: { readonly dataset?: string } = {}): Promise<readonly TenantFinding[]> {
    const dataset = await this.#dataset(options.dataset);
    const found: TenantFinding[] = [];
    for (const cluster of await this.#allClusters()) found.push(...(await findTenants(cluster, dataset)));
    return found;
  }

  async doctor(): Promise<readonly Finding[]> {
    const findings: Finding[] = [];
    const check = async (name: string, subject: string, task: () => Promise<string>) => {
      try {
        findings.push({ check: name, level: 'ok', subject, message: await task(), remedy: null });
        return true;
      } catch (thrown) {
        const error = asRefillError(thrown);
        findings.push({
          check: name,
          level: 'error',
          subject,
          message: `${error.code}: ${error.message}`,
          remedy: error.hint,
        });
        return false;
      }
    };
    const config = await this.#config();
    await check('ledger', config.ledger.database, async () => {
      await (await this.ledger()).runs({ limit: 1 });
      return 'reachable, and its schema is up to date';
    });
    for (const cluster of await this.#allClusters()) {
      for (const dataset of config.datasets) {
        let tenants: readonly TenantFinding[] = [];
        const reached = await check('cluster', cluster.name, async () => {
          tenants = await findTenants(cluster, dataset);
          return `both sides reachable, ${tenants.length} tenants of ${dataset.name}`;
        });
        if (!reached) continue;
        for (const tenant of tenants) await this.#checkTenant(cluster, dataset, tenant, findings);
      }
    }
    return findings;
  }

  async limits(): Promise<readonly LiveLimit[]> {
    return (await this.ledger()).liveLimits();
  }

  async setLimit(cluster: string | null, windows: number | null): Promise<readonly LiveLimit[]> {
    if (cluster !== null) await this.#clustersNamed(cluster);
    const ledger = await this.ledger();
    await ledger.setLiveLimit(cluster, windows, this.#actor);
    return ledger.liveLimits();
  }

  async mutations(options: { readonly cluster?: string } = {}): Promise<readonly MutationFinding[]> {
    const found: MutationFinding[] = [];
    for (const cluster of await this.#clustersNamed(options.cluster)) found.push(...(await listMutations(cluster)));
    return found;
  }

  async killMutations(run: string): Promise<readonly MutationFinding[]> {
    const ledger = await this.ledger();
    // One that this ledger does not know is not ours, whatever its predicate says.
    const { id, tenant } = await ledger.run(run);
    const killed: MutationFinding[] = [];
    for (const cluster of await this.#clustersNamed(tenant.cluster)) {
      for (const mutation of await listMutations(cluster)) {
        if (mutation.run !== id) continue;
        await takeBack(cluster, mutation);
        killed.push(mutation);
      }
    }
    await ledger.audit({
      actor: this.#actor,
      action: 'kill-mutations',
      subject: id,
      details: { killed: killed.length },
    });
    return killed;
  }

  async #checkTenant(
    cluster: Cluster,
    dataset: DatasetDefinition,
    finding: TenantFinding,
    findings: Finding[],
  ): Promise<void> {
    const subject = formatTenant(finding);
    if (finding.problem !== null)
      findings.push({
        check: 'tenant',
        level: 'warning',
        subject,
        message: finding.problem,
        remedy: 'list it with its database in the configuration',
      });
    if (finding.sourceDatabase === null || finding.targetDatabase === null) return;
    try {
      const bench = await openWorkbench(cluster, tenantOf(finding), dataset);
      findings.push(...(await preflight(bench)));
      findings.push({
        check: 'dataset',
        level: 'ok',
        subject,
        message: `${dataset.name} fits ${bench.tables.map((t) => t.definition.name).join(', ')}`,
        remedy: null,
      });
    } catch (thrown) {
      const error = asRefillError(thrown);
      findings.push({
        check: 'dataset',
        level: 'error',
        subject,
        message: `${error.code}: ${error.message}`,
        remedy: error.hint,
      });
    }
  }

  async survey(request: Parameters<Refill['survey']>[0]): Promise<Survey> {
    return this.#surveyOn(await this.#workbench(request), request);
  }

  async *surveys(request: Parameters<Refill['surveys']>[0]): AsyncGenerator<Survey> {
    const dataset = await this.#dataset(request.dataset);
    const clusters = await this.#allClusters();
    for (const finding of request.tenants) {
      const cluster = clusters.find((c) => c.name === finding.cluster);
      if (!cluster) throw new RefillError('BUG', `no cluster ${finding.cluster}`);
      yield await this.#surveyOn(await openWorkbench(cluster, tenantOf(finding), dataset), request);
    }
  }

  async #surveyOn(bench: Workbench, request: { readonly range: Range; readonly untimed?: boolean }): Promise<Survey> {
    const { tables, days } = await survey(bench, request.range);
    const untimed =
      request.untimed === true
        ? await countUntimed(bench)
        : bench.tables.flatMap(({ definition }) =>
            (definition.untimed ?? []).map((u) => ({ table: definition.name, reason: u.reason, rows: null })),
          );
    return {
      tenant: { customer: bench.tenant.customer, profile: bench.tenant.profile },
      cluster: bench.tenant.cluster,
      dataset: bench.dataset.name,
      range: request.range,
      tables,
      days,
      untimed,
    };
  }

  async plan(request: Parameters<Refill['plan']>[0]): Promise<Plan> {
    return this.#planOn(await this.#workbench(request), request);
  }

  async #planOn(bench: Workbench, request: Omit<PlanRequest, 'tenant'>): Promise<Plan> {
    const ledger = await this.ledger();
    const plan = await makePlan(bench, {
      id: newId('p'),
      createdBy: `${this.#actor.user}@${this.#actor.host}`,
      range: request.range,
      strategy: request.strategy,
      limits: (await this.#config()).limits,
      rate: await ledger.measuredRate(bench.tenant.cluster, bench.dataset.name),
      findings: await preflight(bench),
    });
    await ledger.savePlan(plan, this.#actor);
    return plan;
  }

  async *run(id: string, options: RunOptions = {}): AsyncGenerator<RunEvent> {
    const [plan, { limits }] = await Promise.all([this.ledger().then((ledger) => ledger.plan(id)), this.#config()]);
    refuseBlast({ id: plan.id, rowsToDelete: plan.cost.rowsToDelete }, limits.blastRows, options.confirmRows);
    yield* this.#begin(plan, options);
  }

  async *#begin(plan: Plan, options: RunOptions & Partial<TenantRunOptions>): AsyncGenerator<RunEvent> {
    const ledger = await this.ledger();
    const bench = await this.#workbenchOf(plan);
    await refuseErrors(bench);
    await checkPlan(bench, plan, options.recount !== false);
    const run = await ledger.createRun(plan, this.#actor);
    await debugPoint('run-created');
    const governed = await this.#governed(plan);
    yield* runLocal({ ledger, bench, plan, run, actor: this.#actor, resumed: false, governed, ...options });
  }

  async *resume(id?: string, options: RunOptions & Partial<TenantRunOptions> = {}): AsyncGenerator<RunEvent> {
    const ledger = await this.ledger();
    const run = await this.#choose(id, ['running', 'paused'], 'to resume');
    if (run.state !== 'running' && run.state !== 'paused') {
      throw new RefillError('RUN_STATE', `run ${run.id} is ${run.state}, so there is nothing to resume`);
    }
    const prepared = await this.#prepare(ledger, run);
    if (run.holder === null) {
      if (run.state === 'paused') await ledger.setRunState(run.id, 'running', this.#actor);
      await ledger.request(run.id, 'run', this.#actor);
    }
    yield* runLocal({ ledger, ...prepared, run, actor: this.#actor, resumed: true, ...options });
  }

  async *retry(id?: string, options: RunOptions & Partial<TenantRunOptions> = {}): AsyncGenerator<RunEvent> {
    const ledger = await this.ledger();
    const run = await this.#choose(id, ['failed', 'cancelled', 'differences'], 'to retry');
    // Checked before the run is made running again: a refusal leaves it as it was.
    const prepared = await this.#prepare(ledger, run);
    await ledger.retry(run.id, this.#actor);
    const again = await ledger.run(run.id);
    yield* runLocal({ ledger, ...prepared, run: again, actor: this.#actor, resumed: true, ...options });
  }

  /** What a run goes on with, checked as at its beginning, but for the counts: it has changed those itself. */
  async #prepare(
    ledger: Ledger,
    run: RunRecord,
  ): Promise<{ readonly plan: Plan; readonly bench: Workbench; readonly governed: LocalRun['governed'] }> {
    const plan = await ledger.plan(run.plan);
    const bench = await this.#workbenchOf(plan);
    await refuseErrors(bench);
    await checkPlan(bench, plan, false);
    return { plan, bench, governed: await this.#governed(plan) };
  }

  /** What slows or holds a run: by today's configuration, whatever it was when the plan was made. */
  async #governed({ tenant }: Plan): Promise<LocalRun['governed']> {
    const { health, calendar, clusters } = await this.#config();
    return { health, calendar: clusters[tenant.cluster]?.calendar ?? calendar ?? null };
  }

  pause = (id?: string): Promise<RunRecord> => this.#ask(id, 'pause');
  cancel = (id?: string): Promise<RunRecord> => this.#ask(id, 'cancel');

  async #ask(id: string | undefined, wanted: 'pause' | 'cancel'): Promise<RunRecord> {
    const ledger = await this.ledger();
    const run = await this.#choose(id, ['running', 'paused'], `to ${wanted}`);
    if (run.state !== 'running' && run.state !== 'paused')
      throw new RefillError('RUN_STATE', `run ${run.id} is ${run.state} already`);
    await ledger.request(run.id, wanted, this.#actor);
    // Nobody is at work on it who could see what is wanted: then it is done here.
    if (run.holder === null) {
      const lock = await ledger.lockRun(run.id, this.#actor);
      try {
        if (wanted === 'cancel') await ledger.setRunState(run.id, 'cancelled', this.#actor);
        else if (run.state === 'running') await ledger.setRunState(run.id, 'paused', this.#actor);
      } finally {
        await lock.release();
      }
    }
    return ledger.run(run.id);
  }

  /** A run by its id; without one the only run in some states. */
  async #choose(id: string | undefined, states: readonly RunState[], what: string): Promise<RunRecord> {
    const ledger = await this.ledger();
    if (id !== undefined) return ledger.run(id);
    const found = await ledger.runs({ states, limit: 2 });
    const [run, another] = found;
    if (!run) throw new RefillError('RUN_UNKNOWN', `there is no run ${what}`);
    if (another)
      throw new RefillError('RUN_UNKNOWN', `there are several runs ${what}: ${found.map((r) => r.id).join(', ')}, …`, {
        hint: 'Name one of them.',
      });
    return run;
  }

  async runs(options: { readonly limit?: number } = {}): Promise<readonly RunRecord[]> {
    return (await this.ledger()).runs({ limit: options.limit ?? 20 });
  }

  async status(id?: string): ReturnType<Refill['status']> {
    const ledger = await this.ledger();
    const run = id === undefined ? (await ledger.runs({ limit: 1 }))[0] : await ledger.run(id);
    if (!run) throw new RefillError('RUN_UNKNOWN', 'there is no run yet');
    const [plan, windows, deletes, proofs, drift, audit] = await Promise.all([
      ledger.plan(run.plan),
      ledger.windows(run.id),
      ledger.deletes(run.id),
      ledger.proofs(run.id),
      ledger.drift(run.id, { limit: 1000 }),
      ledger.auditEntries({ subject: run.id, limit: 100 }),
    ]);
    return { run, plan, windows, deletes, proofs, drift, audit };
  }

  async verify(request: Parameters<Refill['verify']>[0]): ReturnType<Refill['verify']> {
    const bench = await this.#workbench(request);
    return verify(bench, {
      range: request.range,
      limits: (await this.#config()).limits,
      ledger: await this.ledger(),
      actor: this.#actor,
      signal: this.#closing.signal,
      ...(request.onProgress ? { onProgress: request.onProgress } : {}),
    });
  }

  async explain(request: TenantRequest & { readonly id: string }): ReturnType<Refill['explain']> {
    return explain(await this.#workbench(request), request.id);
  }

  readonly #fleets = new LocalFleets(this.#fleetHost());

  #fleetHost(): FleetHost {
    const ledger = this.ledger;
    const begin = (plan: Plan, options: RunOptions & TenantRunOptions) => this.#begin(plan, options);
    return {
      actor: this.#actor,
      ledger,
      config: () => this.#config(),
      clusters: () => this.#allClusters(),
      dataset: (name) => this.#dataset(name),
      planOn: (bench, request) => this.#planOn(bench, request),
      run: async function* (plan, options) {
        yield* begin(await (await ledger()).plan(plan), options);
      },
      resume: (run, options) => this.resume(run, options),
      retry: (run, options) => this.retry(run, options),
      ask: (run, wanted) => this.#ask(run, wanted),
    };
  }

  tenantsByCluster: Refill['tenantsByCluster'] = (options = {}) => this.#fleets.tenantsByCluster(options);
  planFleet: Refill['planFleet'] = (request, options = {}) => this.#fleets.plan(request, options);
  runFleet: Refill['runFleet'] = (fleet, options = {}) => this.#fleets.run(fleet, options);
  resumeFleet: Refill['resumeFleet'] = (fleet, options = {}) => this.#fleets.resume(fleet, options);
  retryFleet: Refill['retryFleet'] = (fleet, options = {}) => this.#fleets.retry(fleet, options);
  pauseFleet: Refill['pauseFleet'] = (fleet) => this.#fleets.ask(fleet, 'pause');
  cancelFleet: Refill['cancelFleet'] = (fleet) => this.#fleets.ask(fleet, 'cancel');
  fleets: Refill['fleets'] = async (options = {}) => (await this.ledger()).fleets(options.limit ?? 20);
  fleetStatus: Refill['fleetStatus'] = (fleet) => this.#fleets.status(fleet);
  fleetReport: Refill['fleetReport'] = (fleet) => this.#fleets.report(fleet);

  async close(): Promise<void> {
    this.#closing.abort(new RefillError('INTERRUPTED', 'closed'));
    const ledger = this.#ledger && (await this.#ledger.catch(() => undefined));
    await ledger?.close();
    const clusters = this.#clusters && (await this.#clusters.catch(() => []));
    for (const cluster of clusters ?? []) await cluster.close();
  }
}

/** Refuses a run where a check found an error. */
async function refuseErrors(bench: Workbench): Promise<void> {
  const errors = (await preflight(bench)).filter((f) => f.level === 'error');
  const [first] = errors;
  if (!first) return;
  throw new RefillError('PREFLIGHT_FAILED', errors.map((f) => `${f.subject}: ${f.message}`).join('; '), {
    hint: first.remedy ?? 'See `refill doctor`.',
    details: { findings: errors },
  });
}
