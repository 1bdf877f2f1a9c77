import type { Client, WorkflowExecutionDescription } from '@temporalio/client';
import type { ReindexerConfig } from '../config/config.ts';
import { RefillError } from '../domain/errors.ts';
import type { Reindexer, ReindexerState } from '../domain/reindexer.ts';
import { fillJson, fillText, numberAt } from './template.ts';

const CONNECT_TIMEOUT = '10 seconds';

/**
 * A workflow that exists, behind the users' own Temporal server. The connection is made when it is first needed.
 *
 * @param resolve Turns the API key's reference into the key.
 */
export function openTemporalReindexer(
  config: ReindexerConfig,
  resolve: (reference: string) => Promise<string>,
): Reindexer {
  let connecting: Promise<Client> | undefined;
  const client = () => {
    connecting ??= connect(config, resolve).catch((error: unknown) => {
      connecting = undefined;
      throw error;
    });
    return connecting;
  };
  const { workflowType, taskQueue, namespace } = config;
  return {
    plan: {
      type: 'temporal',
      workflowType,
      taskQueue,
      namespace,
      workflowId: config.workflowId,
      payload: config.payload,
    },
    atOnce: config.atOnce,
    aimSeconds: config.aimSeconds,
    pollSeconds: config.pollSeconds,
    workflowId: (tenant, id) => fillText(config.workflowId, { ...tenant, id }),
    async start(tenant, { workflow, from, to }) {
      const { workflow: workflows } = await client();
      const { customer, profile } = tenant;
      const payload = fillJson(config.payload, { customer, profile, id: workflow, from, to });
      await workflows
        .start(workflowType, {
          workflowId: workflow,
          taskQueue,
          args: [payload],
          workflowIdReusePolicy: 'REJECT_DUPLICATE',
        })
        .catch((error: unknown) => {
          if (!isNamed(error, 'WorkflowExecutionAlreadyStartedError')) throw serverError(config, error);
        });
    },
    async look(workflow) {
      const { workflow: workflows } = await client();
      try {
        return stateOf(config, await workflows.getHandle(workflow).describe());
      } catch (error) {
        if (isNamed(error, 'WorkflowNotFoundError')) return { state: 'gone', status: 'unknown', progress: null };
        throw serverError(config, error);
      }
    },
    async cancel(workflow) {
      const { workflow: workflows } = await client();
      await workflows
        .getHandle(workflow)
        .cancel()
        .catch((error: unknown) => {
          if (!isNamed(error, 'WorkflowNotFoundError')) throw serverError(config, error);
        });
    },
    async close() {
      const opened = await connecting?.catch(() => undefined);
      await opened?.connection.close();
    },
  };
}

async function connect(config: ReindexerConfig, resolve: (reference: string) => Promise<string>): Promise<Client> {
  const sdk = await import('@temporalio/client').catch((error: unknown) => {
    throw new RefillError('TEMPORAL_MISSING', 'the package @temporalio/client is not installed', { cause: error });
  });
  const { address, namespace, tls, apiKey } = config;
  try {
    const connection = await sdk.Connection.connect({
      address,
      tls,
      connectTimeout: CONNECT_TIMEOUT,
      ...(apiKey === undefined ? {} : { apiKey: await resolve(apiKey) }),
    });
    return new sdk.Client({ connection, namespace });
  } catch (error) {
    throw serverError(config, error);
  }
}

function stateOf(config: ReindexerConfig, { status, raw }: WorkflowExecutionDescription): ReindexerState {
  const running = status.name === 'RUNNING' || status.name === 'CONTINUED_AS_NEW';
  const state = running ? 'running' : status.name === 'COMPLETED' ? 'completed' : 'failed';
  return { state, status: status.name, progress: progressOf(config, raw.pendingActivities ?? []) };
}

interface PendingActivity {
  readonly heartbeatDetails?: { readonly payloads?: readonly { readonly data?: Uint8Array | null }[] | null } | null;
}

/** Of the activity that counts most: the others look for something, or clean up. */
function progressOf({ progress }: ReindexerConfig, activities: readonly PendingActivity[]): ReindexerState['progress'] {
  let found: ReindexerState['progress'] = null;
  for (const { heartbeatDetails } of activities) {
    const details = (heartbeatDetails?.payloads ?? []).map(({ data }) => parsed(data));
    const done = numberAt(details, progress.done);
    if (done === null) continue;
    const now = {
      done,
      failed: numberAt(details, progress.failed) ?? 0,
      total: numberAt(details, progress.total) ?? 0,
    };
    if (found === null || now.total > found.total) found = now;
  }
  return found;
}

/** A payload's JSON; null where it is encrypted, or none. */
function parsed(data: Uint8Array | null | undefined): unknown {
  try {
    return JSON.parse(Buffer.from(data ?? []).toString('utf8')) as unknown;
  } catch {
    return null;
  }
}

const isNamed = (error: unknown, name: string): boolean => error instanceof Error && error.name === name;

/** gRPC's numbers of what passes: the server is away, or was asked for too much. */
const PASSING = [4, 8, 14];

function serverError({ address, namespace }: ReindexerConfig, error: unknown): RefillError {
  if (error instanceof RefillError) return error;
  const chain: unknown[] = [];
  for (let at = error; at instanceof Error; at = at.cause) chain.push(at);
  const codes = chain.flatMap((one) =>
    typeof one === 'object' && one !== null && 'code' in one && typeof one.code === 'number' ? [one.code] : [],
  );
  const passing = codes.length === 0 || codes.some((code) => PASSING.includes(code));
  const text = error instanceof Error ? error.message : String(error);
  return new RefillError(
    passing ? 'TEMPORAL_UNREACHABLE' : 'TEMPORAL_FAILED',
    `Temporal ${address}, namespace ${namespace}: ${text}`,
    { cause: error },
  );
}
