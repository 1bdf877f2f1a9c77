import { setTimeout as sleep } from 'node:timers/promises';
import { versionLiteral } from '../dataset/compile.ts';
import { identifier } from '../dataset/sql.ts';
import { asRefillError, RefillError } from '../domain/errors.ts';
import type { Limits } from '../domain/limits.ts';
import type { MutationRecord } from '../ledger/ledger.ts';
import {
  concerns,
  conditionOf,
  findMutation,
  type MutationLook,
  type ReplicaLook,
  shortReason,
  unfinishedMutations,
} from '../target/mutations.ts';
import type { SentStatements } from '../target/deadline.ts';
import { killMutation } from '../target/reach.ts';
import { isReplicated } from '../target/tables.ts';
import { countMatching } from './count-matching.ts';
import { type BenchTable, benchTable, type Workbench } from './workbench.ts';

export interface AwaitOptions {
  readonly limits: Pick<Limits, 'mutationPollSeconds' | 'stalledMinutes' | 'replicaMinutes'>;
  readonly signal: AbortSignal;
  /** Called when what it waits for changes. */
  readonly onWait: (reason: string) => void;
  /** Called with what a person should know although the work goes on. */
  readonly onNotice?: (message: string) => Promise<void>;
  /** Where rows that fit a mutation's condition were written after it: only older ones are left over from it. */
  readonly before?: string;
  /** Which statements are on their way. */
  readonly sent: SentStatements;
  /** Asked right before a statement is sent; throws where it must not be any more. */
  readonly stillOurs?: () => Promise<void>;
}

/** The first looks come quickly, as small deletes are done at once. */
const FIRST_POLL_MS = 50;
/** Looks at a mutation that no server knows before it counts as vanished, and the pause between them. */
const VANISHED_LOOKS = 3;
const VANISHED_PAUSE_MS = 2000;
/** Looks at a mutation that fails before it counts as failed, and the pause between them: the server tries again. */
const FAILING_LOOKS = 3;
const FAILING_PAUSE_MS = 1000;

/** Time without one more part done after which is asked what is in front of a mutation. */
const ASK_WHY_MS = 5000;

/** A shard's answer to whether a mutation is done there. */
type ShardState =
  | { readonly is: 'done' }
  | { readonly is: 'working'; readonly partsLeft: number }
  | { readonly is: 'failing'; readonly reason: string }
  | { readonly is: 'vanished'; readonly killed: boolean }
  | { readonly is: 'unreachable' }
  /** Done where it can be seen; these replicas do not answer, or do not know it. */
  | { readonly is: 'absent'; readonly replicas: readonly string[] };

const isState = <S extends ShardState['is']>(state: ShardState, is: S): state is Extract<ShardState, { is: S }> =>
  state.is === is;

/** What one look says of a shard. */
export function stateOfShard(looks: readonly ReplicaLook[], table: BenchTable, statement: string): ShardState {
  const live = looks.filter((l) => l.alive);
  if (live.length === 0) return { is: 'unreachable' };
  const known = live.flatMap((l) => (l.status ? [l.status] : []));
  if (known.length === 0) return { is: 'vanished', killed: false };
  if (known.some((s) => s.killed)) return { is: 'vanished', killed: true };
  const left = known.map((s) => {
    if (s.done) return 0;
    const parts = s.partsLeft.filter((part) => concerns(statement, part)).length;
    // A plain MergeTree sends every mutation through every part, behind those of others, whatever its partition. (Of a
    // replicated one no parts may be left while an INSERT from before it is still on its way: there «done» is the word.)
    return isReplicated(table.target) ? Math.max(parts, 1) : parts;
  });
  const failing = known.find((s) => !s.done && s.failReason !== '' && concerns(statement, s.failedPart));
  if (failing) return { is: 'failing', reason: shortReason(failing.failReason) };
  const most = Math.max(...left);
  if (most > 0) return { is: 'working', partsLeft: most };
  const absent = looks.filter((l) => !l.status).map((l) => l.replica.name);
  return absent.length > 0 ? { is: 'absent', replicas: absent } : { is: 'done' };
}

/**
 * Waits until a mutation is done on every replica that answers. One that does not is waited for as long as the limit
 * says, and named; it applies the mutation by itself when it is back. Until it has caught up, whoever reads from it sees
 * the old rows; proofs wait for it (await-copies.ts).
 *
 * @throws RefillError `MUTATION_FAILED`, `MUTATION_VANISHED`, `CH_SHARD_UNREACHABLE`.
 */
export async function awaitMutation(bench: Workbench, mutation: MutationRecord, options: AwaitOptions): Promise<void> {
  const table = benchTable(bench, mutation.table);
  const { signal, limits } = options;
  const absentSince = new Map<string, number>();
  let pause = FIRST_POLL_MS;
  let missed = 0;
  let failing = 0;
  let last = { partsLeft: Number.POSITIVE_INFINITY, at: Date.now() };
  for (;;) {
    signal.throwIfAborted();
    const look = await findMutation(bench.target, bench.topology, table.target, mutation.nonce);
    const states = [...look].map(([shard, replicas]) => ({
      shard,
      state: stateOfShard(replicas, table, mutation.statement),
    }));
    const inState = <S extends ShardState['is']>(is: S) =>
      states.flatMap(({ shard, state }) => (isState(state, is) ? [{ shard, ...state }] : []));

    const [unreachable] = inState('unreachable');
    if (unreachable)
      throw new RefillError('CH_SHARD_UNREACHABLE', `no replica of shard ${unreachable.shard} answers`, {
        details: { shard: unreachable.shard },
      });

    const vanished = inState('vanished');
    if (vanished.length > 0) {
      missed += 1;
      const killed = vanished.some((v) => v.killed);
      if (missed >= VANISHED_LOOKS || killed) {
        // The server forgets finished mutations after a hundred others: then nothing is left of what it should delete.
        if (!killed && (await leftToDelete(bench, mutation, options.before)) === 0) return;
        throw new RefillError(
          'MUTATION_VANISHED',
          `the delete on ${mutation.table} is not to be found any more${onShards(bench, vanished)}`,
          { details: { nonce: mutation.nonce, shards: vanished.map((v) => v.shard) } },
        );
      }
      await sleep(VANISHED_PAUSE_MS, undefined, { signal });
      continue;
    }
    missed = 0;

    const [failed] = inState('failing');
    if (failed) {
      failing += 1;
      if (failing >= FAILING_LOOKS) {
        // Left alone it would be tried for ever, and hold up every later mutation of the table, those of others too.
        const kept = await killMutation(bench.reach, table.target, idsOf(look), mutation.nonce).then(
          () => '',
          (error: unknown) => `; it could not be taken back: ${asRefillError(error).message}`,
        );
        throw new RefillError(
          'MUTATION_FAILED',
          `the delete on ${mutation.table} fails${onShards(bench, [failed])}: ${failed.reason}${kept}`,
          kept === '' ? {} : { hint: 'Take it back with `refill mutations RUN --execute`, or on the servers.' },
        );
      }
      options.onWait(`the delete on ${mutation.table}, which fails${onShards(bench, [failed])}: ${failed.reason}`);
      await sleep(FAILING_PAUSE_MS, undefined, { signal });
      continue;
    }
    failing = 0;

    const working = inState('working');
    const absent = inState('absent').flatMap((a) => a.replicas);
    if (working.length === 0) {
      const waitedFor = stillWaitedFor(absent, absentSince, limits.replicaMinutes);
      if (waitedFor.length === 0) {
        if (absent.length > 0)
          await options.onNotice?.(
            `the delete on ${mutation.table} is done but on ${absent.join(', ')}, which did not answer for ${limits.replicaMinutes} min and will apply it when it is back`,
          );
        return;
      }
      options.onWait(
        `the delete on ${mutation.table}: ${waitedFor.join(', ')} does not answer; waited for up to ${limits.replicaMinutes} min`,
      );
    } else {
      const partsLeft = working.reduce((n, w) => n + w.partsLeft, 0);
      if (partsLeft < last.partsLeft) last = { partsLeft, at: Date.now() };
      const still = Date.now() - last.at;
      const stalled = still > limits.stalledMinutes * 60_000;
      const behind = still > ASK_WHY_MS ? await whatIsInFront(bench, table, mutation) : '';
      options.onWait(
        `the delete on ${mutation.table}: ${partsLeft} ${partsLeft === 1 ? 'part' : 'parts'} left${onShards(bench, working)}${stalled ? `, none done in ${limits.stalledMinutes} min` : ''}${behind}`,
      );
    }
    await sleep(pause, undefined, { signal });
    pause = Math.min(pause * 1.5, limits.mutationPollSeconds * 1000);
  }
}

/** What a mutation is called on each shard. */
export function idsOf(look: MutationLook): ReadonlyMap<number, string> {
  return new Map(
    [...look].flatMap(([shard, replicas]): [number, string][] => {
      const id = replicas.find((r) => r.status)?.status?.id;
      return id === undefined ? [] : [[shard, id]];
    }),
  );
}

function onShards(bench: Workbench, shards: readonly { readonly shard: number }[]): string {
  if (bench.topology.shards.length === 1) return '';
  return ` on shard ${shards.map((s) => s.shard).join(', ')}`;
}

/** The absent replicas whose time is not over; `since` keeps when each was first found absent. */
function stillWaitedFor(absent: readonly string[], since: Map<string, number>, minutes: number): readonly string[] {
  for (const name of since.keys()) if (!absent.includes(name)) since.delete(name);
  for (const name of absent) if (!since.has(name)) since.set(name, Date.now());
  return absent.filter((name) => Date.now() - (since.get(name) ?? 0) < minutes * 60_000);
}

/** Whose mutation of the same table is not done either, and came before: a table does them in their order. */
async function whatIsInFront(bench: Workbench, table: BenchTable, mutation: MutationRecord): Promise<string> {
  const all = await unfinishedMutations(bench.target, bench.topology, table.target);
  const own = all.find((m) => m.nonce === mutation.nonce);
  const first = all.find((m) => m.nonce === null && (own === undefined || m.seconds >= own.seconds));
  if (!first) return '';
  const why = first.failReason === '' ? 'is not done' : `fails: ${first.failReason}`;
  return `; in front of it is mutation ${first.id} on ${first.self}, which is not ours and ${why}`;
}

/** Rows that still match a mutation's own condition. */
async function leftToDelete(bench: Workbench, mutation: MutationRecord, before: string | undefined): Promise<number> {
  const table = benchTable(bench, mutation.table);
  const older =
    before === undefined || table.versionPrecision === null
      ? ''
      : ` AND ${identifier(table.definition.version ?? '')} < ${versionLiteral(table, before)}`;
  return countMatching(bench, table, `${conditionOf(mutation.statement)}${older}`);
}
