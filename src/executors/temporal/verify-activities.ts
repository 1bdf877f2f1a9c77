import { attend } from './attend.ts';
import type { WorkerEnvironment } from './opened.ts';
import type { RefillActivities } from './shared/activity-types.ts';

/**
 * A verification as an activity.
 *
 * @param attributes Whether its Temporal server has our search attributes.
 */
export function createVerifyActivities(
  environment: WorkerEnvironment,
  attributes: () => Promise<boolean>,
): Pick<RefillActivities, 'refillVerifyRange'> {
  return {
    refillVerifyRange: (request) =>
      attend('verification', environment.limits, async ({ signal, beat }) => {
        const onProgress = (done: number, total: number) => {
          beat.unit = `verification, window ${done} of ${total}`;
        };
        const { verification, ok, snapshot, range, reasons, tables } = await environment.verify(request, {
          signal,
          onProgress,
        });
        return {
          attributes: await attributes(),
          verification,
          ok,
          snapshot,
          range,
          reasons,
          tables: tables.map(({ table, source, target }) => ({ table, source, target })),
        };
      }),
  };
}
