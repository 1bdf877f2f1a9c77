import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { ApplicationFailure, Context } from '@temporalio/activity';
import type { PayloadCodec } from '@temporalio/common';
import { DefaultLogger, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { onTestFinished } from 'vitest';
import { liveWrite } from '../../support/cards.ts';
import type { TestTenant } from '../../support/tenant.ts';

export interface TheirOptions {
  /** Conversations that a workflow may have: more fail it, as heartbeats time out. */
  readonly most?: number;
  /** `at-the-end` fails when all is written; `lies` ends well and leaves every tenth out. */
  readonly mode?: 'right' | 'at-the-end' | 'lies';
  /** That their payloads are encrypted by. */
  readonly codecs?: readonly PayloadCodec[];
  /** Waits before each turn; may be changed while it is at work. */
  readonly slowMs?: number;
}

interface Payload {
  readonly start_time: string;
  readonly end_time: string;
  readonly after?: number;
}

/** Conversations of a turn. */
const TURN = 25;

/** Starts the users' worker on a task queue of its own. It ends with the test, or before with `stop`. */
export async function startTheirs(
  t: TestTenant,
  server: { readonly address: string; readonly namespace: string },
  taskQueue: string,
  options: TheirOptions = {},
) {
  const { most = Number.POSITIVE_INFINITY, mode = 'right' } = options;
  /** Runs of workflows, each by its id, that were begun from their start. */
  const begun: string[] = [];
  const reindexTurn = async (payload: Payload): Promise<number | null> => {
    const { info, heartbeat, cancellationSignal } = Context.current();
    const after = payload.after ?? 0;
    if (after === 0 && info.attempt === 1) begun.push(info.workflowExecution?.workflowId ?? '');
    const { rows } = await t.pg.query<{ id: string }>(
      `SELECT resource_id AS id FROM director.scorecards
       WHERE coalesce(submitted_at, created_at) >= $1 AND coalesce(submitted_at, created_at) < $2 ORDER BY 1`,
      [payload.start_time, payload.end_time],
    );
    if (rows.length > most) throw ApplicationFailure.create({ type: 'TooLarge', message: 'heartbeat timeout' });
    const turn = rows.slice(after, after + TURN).map(({ id }) => id);
    const written = mode === 'lies' ? turn.filter((id) => !id.endsWith('5')) : turn;
    heartbeat({
      State: { ReindexedConversations: after, FailedConversations: 0, TotalConversationCount: rows.length },
    });
    await sleep(options.slowMs ?? 0, undefined, { signal: cancellationSignal });
    if (written.length > 0) await liveWrite(t, ...written);
    const done = after + turn.length;
    if (done < rows.length) return done;
    if (mode === 'at-the-end') throw ApplicationFailure.create({ type: 'AtTheEnd', message: 'could not say goodbye' });
    return null;
  };
  quiet();
  const connection = await NativeConnection.connect({ address: server.address });
  const worker = await Worker.create({
    connection,
    namespace: server.namespace,
    taskQueue,
    workflowsPath: fileURLToPath(new URL('workflows.mjs', import.meta.url)),
    activities: { reindexTurn },
    dataConverter: { payloadCodecs: [...(options.codecs ?? [])] },
    defaultHeartbeatThrottleInterval: '100ms',
    maxHeartbeatThrottleInterval: '100ms',
  });
  const running = worker.run();
  let stopped: Promise<void> | undefined;
  const end = async () => {
    worker.shutdown();
    await running;
    await connection.close();
  };
  const stop = () => (stopped ??= end());
  onTestFinished(stop);
  return { begun, stop };
}

let installed = false;

function quiet(): void {
  if (installed) return;
  installed = true;
  Runtime.install({ logger: new DefaultLogger('ERROR'), shutdownSignals: [] });
}
