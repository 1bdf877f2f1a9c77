import { RefillError } from '../domain/errors.ts';
import type { RunState } from '../domain/states.ts';
import type { Refill } from '../refill.ts';
import { isBackfill, isFleet } from './request.ts';

/** What has an id and a life. */
export interface Job {
  readonly of: 'run' | 'fleet' | 'backfill';
  readonly id: string;
}

/** Jobs of each kind that are looked at, newest first. */
const LOOKED_AT = 200;
/** Jobs that an error names. */
const NAMED = 5;

/** What kind of job an id, or the beginning of one, names. */
export function kindOf(id: string | undefined): Job['of'] {
  return isFleet(id) ? 'fleet' : isBackfill(id) ? 'backfill' : 'run';
}

/** The job that an id names; without an id the only one in some states. Throws `RUN_UNKNOWN` if several could be meant. */
export async function chooseJob(
  refill: Refill,
  id: string | undefined,
  states: readonly RunState[],
  verb: string,
): Promise<Job> {
  if (id !== undefined) return { of: kindOf(id), id };
  const jobs = await jobsIn(refill, states);
  const [job, another] = jobs;
  if (!job) throw new RefillError('RUN_UNKNOWN', `there is no run, fleet or backfill to ${verb}`);
  if (!another) return job;
  const names = jobs.slice(0, NAMED).map((one) => one.id);
  throw new RefillError(
    'RUN_UNKNOWN',
    `${jobs.length} jobs could be meant: ${names.join(', ')}${jobs.length > NAMED ? ', …' : ''}`,
    { hint: `Name one of them: \`refill ${verb} ${job.id}\`.`, details: { candidates: jobs.map((one) => one.id) } },
  );
}

/** The jobs in some states. The runs of a fleet or a backfill among them are parts of it, and not meant by themselves. */
async function jobsIn(refill: Refill, states: readonly RunState[]): Promise<readonly Job[]> {
  const ledger = await refill.ledger();
  const isIn = ({ state }: { readonly state: string }) => states.some((one) => one === state);
  const [runs, fleets, backfills] = await Promise.all([
    ledger.runs({ states, limit: LOOKED_AT }),
    ledger.fleets(LOOKED_AT),
    ledger.backfills(LOOKED_AT),
  ]);
  const wholes = new Set(fleets.filter(isIn).map((one) => one.id));
  const ofBackfills = new Set(backfills.filter(isIn).map((one) => one.run));
  const own: Job[] = [];
  for (const { id, plan } of runs) {
    const fleet = wholes.size === 0 ? null : await ledger.fleetOf(plan);
    if (!ofBackfills.has(id) && !(fleet !== null && wholes.has(fleet))) own.push({ of: 'run', id });
  }
  return [
    ...[...wholes].map((id): Job => ({ of: 'fleet', id })),
    ...backfills.filter(isIn).map(({ id }): Job => ({ of: 'backfill', id })),
    ...own,
  ];
}
