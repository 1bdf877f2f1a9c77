import type { WorkflowService } from '@temporalio/client';

/** A worker that has nothing to do asks anew once a minute; half of one more is for clocks that differ. */
const POLLED_SECONDS = 90;

/** Workers that ask a task queue for work, by their names. Errors are Temporal's own. */
export async function pollersOf(
  service: WorkflowService,
  namespace: string,
  queue: string,
): Promise<readonly string[]> {
  const { pollers } = await service.describeTaskQueue({ namespace, taskQueue: { name: queue } });
  // The server goes on naming those that are gone, for minutes.
  const since = Date.now() / 1000 - POLLED_SECONDS;
  const asking = (pollers ?? []).filter(({ lastAccessTime }) => Number(lastAccessTime?.seconds ?? 0) > since);
  return [...new Set(asking.map((poller) => poller.identity ?? 'unnamed'))];
}
