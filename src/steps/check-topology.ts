import { identifier } from '../dataset/sql.ts';
import type { Finding } from '../domain/events.ts';
import { chLiteral } from '../dataset/sql.ts';
import { copyStates } from '../target/copies.ts';
import { isReplicated } from '../target/tables.ts';
import { ALL_REPLICAS, everyReplica, replicasOf, SELF, type Topology } from '../target/topology.ts';
import type { BenchTable, Workbench } from './workbench.ts';

const many = (n: number, what: string): string => `${n} ${what}${n === 1 ? '' : 's'}`;

/**
 * The oldest ClickHouse that Refill works with. Older ones do not know settings without which counts can be wrong
 * (`enable_parallel_replicas`), and get no corrections any more.
 */
export const OLDEST_VERSION = '25.3';

/** Seconds that servers' clocks may be apart before it is said, and before a run is refused. */
export const CLOCK_WARNING_SECONDS = 1;
const CLOCK_ERROR_SECONDS = 60;

type Add = (level: Finding['level'], check: string, subject: string, message: string, remedy?: string) => void;

/** What is wrong with a target's servers, as far as it could lose rows, or make counts untrue. */
export async function checkTopology(bench: Workbench): Promise<readonly Finding[]> {
  const findings: Finding[] = [];
  const add: Add = (level, check, subject, message, remedy) =>
    findings.push({ check, level, subject, message, remedy: remedy ?? null });
  checkReach(bench, add);
  await checkServers(bench, add);
  for (const table of bench.tables) {
    checkReplication(bench.topology, table, add);
    await checkCopies(bench, table, add);
  }
  return findings;
}

const subjectOf = ({ target }: BenchTable) => `${target.database}.${target.name}`;

function checkReach({ topology, reach, tenant }: Workbench, add: Add): void {
  const subject = topology.cluster || tenant.cluster;
  const replicas = replicasOf(topology);
  const way = reach.direct ? 'each shard is asked straight' : 'statements for all shards go as ON CLUSTER';
  add(
    'ok',
    'topology',
    subject,
    `${many(topology.shards.length, 'shard')}, ${many(replicas.length, 'replica')}; ${topology.shards.length > 1 ? way : 'one address is enough'}`,
  );
  const selves = replicas.flatMap((r) => (r.self === null ? [] : [r.self]));
  const twice = selves.find((self, i) => selves.indexOf(self) !== i);
  if (twice !== undefined)
    add(
      'error',
      'topology',
      subject,
      `two servers of the cluster call themselves ${twice}, so that their answers cannot be told apart`,
      'give each server a host name of its own',
    );
  for (const shard of topology.shards) {
    const dead = shard.replicas.filter((r) => r.self === null);
    if (dead.length === shard.replicas.length)
      add(
        'error',
        'replicas',
        subject,
        `no replica of shard ${shard.number} answers: what it holds is unknown`,
        `bring one of ${dead.map((r) => r.name).join(', ')} back`,
      );
    else
      for (const replica of dead)
        add(
          'warning',
          'replicas',
          replica.name,
          `this replica of shard ${shard.number} does not answer: deletes wait for it for a while at their end, and it applies them when it is back`,
          'bring it back, or take it out of the cluster',
        );
  }
}

async function checkServers(bench: Workbench, add: Add): Promise<void> {
  // Of its own clock: `now()` is a constant, which the server that is asked sends to all others.
  const ownClock = 'UUIDv7ToDateTime(generateUUIDv7())';
  const rows = await bench.target.rows<{
    self: string;
    version: string;
    ms: string;
    quorum: string;
    parallel: string;
  }>(
    `SELECT ${SELF} AS self, version() AS version, toString(toUnixTimestamp64Milli(${ownClock})) AS ms,
       toString(getSetting('insert_quorum')) AS quorum, toString(getSetting('insert_quorum_parallel')) AS parallel
     FROM ${everyReplica(bench.topology, 'system.one')}`,
    {},
    ALL_REPLICAS,
  );
  const clocks = rows.map((r) => Number(r.ms)).sort((a, b) => a - b);
  const middle = clocks[Math.floor(clocks.length / 2)] ?? 0;
  for (const { self, version, ms, quorum, parallel } of rows) {
    if (isOlder(version, OLDEST_VERSION))
      add(
        'error',
        'version',
        self,
        `ClickHouse ${version} is older than ${OLDEST_VERSION}, the oldest that Refill works with`,
        `use ${OLDEST_VERSION} or newer`,
      );
    const seconds = Math.abs(Number(ms) - middle) / 1000;
    if (seconds > CLOCK_WARNING_SECONDS)
      add(
        seconds > CLOCK_ERROR_SECONDS ? 'error' : 'warning',
        'clocks',
        self,
        `its clock is ${seconds.toFixed(0)} s away from the others': rows that live writers version by it win or lose wrongly`,
        'correct the clock',
      );
    if (bench.topology.shards.length > 1 && quorum !== '0' && parallel === '0')
      add(
        'error',
        'quorum',
        self,
        'inserts with a sequential quorum through several shards were seen to lose rows (ClickHouse issue 97557)',
        'set insert_quorum_parallel = 1, or insert_quorum = 0, for the user of the configuration',
      );
  }
  const versions = new Set(rows.map((r) => r.version));
  if (versions.size > 1)
    add(
      'warning',
      'version',
      bench.topology.cluster,
      `its servers have different versions: ${[...versions].join(', ')}`,
    );
}

/** Compares the first two numbers of versions. */
export function isOlder(version: string, than: string): boolean {
  const [a, b] = [version, than].map((v) => v.split('.').map(Number));
  return (a?.[0] ?? 0) - (b?.[0] ?? 0) < 0 || (a?.[0] === b?.[0] && (a?.[1] ?? 0) < (b?.[1] ?? 0));
}

function checkReplication(topology: Topology, table: BenchTable, add: Add): void {
  const several = topology.shards.some((s) => s.replicas.length > 1);
  if (several && !isReplicated(table.target))
    add(
      'error',
      'engine',
      subjectOf(table),
      `${table.target.engine} does not copy rows between the replicas that the cluster lists`,
      'make it a Replicated table, or list one replica a shard',
    );
  const doubled = topology.shards.filter((s) => s.replicas.length > 1 && !s.internalReplication);
  if (isReplicated(table.target) && doubled.length > 0)
    add(
      'error',
      'replication',
      subjectOf(table),
      'the cluster writes every row to each replica (internal_replication is false), and the replicas copy it once more',
      'set internal_replication to true in the cluster’s definition',
    );
  if (topology.shards.length > 1 && table.definition.shard === undefined)
    add(
      'error',
      'shard',
      subjectOf(table),
      'the dataset does not say on which shard a row lives, and the cluster has several',
      'give the table a `shard` expression: the sharding key of its Distributed table',
    );
  if (!sortsByPartition(table))
    add(
      'warning',
      'partitions',
      subjectOf(table),
      `its partition key (${table.target.partitionKey}) is not made of the sorting key alone: a row that changes its partition is not collapsed with its older self`,
      'verify finds such rows as duplicated',
    );
}

/** Whether every column of the partition key is in the sorting key. */
function sortsByPartition({ target }: BenchTable): boolean {
  const words = (key: string) => new Set(key.match(/[A-Za-z_]\w*/gu) ?? []);
  const sorted = words(target.sortingKey);
  return [...words(target.partitionKey)].every((word) => !target.columns.has(word) || sorted.has(word));
}

/** Compares what each replica says of a table. */
async function checkCopies(bench: Workbench, table: BenchTable, add: Add): Promise<void> {
  const { database, name } = table.target;
  if (replicasOf(bench.topology).length === 1) return;
  const where = `database = ${chLiteral(database)} AND table = ${chLiteral(name)}`;
  const rows = await bench.target.rows<{ self: string; columns: string }>(
    `SELECT ${SELF} AS self, arrayStringConcat(arraySort(groupArray(concat(name, ' ', type))), ', ') AS columns
     FROM ${everyReplica(bench.topology, 'system.columns')} WHERE ${where} GROUP BY self`,
    {},
    ALL_REPLICAS,
  );
  const columns = new Map(rows.map((r) => [r.self, r.columns]));
  const [first] = columns.values();
  for (const { self, name: server } of replicasOf(bench.topology)) {
    if (self === null) continue;
    const own = columns.get(self);
    if (own === undefined)
      add(
        'error',
        'table',
        server,
        `it has no table ${subjectOf(table)}`,
        `create ${identifier(database)}.${identifier(name)} there`,
      );
    else if (own !== first)
      add('error', 'table', server, `its columns of ${subjectOf(table)} are not those of the other servers`);
  }
  for (const state of await copyStates(bench.target, bench.topology, [table.target])) {
    if (state.readOnly)
      add(
        'error',
        'replicas',
        state.self,
        `${subjectOf(table)} is read-only there: the server has lost its Keeper`,
        'bring the Keeper back; SYSTEM RESTORE REPLICA where its data was lost',
      );
  }
}
