import { EvenHanded } from './even-handed.ts';
import { createFleetActivities } from './fleet-activities.ts';
import type { Gates } from './gate.ts';
import { createLifeActivities } from './life-activities.ts';
import { OpenedRuns, type WorkerEnvironment } from './opened.ts';
import { createRunActivities } from './run-activities.ts';
import type { RefillActivities } from './shared/activity-types.ts';
import { createVerifyActivities } from './verify-activities.ts';

/** All activities of the executor, over what the configuration names. */
export function createActivities(environment: WorkerEnvironment, gates: Gates): RefillActivities {
  const runs = new OpenedRuns(environment);
  const shared = new EvenHanded();
  return {
    ...createLifeActivities(environment, runs, [runs, gates, shared]),
    ...createRunActivities(environment, runs, gates, shared),
    ...createFleetActivities(environment),
    ...createVerifyActivities(environment),
  };
}
