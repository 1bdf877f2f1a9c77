import type { ErrorCode } from '../domain/catalogue.ts';
import { RefillError } from '../domain/errors.ts';
import type { Sql } from './connection.ts';
import type { Lockable } from './holder.ts';

/** How many candidates a message names. */
const CANDIDATES = 5;

/** What an id of another kind is for: it was copied from another command. */
const OTHERS: Readonly<Record<string, string>> = {
  'p-': 'That is the id of a plan: `refill run p-…` shows and executes it.',
  'r-': 'That is the id of a run: `refill status r-…` shows it, and what can be done.',
  'f-': 'That is the id of a fleet: `refill status f-…` shows it, and what can be done.',
  'b-': 'That is the id of a backfill: `refill status b-…` shows it, and what can be done.',
};

/** The error for an id that is not there; its hint tells an id of another kind. */
export function unknownId(code: ErrorCode, name: string, id: string): RefillError {
  const other = id.startsWith(`${name.charAt(0)}-`) ? undefined : OTHERS[id.slice(0, 2)];
  return new RefillError(code, `No ${name} ${id} is in the ledger.`, other === undefined ? {} : { hint: other });
}

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
  if (id === undefined) throw unknownId(of.unknown, of.name, beginning);
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
