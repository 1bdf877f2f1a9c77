import { setTimeout as sleep } from 'node:timers/promises';
import { chLiteral } from '../dataset/sql.ts';
import { asRefillError } from '../domain/errors.ts';
import type { Finding } from '../domain/events.ts';
import { placeOf } from '../target/tables.ts';
import { ALL_REPLICAS, everyReplica, SELF } from '../target/topology.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** Merges and inserts change both numbers while they are asked for; a row policy does not go away. */
const LOOKS = 4;
const BETWEEN_LOOKS_MS = 250;

/**
 * Finds rows that the target's user does not see. A row policy hides them from every count, and a mutation removes them
 * all the same. Policies may be hidden too, and lie in roles, on other servers or in files: so what the user sees is
 * compared with what the parts hold.
 */
export async function checkHidden(bench: Workbench, table: BenchTable): Promise<readonly Finding[]> {
  const subject = `${bench.tenant.targetDatabase}.${table.definition.name}`;
  const finding = { check: 'rows', subject } as const;
  let [seen, held] = [0n, 0n];
  for (let look = 0; look < LOOKS; look += 1) {
    if (look > 0) await sleep(BETWEEN_LOOKS_MS);
    const before = await heldRows(bench, table);
    seen = await seenRows(bench, table);
    const after = await heldRows(bench, table);
    // Parts that are not told of, of a table that has rows: nothing can be said of those that the user does not see.
    if (before === null || after === null || (before === 0n && after === 0n && seen > 0n))
      return [
        {
          ...finding,
          level: 'warning',
          message: 'unknown whether a row policy hides rows from the user: it may not read system.parts of this table',
          remedy: 'let the user see the table in system.parts (SHOW TABLES), and no row policy on system.parts',
        },
      ];
    held = before < after ? before : after;
    if (seen >= held) return await policies(bench, table, finding);
  }
  return [
    {
      ...finding,
      level: 'error',
      code: 'CH_ROWS_HIDDEN',
      message: `the user sees ${seen.toLocaleString('en')} of ${held.toLocaleString('en')} rows: a row policy hides the others, and a delete would remove them all the same`,
      remedy: `let the user see every row (CREATE ROW POLICY refill ON ${subject} USING 1 TO the user of the configuration), or take the policy from it`,
    },
  ];
}

/** Rows that our user can count, masked ones included. */
async function seenRows(bench: Workbench, { target }: BenchTable): Promise<bigint> {
  const [row] = await bench.target.rows<{ refill_own_rows: string }>(
    `SELECT toString(count()) AS refill_own_rows FROM ${placeOf(target)}`,
    {},
    { apply_deleted_mask: 0 },
  );
  return BigInt(row?.refill_own_rows ?? 0);
}

/** Rows in the parts of each shard's replica that has the fewest; null where the server does not say. */
async function heldRows(bench: Workbench, { target }: BenchTable): Promise<bigint | null> {
  const { topology } = bench;
  const rows = await bench.target
    .rows<{ self: string; held: string }>(
      `SELECT ${SELF} AS self, toString(sum(rows)) AS held FROM ${everyReplica(topology, 'system.parts')}
       WHERE active AND database = ${chLiteral(target.database)} AND table = ${chLiteral(target.name)} GROUP BY self`,
      {},
      ALL_REPLICAS,
    )
    .catch((error: unknown) => {
      if (asRefillError(error).code === 'CH_DENIED') return null;
      throw error;
    });
  if (rows === null) return null;
  const held = new Map(rows.map((row) => [row.self, BigInt(row.held)]));
  // Which replica answered a count is not known, and one may lag behind.
  const ofShard = topology.shards.map(({ replicas }) =>
    replicas.flatMap(({ self }) => (self === null ? [] : [held.get(self) ?? 0n])),
  );
  return ofShard.reduce(
    (sum, replicas) => sum + replicas.reduce((least, n) => (n < least ? n : least), replicas[0] ?? 0n),
    0n,
  );
}

/** A policy that hides nothing now may do so later. */
async function policies(
  bench: Workbench,
  { target }: BenchTable,
  finding: Pick<Finding, 'check' | 'subject'>,
): Promise<readonly Finding[]> {
  try {
    const plan = await bench.target.text(`EXPLAIN actions = 1 SELECT count() FROM ${placeOf(target)}`);
    if (!/row[- ]level/iu.test(plan)) return [];
  } catch (error) {
    // A server that is away or busy says nothing about policies; an older one may not explain them.
    if (asRefillError(error).action === 'retry') throw error;
    return [];
  }
  return [
    {
      ...finding,
      level: 'warning',
      message:
        'a row policy applies to the user: it hides no row now, and a row that it hides later would be deleted uncounted',
      remedy: 'take the policy from the user, or give it one that is USING 1',
    },
  ];
}
