import { EvenHanded } from './even-handed.ts';
import { createFleetActivities } from './fleet-activities.ts';
import type { Gates } from './gate.ts';
import { createLifeActivities } from './life-activities.ts';
import { OpenedRuns, type WorkerEnvironment } from './opened.ts';
import { createRunActivities } from './run-activities.ts';
import type { RefillActivities } from './shared/activity-types.ts';

/** Activities of the executor that are the same on every Temporal server, over what the configuration names. */
export function createActivities(
  environment: WorkerEnvironment,
  gates: Gates,
): Omit<RefillActivities, 'refillVerifyBegin' | 'refillVerifyRange'> {
  const runs = new OpenedRuns(environment);
  const shared = new EvenHanded();
  return {
    ...createLifeActivities(environment, runs, [runs, gates, shared]),
    ...createRunActivities(environment, runs, gates, shared),
    ...createFleetActivities(environment),
  };
}
