import { attend } from './attend.ts';
import type { WorkerEnvironment } from './opened.ts';
import type { RefillActivities } from './shared/activity-types.ts';

/** A verification as an activity. */
export function createVerifyActivities(environment: WorkerEnvironment): Pick<RefillActivities, 'refillVerifyRange'> {
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
