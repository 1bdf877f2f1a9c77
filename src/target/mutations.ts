import { chLiteral } from '../dataset/sql.ts';
import type { DeleteKind } from '../domain/delete-kind.ts';
import type { Target } from './clickhouse.ts';
import { clickhouseError } from './errors.ts';
import { partitionId } from './partition.ts';
import { isReplicated, localName, type TargetTable } from './tables.ts';
import { ALL_REPLICAS, answering, everyReplica, type Replica, SELF, type Topology } from './topology.ts';

/** What `system.mutations` of one server says of a mutation of ours. */
export interface MutationStatus {
  readonly id: string;
  /** Whether it is done, by the server's word and by its parts. */
  readonly done: boolean;
  readonly killed: boolean;
  /** Names of the parts that it has not passed. */
  readonly partsLeft: readonly string[];
  readonly failReason: string;
  /** The part that it failed on last. */
  readonly failedPart: string;
}

/** A look at a mutation on one replica. */
export interface ReplicaLook {
  readonly replica: Replica;
  /** False where the server does not answer. */
  readonly alive: boolean;
  /** Undefined where the server does not know the mutation (yet, or any more). */
  readonly status: MutationStatus | undefined;
}

/** A look at a mutation everywhere, by shard, each with all of its replicas. */
export type MutationLook = ReadonlyMap<number, readonly ReplicaLook[]>;

/**
 * What a mutation does, by the kind of its delete. A lightweight one is written as what ClickHouse makes of `DELETE FROM`:
 * that itself is done by every replica of a shard where it comes `ON CLUSTER` to an older server, waits by a setting of its
 * own (`lightweight_deletes_sync`), and makes no mutation at all under some (`lightweight_delete_mode`).
 */
const VERBS: Readonly<Record<DeleteKind, string>> = { rewrite: 'DELETE', lightweight: 'UPDATE _row_exists = 0' };

/** A `deleteStatement` up to its condition. */
const HEAD = new RegExp(`^.*? (?:${Object.values(VERBS).join('|')})(?: IN PARTITION (\\S+))? WHERE `, 'su');

/** What a `deleteStatement` is made of, besides its table. */
export interface DeleteParts {
  /** Which rows. */
  readonly condition: string;
  readonly nonce: string;
  /** The partition that holds all of them, as `partitionOf` says it. Undefined: the statement is about every partition. */
  readonly partition?: string | undefined;
  readonly kind: DeleteKind;
}

/**
 * The statement of a delete. The nonce is a comparison of constants that is always true: `system.mutations` keeps it,
 * and so tells our mutation from everybody else's.
 */
export function deleteStatement(
  table: Pick<TargetTable, 'database' | 'name'>,
  { condition, nonce, partition, kind }: DeleteParts,
): string {
  // Without a partition a mutation has to pass every part of the table, and waits for those of others on each of them.
  const parts = partition === undefined ? '' : ` IN PARTITION ${partition}`;
  return `ALTER TABLE ${localName(table)} ${VERBS[kind]}${parts} WHERE ${condition} AND ${chLiteral(nonce)} != ''`;
}

/** Whether a part can hold rows that a `deleteStatement` is about; a part's name begins with its partition's id. */
export function concerns(statement: string, part: string): boolean {
  const [, partition] = HEAD.exec(statement) ?? [];
  return partition === undefined || part.startsWith(`${partitionId(partition)}_`);
}

/** The condition of a `deleteStatement`, its nonce included. */
export function conditionOf(statement: string): string {
  return statement.replace(HEAD, '');
}

/** Looks for the mutation of ours with this nonce on every server. */
export async function findMutation(
  target: Target,
  topology: Topology,
  table: Pick<TargetTable, 'database' | 'name' | 'engine'>,
  nonce: string,
): Promise<MutationLook> {
  const alive = await answering(target, topology);
  const rows = await target.rows<{
    self: string;
    id: string;
    done: number;
    killed: number;
    parts: string[];
    fail: string;
    part: string;
    partitions: string[];
    numbers: string[];
  }>(
    `SELECT ${SELF} AS self, mutation_id AS id, is_done AS done, is_killed AS killed, parts_to_do_names AS parts,
       latest_fail_reason AS fail, latest_failed_part AS part,
       block_numbers.partition_id AS partitions, arrayMap(n -> toString(n), block_numbers.number) AS numbers
     FROM ${everyReplica(topology, 'system.mutations')}
     WHERE database = {database:String} AND table = {table:String} AND position(command, {nonce:String}) > 0
     ORDER BY create_time`,
    { database: table.database, table: table.name, nonce },
    ALL_REPLICAS,
  );
  // The last one counts, where there are several.
  const last = new Map(rows.map((row) => [row.self, row]));
  const done = [...last.values()].filter((row) => row.done === 1);
  const before = isReplicated(table) ? await partsBefore(target, topology, table, done) : new Map<string, string[]>();
  const statuses = new Map(
    [...last.values()].map((row): [string, MutationStatus] => [
      row.self,
      {
        id: row.id,
        done: row.done === 1 && !before.has(row.self),
        killed: row.killed === 1,
        partsLeft: before.get(row.self) ?? row.parts,
        failReason: row.fail,
        failedPart: row.part,
      },
    ]),
  );
  return new Map(
    topology.shards.map(({ number, replicas }) => [
      number,
      replicas.map((replica): ReplicaLook => {
        const self = alive.get(replica.name);
        return { replica, alive: self !== undefined, status: self === undefined ? undefined : statuses.get(self) };
      }),
    ]),
  );
}

/** Of a mutation on a server: its number in each partition that it is about. */
interface Numbered {
  readonly self: string;
  readonly partitions: readonly string[];
  readonly numbers: readonly string[];
}

/**
 * Active parts that a mutation has not passed, by server. A replica calls a mutation done while some of its parts are
 * still waiting to be replaced, where an earlier mutation was taken back just then: what such a part holds is read, and
 * would be taken for rows that the delete has left. A part's version is the number of the last mutation that it has
 * passed, or of the insert that made it, whichever is later.
 */
async function partsBefore(
  target: Target,
  topology: Topology,
  table: Pick<TargetTable, 'database' | 'name'>,
  mutations: readonly Numbered[],
): Promise<Map<string, string[]>> {
  const numberOf = new Map(
    mutations.map(({ self, partitions, numbers }) => [
      self,
      new Map(partitions.map((partition, index) => [partition, BigInt(numbers[index] ?? 0)])),
    ]),
  );
  // Partitions count by themselves: the largest number only keeps what is newer than all of them on the servers.
  const largest = mutations.flatMap(({ numbers }) => numbers.map(BigInt)).reduce((a, b) => (a > b ? a : b), 0n);
  const found = new Map<string, string[]>();
  if (largest === 0n) return found;
  const parts = await target.rows<{ self: string; partition: string; name: string; version: string }>(
    `SELECT ${SELF} AS self, partition_id AS partition, name, toString(data_version) AS version
     FROM ${everyReplica(topology, 'system.parts')}
     WHERE database = {database:String} AND table = {table:String} AND active AND data_version < ${largest}`,
    { database: table.database, table: table.name },
    ALL_REPLICAS,
  );
  for (const { self, partition, name, version } of parts) {
    const number = numberOf.get(self)?.get(partition);
    if (number !== undefined && BigInt(version) < number) found.set(self, [...(found.get(self) ?? []), name]);
  }
  return found;
}

/** Queries of ours that are still at work anywhere, by id. */
export async function atWork(target: Target, topology: Topology, ids: readonly string[]): Promise<readonly string[]> {
  if (ids.length === 0) return [];
  const rows = await target.rows<{ id: string }>(
    `SELECT DISTINCT initial_query_id AS id FROM ${everyReplica(topology, 'system.processes')}
     WHERE initial_query_id IN (${ids.map(chLiteral).join(', ')})`,
    {},
    ALL_REPLICAS,
  );
  return rows.map((r) => r.id);
}

/** A mutation that is not done, ours or somebody else's, on one server. */
export interface UnfinishedMutation {
  /** What the server calls itself. */
  readonly self: string;
  readonly database: string;
  readonly table: string;
  readonly id: string;
  readonly command: string;
  /** Seconds since it was made. */
  readonly seconds: number;
  readonly partsLeft: number;
  /** Empty where it does not fail. */
  readonly failReason: string;
  /** Our nonce in its predicate; null where it is somebody else's. */
  readonly nonce: string | null;
}

/**
 * What every nonce of ours looks like: `refill RUN delete N TABLE ID`, or `window`, `sweep` or `rebuild` in place of `delete`. The run
 * is its second word.
 */
const NONCE = /'(refill r-[a-z0-9]+ (?:delete|window|sweep|rebuild) \d+ \S+ \S+)' != ''/u;

/** Mutations that are not done, oldest first: of one table, or of all tables of all databases. */
export async function unfinishedMutations(
  target: Target,
  topology: Topology,
  table?: Pick<TargetTable, 'database' | 'name'>,
): Promise<readonly UnfinishedMutation[]> {
  const of = table ? `AND database = ${chLiteral(table.database)} AND table = ${chLiteral(table.name)}` : '';
  const rows = await target.rows<{
    self: string;
    database: string;
    table: string;
    id: string;
    command: string;
    seconds: string;
    parts: string;
    fail: string;
  }>(
    `SELECT ${SELF} AS self, database, table, mutation_id AS id, command, toString(dateDiff('second', create_time, now())) AS seconds,
       toString(parts_to_do) AS parts, latest_fail_reason AS fail
     FROM ${everyReplica(topology, 'system.mutations')} WHERE NOT is_done ${of} ORDER BY create_time, id`,
    {},
    ALL_REPLICAS,
  );
  return rows.map((r) => ({
    self: r.self,
    database: r.database,
    table: r.table,
    id: r.id,
    command: r.command,
    seconds: Number(r.seconds),
    partsLeft: Number(r.parts),
    failReason: shortReason(r.fail),
    nonce: NONCE.exec(r.command.replaceAll("\\'", "'"))?.[1] ?? null,
  }));
}

/** A server's reason without what could quote a row, and what is of no use to a reader. */
export function shortReason(reason: string): string {
  return reason === '' ? '' : clickhouseError(new Error(reason), 'the server').message;
}
