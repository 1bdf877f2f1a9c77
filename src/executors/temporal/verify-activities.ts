import { attend } from './attend.ts';
import type { WorkerEnvironment } from './opened.ts';
import type { RefillActivities } from './shared/activity-types.ts';

/**
 * A verification as activities.
 *
 * @param attributes Whether its Temporal server has our search attributes.
 */
export function createVerifyActivities(
  environment: WorkerEnvironment,
  attributes: () => Promise<boolean>,
): Pick<RefillActivities, 'refillVerifyBegin' | 'refillVerifyRange'> {
  return {
    refillVerifyBegin: (request) =>
      attend('begin', environment.limits, async () => ({
        ...(await environment.named(request)),
        attributes: await attributes(),
      })),
    refillVerifyRange: (request) =>
      attend('verification', environment.limits, async ({ signal, beat }) => {
        const onProgress = (done: number, total: number) => {
          beat.unit = `verification, window ${done} of ${total}`;
        };
        const { cluster, verification, ok, snapshot, range, reasons, tables } = await environment.verify(request, {
          signal,
          onProgress,
        });
        return {
          attributes: await attributes(),
          cluster,
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
