import { CancellationScope, condition } from '@temporalio/workflow';
import { RefillError } from '../../../domain/errors.ts';
import { formatTenant, type TenantName } from '../../../domain/words.ts';
import { toFailure } from '../shared/failure.ts';
import { type TakenPlace, type TakenType, unknownTenant } from '../shared/taken.ts';
import { takenActivities } from './taken-activities.ts';

/** How long the other clusters may take to say that they have the tenant too, where one has it. */
const OTHERS = '30 seconds';

/**
 * The cluster that has a tenant: the users' task queues are every cluster's, and only a worker of the cluster reaches its
 * databases. Each cluster is asked, by a worker of its own. One that nobody answers for is waited for, until another one
 * has the tenant: «unknown» would be a guess.
 */
export async function placeOf(type: TakenType, tenant: TenantName, places: readonly TakenPlace[]): Promise<TakenPlace> {
  const [only, more] = places;
  // Whether it has the tenant is told when the job is planned.
  if (only && !more) return only;
  const having = await askAll(places, tenant);
  const names = (some: readonly TakenPlace[]) => some.map(({ cluster }) => cluster);
  const [place, another] = having;
  if (place && another)
    throw toFailure(
      new RefillError('TENANT_AMBIGUOUS', `${formatTenant(tenant)} is in several places: ${names(having).join(', ')}`),
    );
  if (place) return place;
  throw toFailure(unknownTenant(type, tenant, names(places)));
}

/** The clusters that have it. Throws where none has, and one could not say. */
async function askAll(places: readonly TakenPlace[], tenant: TenantName): Promise<readonly TakenPlace[]> {
  const having: TakenPlace[] = [];
  const failures: unknown[] = [];
  let open = places.length;
  const ask = async ({ cluster, taskQueue }: TakenPlace) => {
    try {
      if (await takenActivities(taskQueue, cluster).refillTakenFind({ cluster, tenant }))
        having.push({ cluster, taskQueue });
    } catch (error) {
      failures.push(error);
    } finally {
      open -= 1;
    }
  };
  const asking = new CancellationScope();
  await asking.run(async () => {
    for (const place of places) void ask(place);
    await condition(() => open === 0 || having.length > 0);
    await condition(() => open === 0, OTHERS);
  });
  asking.cancel();
  if (having.length === 0 && failures.length > 0) throw failures[0];
  return [...having];
}
