/** A mutation that is not done on some server of a cluster: ours, or somebody else's. */
export interface MutationFinding {
  readonly cluster: string;
  readonly database: string;
  readonly table: string;
  /** What it is called on its shard. */
  readonly id: string;
  readonly shard: number;
  /** The servers on which it is not done. */
  readonly servers: readonly string[];
  /** The run that sent it; null where it is not ours. */
  readonly run: string | null;
  /** Our text in its predicate, which the ledger keeps; null where it is not ours. */
  readonly nonce: string | null;
  readonly seconds: number;
  /** Parts that it has not passed, on the server that has most of them. */
  readonly partsLeft: number;
  /** What the server says of its last failure; empty where it does not fail. */
  readonly failReason: string;
  /** What keeps it, in a sentence. */
  readonly why: string;
}

/** What keeps a mutation, as far as the servers' tables tell. `others` are those of its table that are not done either. */
export function whatKeeps(
  one: Pick<MutationFinding, 'id' | 'partsLeft' | 'failReason'>,
  others: readonly Pick<MutationFinding, 'id' | 'run'>[],
): string {
  if (one.failReason !== '')
    return `It fails, is tried again for ever, and holds up every later one of its table: ${one.failReason}`;
  const [first] = others.filter((other) => numberOf(other) < numberOf(one)).sort((a, b) => numberOf(a) - numberOf(b));
  if (first)
    return `It waits for mutation ${first.id} in front of it, which is ${first.run === null ? 'not ours' : `of run ${first.run}`}.`;
  if (one.partsLeft === 0) return 'Its parts are done; it waits for inserts that began before it.';
  return 'It is at work, or waits for a free thread, for merges that somebody has stopped, or for disk.';
}

/** Where a mutation stands in its table's queue, by its name: `mutation_10.txt`, or `0000000010` where it is replicated. */
function numberOf({ id }: Pick<MutationFinding, 'id'>): number {
  return Number(/\d+/u.exec(id)?.[0] ?? 0);
}
