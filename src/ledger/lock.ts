import { setTimeout as sleep } from 'node:timers/promises';
import { type Client, DatabaseError } from 'pg';
import { RefillError } from '../domain/errors.ts';
import type { Database, Sql } from './connection.ts';
import { json } from './json.ts';
import { heldHere, type Holder, holderOf, type HolderRow, joinHeld, type Lockable, secondsOf } from './holder.ts';
import type { Actor, RunLock } from './ledger.ts';

/**
 * The holder asks the server every 2 s and gives up 8 s after a question without an answer: 10 s at most. The server
 * gives up on a client that does not acknowledge after 10 s + 3 x 5 s. In this order, so that where the network breaks
 * the holder knows that it has lost the lock before anybody else can have it.
 */
const BEAT_MS = 2_000;
const ANSWER_MS = 8_000;
const SERVER_KEEPALIVE = `SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3`;

/** SQL that keeps that the holder is alive. A row or a table that somebody has locked is left to the next time. */
const ALIVE = ({ table }: Lockable) => `UPDATE ${table} SET holder_seen = clock_timestamp()
  WHERE id = (SELECT id FROM ${table} WHERE id = $1 FOR UPDATE SKIP LOCKED)`;
const DO_NOT_WAIT = `SET lock_timeout = '1s'`;

/** How often the holder's name is looked up: it is written an instant after the lock was taken. */
const LOOKS = 10;
const LOOK_PAUSE_MS = 100;

function busy({ name }: Lockable, id: string, holder: Holder | null): RefillError {
  const message =
    holder === null
      ? `Another program is at work on ${name} ${id}.`
      : `${holder.user}@${holder.host} (process ${holder.pid}) is at work on ${name} ${id} since ${holder.since}.`;
  return new RefillError('RUN_BUSY', message, { details: { [name]: id, holder } });
}

async function take(sql: Sql, of: Lockable, id: string, actor: Actor): Promise<void> {
  await sql.rows(SERVER_KEEPALIVE);
  // A session that was opened just now has no lock. One that has is another program's too, and would get it again.
  if (await holds(sql, of, id)) throw sharedSession(of, id);
  const [row] = await sql.rows<{ taken: boolean }>(
    `SELECT pg_try_advisory_lock(${of.key('r')}) AS taken FROM ${of.table} r WHERE r.id = $1`,
    [id],
  );
  if (row === undefined) throw new RefillError(of.unknown, `No ${of.name} ${id} is in the ledger.`);
  if (row.taken) {
    await sql.rows(
      `UPDATE ${of.table} r SET seconds = ${secondsOf('r')}, holder = $2, holder_since = clock_timestamp(),
              holder_seen = clock_timestamp(), holder_backend = pg_backend_pid()
        WHERE id = $1`,
      [id, json(actor)],
    );
    return;
  }
  let holder: Holder | null = null;
  for (let look = 0; look < LOOKS && holder === null; look++) {
    if (look > 0) await sleep(LOOK_PAUSE_MS);
    const [found] = await sql.rows<HolderRow>(
      `SELECT r.holder, r.holder_since, l.pid IS NOT NULL AS held FROM ${of.table} r ${joinHeld(of, 'r')} WHERE r.id = $1`,
      [id],
    );
    holder = found ? holderOf(found) : null;
  }
  throw busy(of, id, holder);
}

function sharedSession({ name }: Lockable, id: string): RefillError {
  return new RefillError(
    'LEDGER_POOLED',
    `The lock on ${name} ${id} is not the connection’s own: a pooler shares its session`,
  );
}

async function holds(sql: Sql, of: Lockable, id: string): Promise<boolean> {
  const [row] = await sql.rows<{ held: boolean }>(`SELECT ${heldHere(of)} AS held`, [id]);
  return row?.held === true;
}

/** Takes the lock of a run or a fleet. See `Ledger.lockRun`. */
export async function lock(database: Database, of: Lockable, id: string, actor: Actor): Promise<RunLock> {
  return await database.dedicated(ANSWER_MS, async (sql, client) => {
    await take(sql, of, id, actor);
    await sql.rows(DO_NOT_WAIT);
    return hold(sql, client, of, id);
  });
}

/** A server that refuses a statement answers: the lock is there. */
function unlessRefused(error: unknown): void {
  if (!(error instanceof DatabaseError)) throw error;
}

/** Keeps that the holder of a lock is alive. Throws if this connection's session does not hold it. */
async function keepAlive(sql: Sql, of: Lockable, id: string): Promise<void> {
  if (!(await holds(sql, of, id))) throw sharedSession(of, id);
  await sql.rows(ALIVE(of), [id]).catch(unlessRefused);
}

/** Watches a connection that has the lock. */
function hold(sql: Sql, client: Client, of: Lockable, id: string): RunLock {
  let state: 'held' | 'lost' | 'released' = 'held';
  let resolveLost: (reason: Error) => void;
  const lost = new Promise<Error>((resolve) => {
    resolveLost = resolve;
  });
  const lose = (cause: unknown): void => {
    if (state !== 'held') return;
    state = 'lost';
    clearInterval(beat);
    void client.end().catch(() => {});
    resolveLost(
      new RefillError('LEDGER_UNREACHABLE', `The lock on ${of.name} ${id} was lost with its connection.`, { cause }),
    );
  };
  let asking = false;
  // One question at a time: that it is alive is kept, and its time at work with it. Whoever has the row is not waited for.
  const beat = setInterval(() => {
    if (asking) return;
    asking = true;
    // That the server answers is not enough: a pooler may have put another session behind the connection.
    keepAlive(sql, of, id)
      .catch(lose)
      .finally(() => {
        asking = false;
      });
  }, BEAT_MS);
  beat.unref();
  // node-postgres says so whenever a connection ends that was not asked to.
  client.on('error', lose);
  return {
    lost,
    release: async () => {
      if (state !== 'held') return;
      state = 'released';
      clearInterval(beat);
      try {
        await sql.rows(
          `UPDATE ${of.table} r SET seconds = ${secondsOf('r')}, holder = NULL, holder_since = NULL, holder_seen = NULL,
                  holder_backend = NULL
            WHERE id = $1`,
          [id],
        );
        // The end of the connection does so too, but behind a proxy perhaps after `end` has returned.
        await sql.rows('SELECT pg_advisory_unlock_all()');
      } catch {
        // The connection is gone, and the lock with it.
      }
      await client.end().catch(() => {});
    },
  };
}

/**
 * Does something that needs the lock of what nobody is at work on. Where another program has taken it meanwhile nothing is
 * done: it looks by itself for what is wanted of it.
 */
export async function whereIdle(take: Promise<RunLock>, task: () => Promise<void>): Promise<void> {
  const lock = await take.catch((error: unknown) => {
    if (error instanceof RefillError && error.code === 'RUN_BUSY') return null;
    throw error;
  });
  if (!lock) return;
  try {
    await task();
  } finally {
    await lock.release();
  }
}
