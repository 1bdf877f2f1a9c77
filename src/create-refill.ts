import { Backfills } from './backfills.ts';
import type { ConfigInput } from './config/define.ts';
import { Fleets } from './fleets.ts';
import { RefillError } from './domain/errors.ts';
import type { Finding, TenantFinding } from './domain/events.ts';
import type { MutationFinding } from './domain/mutations.ts';
import type { Survey } from './domain/requests.ts';
import type { Range } from './domain/words.ts';
import { Environment } from './environment.ts';
import { checkTemporal, checkTheirs } from './executors/temporal/doctor.ts';
import type { LiveLimit, RunRecord, SlotRecord } from './ledger/ledger.ts';
import { whereIdle } from './ledger/lock.ts';
import type { Refill, TenantRequest } from './refill.ts';
import { Runs } from './runs.ts';
import { checkCluster, checkLedger } from './steps/doctor.ts';
import { explain } from './steps/explain.ts';
import { listMutations, takeBack } from './steps/list-mutations.ts';
import { countUntimed, survey } from './steps/survey.ts';
import { findTenants, tenantOf } from './steps/tenants.ts';
import { verify } from './steps/verify.ts';
import { openWorkbench, type Workbench } from './steps/workbench.ts';
import { packageVersion } from './version.ts';

/**
 * Opens nothing yet: each connection is made when it is first needed. Call `close()` at the end.
 *
 * @param config What `defineConfig` or `loadConfig` returned. It is checked at the first call, which throws
 * `CONFIG_INVALID` where something is wrong with it.
 */
export function createRefill(config: ConfigInput): Refill {
  return new LocalRefill(new Environment(config));
}

class LocalRefill implements Refill {
  readonly #environment: Environment;
  readonly #runs: Runs;
  readonly #fleets: Fleets;
  readonly #backfills: Backfills;
  readonly #closing = new AbortController();

  constructor(environment: Environment) {
    this.#environment = environment;
    this.#runs = new Runs(environment);
    this.#fleets = new Fleets(environment, this.#runs);
    this.#backfills = new Backfills(environment, this.#runs);
  }

  ledger: Refill['ledger'] = () => this.#environment.ledger();

  async tenants(options: { readonly dataset?: string } = {}): Promise<readonly TenantFinding[]> {
    const dataset = await this.#environment.dataset(options.dataset);
    const found: TenantFinding[] = [];
    for (const cluster of await this.#environment.clusters()) found.push(...(await findTenants(cluster, dataset)));
    return found;
  }

  async doctor(options: { readonly fix?: boolean } = {}): Promise<readonly Finding[]> {
    const { ledger, datasets } = await this.#environment.config();
    const findings = [await checkLedger(ledger.database, this.ledger)];
    for (const cluster of await this.#environment.clusters())
      for (const dataset of datasets) findings.push(...(await checkCluster(cluster, dataset)));
    for (const served of await this.#environment.temporals())
      findings.push(...(await checkTemporal({ ...served, fix: options.fix === true, version: packageVersion() })));
    for (const theirs of await this.#environment.theirTemporals()) findings.push(...(await checkTheirs(theirs)));
    return findings;
  }

  async limits(): Promise<readonly LiveLimit[]> {
    return (await this.ledger()).liveLimits();
  }

  async setLimit(cluster: string | null, windows: number | null): Promise<readonly LiveLimit[]> {
    if (cluster !== null) await this.#environment.clusters([cluster]);
    const ledger = await this.ledger();
    await ledger.setLiveLimit(cluster, windows, this.#environment.actor);
    return ledger.liveLimits();
  }

  async slots(): Promise<readonly SlotRecord[]> {
    return (await this.ledger()).slots();
  }

  async mutations(options: { readonly cluster?: string } = {}): Promise<readonly MutationFinding[]> {
    const found: MutationFinding[] = [];
    const names = options.cluster === undefined ? undefined : [options.cluster];
    for (const cluster of await this.#environment.clusters(names)) found.push(...(await listMutations(cluster)));
    return found;
  }

  async killMutations(run: string): Promise<readonly MutationFinding[]> {
    const ledger = await this.ledger();
    // One that this ledger does not know is not ours, whatever its predicate says.
    const { id, tenant, state, executor } = await ledger.run(run);
    const { actor } = this.#environment;
    const killed: MutationFinding[] = [];
    const cluster = await this.#environment.cluster(tenant.cluster);
    for (const mutation of await listMutations(cluster)) {
      if (mutation.run !== id) continue;
      await takeBack(cluster, mutation);
      killed.push(mutation);
    }
    await ledger.audit({ actor, action: 'kill-mutations', subject: id, details: { killed: killed.length } });
    const nonces = [...new Set(killed.flatMap(({ nonce }) => (nonce === null ? [] : [nonce])))];
    // A run in progress notices by itself, and fails; any other sends them again when it is resumed or retried.
    if (nonces.length > 0 && !(state === 'running' && executor === 'temporal'))
      await whereIdle(ledger.lockRun(id, actor), () => ledger.repeatDeletes(id, nonces, actor));
    return killed;
  }

  async survey(request: Parameters<Refill['survey']>[0]): Promise<Survey> {
    return this.#surveyOn(await this.#environment.workbench(request), request);
  }

  async *surveys(request: Parameters<Refill['surveys']>[0]): AsyncGenerator<Survey> {
    const dataset = await this.#environment.dataset(request.dataset);
    for (const finding of request.tenants) {
      const cluster = await this.#environment.cluster(finding.cluster);
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

  async plan(request: Parameters<Refill['plan']>[0]): ReturnType<Refill['plan']> {
    return this.#runs.plan(await this.#environment.workbench(request), request);
  }

  planIds: Refill['planIds'] = (request) => this.#runs.planIds(request);
  run: Refill['run'] = (plan, options = {}) => this.#runs.run(plan, options);
  resume: Refill['resume'] = (run, options = {}) => this.#runs.resume(run, options);
  retry: Refill['retry'] = (run, options = {}) => this.#runs.retry(run, options);
  pause: Refill['pause'] = (run) => this.#runs.ask(run, 'pause');
  cancel: Refill['cancel'] = (run, waiting) => this.#runs.ask(run, 'cancel', waiting);
  status: Refill['status'] = (run) => this.#runs.status(run);

  async runs(options: { readonly limit?: number } = {}): Promise<readonly RunRecord[]> {
    return (await this.ledger()).runs({ limit: options.limit ?? 20 });
  }

  async verify(request: Parameters<Refill['verify']>[0]): ReturnType<Refill['verify']> {
    const bench = await this.#environment.workbench(request);
    return verify(bench, {
      range: request.range,
      limits: (await this.#environment.config()).limits,
      ledger: await this.ledger(),
      actor: this.#environment.actor,
      signal: this.#closing.signal,
      ...(request.onProgress ? { onProgress: request.onProgress } : {}),
    });
  }

  async explain(request: TenantRequest & { readonly id: string }): ReturnType<Refill['explain']> {
    return explain(await this.#environment.workbench(request), request.id);
  }

  tenantsByCluster: Refill['tenantsByCluster'] = (options = {}) => this.#fleets.tenantsByCluster(options);
  planFleet: Refill['planFleet'] = (request, options = {}) => this.#fleets.plan(request, options);
  runFleet: Refill['runFleet'] = (fleet, options = {}) => this.#fleets.run(fleet, options);
  resumeFleet: Refill['resumeFleet'] = (fleet, options = {}) => this.#fleets.resume(fleet, options);
  retryFleet: Refill['retryFleet'] = (fleet, options = {}) => this.#fleets.retry(fleet, options);
  pauseFleet: Refill['pauseFleet'] = (fleet) => this.#fleets.ask(fleet, 'pause');
  cancelFleet: Refill['cancelFleet'] = (fleet, waiting) => this.#fleets.ask(fleet, 'cancel', waiting);
  fleets: Refill['fleets'] = async (options = {}) => (await this.ledger()).fleets(options.limit ?? 20);
  fleetStatus: Refill['fleetStatus'] = (fleet) => this.#fleets.status(fleet);
  fleetReport: Refill['fleetReport'] = (fleet) => this.#fleets.report(fleet);

  planBackfill: Refill['planBackfill'] = (request) => this.#backfills.plan(request);
  rehearseBackfill: Refill['rehearseBackfill'] = (id, options) => this.#backfills.rehearse(id, options);
  backfill: Refill['backfill'] = (id, options = {}) => this.#backfills.run(id, options);
  resumeBackfill: Refill['resumeBackfill'] = (id, options = {}) => this.#backfills.resume(id, options);
  retryBackfill: Refill['retryBackfill'] = (id, options = {}) => this.#backfills.retry(id, options);
  pauseBackfill: Refill['pauseBackfill'] = (id) => this.#backfills.ask(id, 'pause');
  cancelBackfill: Refill['cancelBackfill'] = (id, waiting) => this.#backfills.ask(id, 'cancel', waiting);
  backfills: Refill['backfills'] = async (options = {}) => (await this.ledger()).backfills(options.limit ?? 20);
  backfillStatus: Refill['backfillStatus'] = async (id) => (await this.ledger()).backfill(id);
  backfillReport: Refill['backfillReport'] = (id) => this.#backfills.report(id);
  work: Refill['work'] = async (options) => (await import('./workers.ts')).work(this.#environment, options);

  async close(): Promise<void> {
    this.#closing.abort(new RefillError('INTERRUPTED', 'closed'));
    await this.#environment.close();
  }
}
