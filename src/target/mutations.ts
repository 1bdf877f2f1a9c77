import { chLiteral, identifier } from '../dataset/sql.ts';
import type { Target } from './clickhouse.ts';

/** What `system.mutations` says of one of ours. */
export interface MutationStatus {
  readonly id: string;
  readonly done: boolean;
  readonly killed: boolean;
  readonly partsLeft: number;
  readonly failReason: string;
}

/**
 * The statement of a delete. The nonce is a comparison of constants that is always true: `system.mutations` keeps it,
 * and so tells our mutation from everybody else's.
 */
export function deleteStatement(database: string, table: string, condition: string, nonce: string): string {
  return `ALTER TABLE ${identifier(database)}.${identifier(table)} DELETE WHERE ${condition} AND ${chLiteral(nonce)} != ''`;
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
  const rows = await target.rows<{ id: string; done: number; killed: number; parts: string; fail: string }>(
    `SELECT mutation_id AS id, is_done AS done, is_killed AS killed, toString(parts_to_do) AS parts, latest_fail_reason AS fail
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
      partsLeft: Number(row.parts),
      failReason: row.fail,
    }
  );
}

/** Ends queries of ours by id and waits until the server has none of them any more. */
export async function endQueries(target: Target, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  await target.command(`KILL QUERY WHERE query_id IN (${ids.map(chLiteral).join(', ')}) SYNC`);
}
