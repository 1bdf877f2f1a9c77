import { chLiteral, identifier } from '../dataset/sql.ts';
import type { Target } from './clickhouse.ts';
import type { TargetTable } from './tables.ts';

/** What `system.mutations` says of one of ours. */
export interface MutationStatus {
  readonly id: string;
  readonly done: boolean;
  readonly killed: boolean;
  /** Names of the parts that it has not passed. */
  readonly partsLeft: readonly string[];
  readonly failReason: string;
  /** The part that it failed on last. */
  readonly failedPart: string;
}

/**
 * The statement of a delete. The nonce is a comparison of constants that is always true: `system.mutations` keeps it,
 * and so tells our mutation from everybody else's.
 */
export function deleteStatement(
  table: Pick<TargetTable, 'database' | 'name'>,
  condition: string,
  nonce: string,
  partition?: string,
): string {
  // Without a partition a mutation has to pass every part of the table, and waits for those of others on each of them.
  const parts = partition === undefined ? '' : ` IN PARTITION ${partition}`;
  return `ALTER TABLE ${identifier(table.database)}.${identifier(table.name)} DELETE${parts} WHERE ${condition} AND ${chLiteral(nonce)} != ''`;
}

/** Whether a part can hold rows that a `deleteStatement` is about; a part's name begins with its partition's id. */
export function concerns(statement: string, part: string): boolean {
  const [, partition] = /^.*? DELETE IN PARTITION (\S+) WHERE /su.exec(statement) ?? [];
  return partition === undefined || part.startsWith(`${partition.replaceAll(/['-]/gu, '')}_`);
}

/** The condition of a `deleteStatement`, its nonce included. */
export function conditionOf(statement: string): string {
  return statement.replace(/^.*? DELETE(?: IN PARTITION \S+)? WHERE /su, '');
}

/** Sends a delete and does not wait for it. */
export async function sendMutation(target: Target, statement: string): Promise<void> {
  // Sent explicitly: an engine whose default is to wait would block this call for as long as the mutation takes.
  await target.command(statement, { mutations_sync: '0' });
}

/** Our mutation with this nonce; undefined where the server has none. */
export async function findMutation(
  target: Target,
  database: string,
  table: string,
  nonce: string,
): Promise<MutationStatus | undefined> {
  const rows = await target.rows<{
    id: string;
    done: number;
    killed: number;
    parts: string[];
    fail: string;
    part: string;
  }>(
    `SELECT mutation_id AS id, is_done AS done, is_killed AS killed, parts_to_do_names AS parts,
       latest_fail_reason AS fail, latest_failed_part AS part
     FROM system.mutations
     WHERE database = {database:String} AND table = {table:String} AND position(command, {nonce:String}) > 0
     ORDER BY create_time DESC LIMIT 1`,
    { database, table, nonce },
  );
  const [row] = rows;
  return (
    row && {
      id: row.id,
      done: row.done === 1,
      killed: row.killed === 1,
      partsLeft: row.parts,
      failReason: row.fail,
      failedPart: row.part,
    }
  );
}

/** Takes a mutation back: parts that it has not done stay as they are. */
export async function killMutation(target: Target, database: string, table: string, id: string): Promise<void> {
  const ours = `database = ${chLiteral(database)} AND table = ${chLiteral(table)} AND mutation_id = ${chLiteral(id)}`;
  await target.command(`KILL MUTATION WHERE ${ours} SYNC`);
}

/** Ends queries of ours by id and waits until the server has none of them any more. */
export async function endQueries(target: Target, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await target.command(`KILL QUERY WHERE query_id IN (${ids.map(chLiteral).join(', ')}) SYNC`);
}
