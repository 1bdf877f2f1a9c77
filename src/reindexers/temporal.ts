import type { Client, WorkflowExecutionDescription } from '@temporalio/client';
import type { Payload } from '@temporalio/common';
import type { ReindexerConfig } from '../config/config.ts';
import type { Reindexer, ReindexerState } from '../domain/reindexer.ts';
import { temporalError } from '../domain/temporal-error.ts';
import { fillJson, fillText, numberAt } from './template.ts';

/** The users' Temporal server, connected. */
export interface TheirServer {
  readonly client: Client;
  /** Payloads as they were before codecs; none where these cannot decode them. */
  readonly decode: (payloads: Payload[]) => Promise<readonly Payload[]>;
}

/**
 * A workflow that exists, behind the users' own Temporal server.
 *
 * @param connect Called when the server is first needed, and again where that has failed.
 */
export function openTemporalReindexer(config: ReindexerConfig, connect: () => Promise<TheirServer>): Reindexer {
  let connecting: Promise<TheirServer> | undefined;
  const server = () => {
    connecting ??= connect().catch((error: unknown) => {
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
      const { workflow: workflows } = (await server()).client;
      const { customer, profile } = tenant;
      const payload = fillJson(config.payload, { customer, profile, id: workflow, from, to });
      try {
        await workflows.start(workflowType, {
          workflowId: workflow,
          taskQueue,
          args: [payload],
          workflowIdReusePolicy: 'REJECT_DUPLICATE',
        });
        return true;
      } catch (error) {
        if (isNamed(error, 'WorkflowExecutionAlreadyStartedError')) return false;
        throw temporalError(error, config);
      }
    },
    async look(workflow) {
      const { client, decode } = await server();
      try {
        return await stateOf(config, await client.workflow.getHandle(workflow).describe(), decode);
      } catch (error) {
        if (isNamed(error, 'WorkflowNotFoundError')) return { state: 'gone', status: 'unknown', progress: null };
        throw temporalError(error, config);
      }
    },
    async cancel(workflow) {
      const { client } = await server();
      await client.workflow
        .getHandle(workflow)
        .cancel()
        .catch((error: unknown) => {
          if (!isNamed(error, 'WorkflowNotFoundError')) throw temporalError(error, config);
        });
    },
    async close() {
      const opened = await connecting?.catch(() => undefined);
      await opened?.client.connection.close();
    },
  };
}

/** Of all others, such as FAILED and TIMED_OUT, the reason may be the size of their range. */
const STATES: Readonly<Record<string, ReindexerState['state']>> = {
  RUNNING: 'running',
  CONTINUED_AS_NEW: 'running',
  COMPLETED: 'completed',
  CANCELLED: 'ended',
  TERMINATED: 'ended',
};

async function stateOf(
  config: ReindexerConfig,
  { status, raw }: WorkflowExecutionDescription,
  decode: TheirServer['decode'],
): Promise<ReindexerState> {
  const told = (raw.pendingActivities ?? []).map(({ heartbeatDetails }) => decode(heartbeatDetails?.payloads ?? []));
  return {
    state: STATES[status.name] ?? 'failed',
    status: status.name,
    progress: progressOf(config, await Promise.all(told)),
  };
}

/** Of the activity that counts most: the others look for something, or clean up. */
function progressOf({ progress }: ReindexerConfig, told: readonly (readonly Payload[])[]): ReindexerState['progress'] {
  let found: ReindexerState['progress'] = null;
  for (const payloads of told) {
    const details = payloads.map(({ data }) => parsed(data));
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

/** A payload's JSON; null where it is none. */
function parsed(data: Uint8Array | null | undefined): unknown {
  try {
    return JSON.parse(Buffer.from(data ?? []).toString('utf8')) as unknown;
  } catch {
    return null;
  }
}

const isNamed = (error: unknown, name: string): boolean => error instanceof Error && error.name === name;
