import type { Client, WorkflowExecutionDescription, WorkflowHandle } from '@temporalio/client';
import { RefillError } from '../../domain/errors.ts';
import { temporalError } from '../../domain/temporal-error.ts';
import type { RunRecord } from '../../ledger/ledger.ts';
import { formatRange, formatTenant } from '../../domain/words.ts';
import { pollersOf } from './pollers.ts';
import { connectClient, type TemporalSettings } from './settings.ts';
import {
  clusterQueue,
  fleetQueue,
  FLEET_WORKFLOW,
  SEARCH_ATTRIBUTES,
  type SearchAttribute,
  TENANT_WORKFLOW,
  WANTED_SIGNAL,
  workflowId,
} from './shared/names.ts';
import type { Attributes } from './shared/attributes.ts';
import { summaryOf } from './shared/summary.ts';
import { DEFAULT_SLICE, FIRST_FLEET_PAYLOAD, type MemberPayload, sentFleet, sentTenant } from './shared/payloads.ts';

/** What a workflow is, as the server knows it; `gone` where it knows none of that id. */
export type WorkflowState = 'running' | 'ended' | 'gone';

/** Temporal's number of the type: its enums are in a package that we do not depend on. */
const KEYWORD = 2;

/** No run waits longer to learn what it can be found by. */
const ATTRIBUTES_MS = 5000;

/** Temporal's side of runs and fleets, for programs that begin and steer them. */
export class TemporalClient {
  readonly settings: TemporalSettings;
  readonly #client: Client;
  /** Whether a look has found all of our search attributes. */
  #attributes = false;

  private constructor(settings: TemporalSettings, client: Client) {
    this.settings = settings;
    this.#client = client;
  }

  /** Throws `TEMPORAL_MISSING`, `TEMPORAL_UNREACHABLE`, `TEMPORAL_FAILED`. */
  static async open(settings: TemporalSettings): Promise<TemporalClient> {
    return new TemporalClient(settings, await connectClient(settings));
  }

  async close(): Promise<void> {
    await this.#client.connection.close();
  }

  /** The SDK's client, for what is not wrapped here. Its errors are Temporal's own. */
  get sdk(): Client {
    return this.#client;
  }

  /**
   * Starts the workflow of a run, or tells the one that is at work to go on. Two programs that start it at once start
   * one.
   */
  async startRun(run: RunRecord): Promise<void> {
    const attributes = await this.knowsAttributes();
    const tenant = formatTenant(run.tenant);
    await this.#start(TENANT_WORKFLOW, {
      id: run.workflow ?? workflowId(run.id),
      taskQueue: clusterQueue(this.settings.taskQueue, run.tenant.cluster),
      payload: sentTenant({ run: run.id, member: null, attributes, slice: DEFAULT_SLICE, most: null, seconds: 0 }),
      summary: `${tenant}: ${run.strategy} of ${formatRange(run.range)}`,
      details: `run ${run.id}, plan ${run.plan}, dataset ${run.dataset}, cluster ${run.tenant.cluster}`,
      memo: { run: run.id, plan: run.plan, tenant, cluster: run.tenant.cluster, dataset: run.dataset },
      attributes: attributes
        ? {
            RefillRun: run.id,
            RefillCluster: run.tenant.cluster,
            RefillTenant: tenant,
            RefillDataset: run.dataset,
            RefillState: 'running',
          }
        : {},
    });
  }

  /** The same for a fleet. */
  async startFleet(fleet: { readonly id: string; readonly dataset: string }, how: MemberPayload['how']): Promise<void> {
    const attributes = await this.knowsAttributes();
    const { taskQueue } = this.settings;
    await this.#start(FLEET_WORKFLOW, {
      id: workflowId(fleet.id),
      taskQueue: fleetQueue(taskQueue),
      payload: sentFleet({ ...FIRST_FLEET_PAYLOAD, fleet: fleet.id, how, attributes, taskQueue }),
      summary: `fleet ${fleet.id}`,
      details: `dataset ${fleet.dataset}`,
      memo: { fleet: fleet.id, dataset: fleet.dataset },
      attributes: attributes ? { RefillRun: fleet.id, RefillDataset: fleet.dataset, RefillState: 'running' } : {},
    });
  }

  async #start(
    type: string,
    start: {
      readonly id: string;
      readonly taskQueue: string;
      readonly payload: Readonly<Record<string, unknown>>;
      readonly summary: string;
      readonly details: string;
      readonly memo: Record<string, unknown>;
      readonly attributes: Attributes;
    },
  ): Promise<void> {
    const { attributePairs } = await import('./shared/attributes.ts');
    await this.#asked(() =>
      this.#client.workflow.signalWithStart(type, {
        workflowId: start.id,
        taskQueue: start.taskQueue,
        args: [start.payload],
        signal: WANTED_SIGNAL,
        signalArgs: ['run'],
        workflowIdReusePolicy: 'ALLOW_DUPLICATE',
        workflowIdConflictPolicy: 'USE_EXISTING',
        staticSummary: summaryOf(start.summary),
        staticDetails: start.details,
        memo: start.memo,
        typedSearchAttributes: attributePairs(start.attributes),
      }),
    );
  }

  /** Says at once what is wanted; the ledger has it already, and a workflow that has ended need not hear it. */
  async tell(workflow: string, wanted: 'pause' | 'cancel'): Promise<void> {
    const handle = this.#client.workflow.getHandle(workflow);
    await this.#unlessGone<unknown>(() =>
      wanted === 'cancel' ? handle.cancel() : handle.signal(WANTED_SIGNAL, wanted),
    );
  }

  /** What the server knows of a workflow, with its activities at work; null where it knows nothing. */
  async describe(workflow: string): Promise<WorkflowExecutionDescription | null> {
    const described = await this.#unlessGone(() => this.#client.workflow.getHandle(workflow).describe());
    return described ?? null;
  }

  async state(workflow: string): Promise<WorkflowState> {
    const described = await this.describe(workflow);
    if (!described) return 'gone';
    return described.status.name === 'RUNNING' ? 'running' : 'ended';
  }

  /** What an execution of a workflow has failed of. By its own id: a `retry` may have started the next one since. */
  async failureOf(workflow: string, execution: string): Promise<RefillError> {
    try {
      await this.#client.workflow.getHandle(workflow, execution, { followRuns: false }).result();
      return workflowEnded(workflow);
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'WorkflowFailedError') return temporalError(error, this.settings);
      // Needs a package of Temporal's, which is there only where one is used.
      const { fromFailure } = await import('./shared/failure.ts');
      return fromFailure(error.cause);
    }
  }

  handle(workflow: string): WorkflowHandle {
    return this.#client.workflow.getHandle(workflow);
  }

  /** Whether the server answers and has the namespace, and its version. */
  async look(): Promise<{ readonly version: string }> {
    return await this.#asked(async () => {
      const { workflowService } = this.#client.connection;
      await workflowService.describeNamespace({ namespace: this.settings.namespace });
      return { version: (await workflowService.getSystemInfo({})).serverVersion };
    });
  }

  /** Workers that ask a task queue for work, by their names. */
  async pollers(queue: string): Promise<readonly string[]> {
    return await this.#asked(() => pollersOf(this.#client.connection.workflowService, this.settings.namespace, queue));
  }

  /**
   * Whether the server knows our search attributes: it refuses a workflow with one that it does not know. Only that it
   * does is kept: a look that failed says nothing of the next one, and others may register what was missing.
   */
  async knowsAttributes(): Promise<boolean> {
    if (this.#attributes) return true;
    const missing = await this.#client
      .withDeadline(Date.now() + ATTRIBUTES_MS, () => this.missingAttributes())
      .catch(() => null);
    this.#attributes = missing?.length === 0;
    return this.#attributes;
  }

  /** Our search attributes that the namespace does not have, or has of another type, which the server would not take. */
  async missingAttributes(): Promise<readonly SearchAttribute[]> {
    return await this.#asked(async () => {
      const { namespace } = this.settings;
      const { customAttributes } = await this.#client.connection.operatorService.listSearchAttributes({ namespace });
      return SEARCH_ATTRIBUTES.filter((name) => Number(customAttributes[name]) !== KEYWORD);
    });
  }

  /** Registers those that are missing. Throws `TEMPORAL_FAILED` where that is not allowed. */
  async registerAttributes(): Promise<readonly SearchAttribute[]> {
    const missing = await this.missingAttributes();
    if (missing.length === 0) return missing;
    await this.#asked(() =>
      this.#client.connection.operatorService.addSearchAttributes({
        namespace: this.settings.namespace,
        searchAttributes: Object.fromEntries(missing.map((name) => [name, KEYWORD])),
      }),
    );
    return missing;
  }

  async #asked<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      throw temporalError(error, this.settings);
    }
  }

  async #unlessGone<T>(ask: () => Promise<T>): Promise<T | undefined> {
    const { WorkflowNotFoundError } = await import('@temporalio/client');
    return await this.#asked(async () => {
      try {
        return await ask();
      } catch (error) {
        if (error instanceof WorkflowNotFoundError) return undefined;
        throw error;
      }
    });
  }
}

/** The error of a run whose workflow has ended without it. */
export function workflowEnded(workflow: string): RefillError {
  return new RefillError('WORKFLOW_ENDED', `workflow ${workflow} was ended before the run was`, {
    details: { workflow },
  });
}
