import { RefillError } from '../domain/errors.ts';
import { type MutationFinding, whatKeeps } from '../domain/mutations.ts';
import { unfinishedMutations } from '../target/mutations.ts';
import { killMutation } from '../target/reach.ts';
import { replicasOf } from '../target/topology.ts';
import type { Cluster } from './connect.ts';

/** The mutations of a cluster that are not done, oldest first, each once a shard, with what keeps them. */
export async function listMutations(cluster: Cluster): Promise<readonly MutationFinding[]> {
  const { topology } = await cluster.layout();
  const shards = new Map(replicasOf(topology).map((r) => [r.self, r.shard]));
  const found = new Map<string, Omit<MutationFinding, 'why'>>();
  for (const one of await unfinishedMutations(cluster.target, topology)) {
    const shard = shards.get(one.self) ?? 1;
    const key = JSON.stringify([shard, one.database, one.table, one.id]);
    const known = found.get(key);
    found.set(key, {
      cluster: cluster.name,
      database: one.database,
      table: one.table,
      id: one.id,
      shard,
      servers: [...(known?.servers ?? []), one.self],
      run: one.nonce?.split(' ')[1] ?? null,
      nonce: one.nonce,
      seconds: Math.max(one.seconds, known?.seconds ?? 0),
      partsLeft: Math.max(one.partsLeft, known?.partsLeft ?? 0),
      failReason: one.failReason || (known?.failReason ?? ''),
    });
  }
  const all = [...found.values()];
  return all.map((one) => {
    const others = all.filter((o) => o.shard === one.shard && o.database === one.database && o.table === one.table);
    return { ...one, why: whatKeeps(one, others) };
  });
}

/** Takes a mutation back on its shard. What it has done stays done. */
export async function takeBack(cluster: Cluster, mutation: MutationFinding): Promise<void> {
  if (mutation.run === null) throw new RefillError('BUG', 'a mutation that is not ours is not taken back');
  const { topology, reach } = await cluster.layout();
  await killMutation(
    reach,
    { ...mutation, name: mutation.table, topology },
    new Map([[mutation.shard, mutation.id]]),
    `refill ${mutation.run} `,
  );
}
