import { RefillError } from '../domain/errors.ts';
import type { Sql } from './connection.ts';
import type { Lockable } from './holder.ts';

/** How many candidates a message names. */
const CANDIDATES = 5;

/** The whole id of what a person names by the beginning of it. */
export async function findId(sql: Sql, of: Lockable, beginning: string): Promise<string> {
  if (beginning === '') throw new RefillError(of.unknown, `No ${of.name} was named.`);
  // '~' sorts after every character of an id.
  const found = await sql.rows<{ id: string }>(
    `SELECT id FROM ${of.table} WHERE id >= $1 AND id < $1 || '~' ORDER BY id LIMIT ${CANDIDATES + 1}`,
    [beginning],
  );
  const ids = found.map((row) => row.id);
  const id = ids.includes(beginning) ? beginning : ids[0];
  if (id === undefined) throw new RefillError(of.unknown, `No ${of.name} ${beginning} is in the ledger.`);
  if (id !== beginning && ids.length > 1) {
    const candidates = ids.slice(0, CANDIDATES);
    throw new RefillError(
      of.unknown,
      `Several ${of.name}s begin with ${beginning}: ${candidates.join(', ')}${ids.length > CANDIDATES ? ', …' : ''}.`,
      { hint: 'Write more of the id.', details: { candidates } },
    );
  }
  return id;
}
