import { chLiteral } from '../dataset/sql.ts';
import { asRefillError, RefillError } from '../domain/errors.ts';
import type { Target } from './clickhouse.ts';

/** Keeps which statements were sent and not answered: they may still arrive, long after whoever sent them has ended. */
export interface SentStatements {
  /** Seconds within which a statement must arrive. */
  readonly seconds: number;
  /** Called before a statement is sent, with what it is known by. Returns what to call when it was answered. */
  readonly before: (mark: string, seconds: number) => Promise<() => Promise<void>>;
  /** For how many seconds a statement whose mark begins so may still arrive and be taken; 0 where none may. */
  readonly onTheWay: (mark: string) => Promise<number>;
}

const TOO_LATE = 'refill: sent too long ago';

/** Has the server compute a subquery of an ALTER when the statement arrives, and not when its mutation passes a part. */
const ON_ARRIVAL = { mutations_execute_subqueries_on_initiator: 1 } as const;

/** Failures after which nothing can have reached the server; after any other a statement may be on its way. */
export const NOT_SENT = /ECONNREFUSED|ENOTFOUND|EHOSTUNREACH|EAI_AGAIN/u;

/** A second more than the clock that is asked tells, as it tells whole seconds; another so that the ledger's is behind. */
const ROUNDING_SECONDS = 2;

/**
 * Sends an ALTER that its server refuses when it arrives too late. A network that broke may hold a statement and pass it on
 * minutes later, to a table in which new rows have been proven meanwhile. No program can call it back; the server itself
 * compares its clock, once, before it makes a mutation. What is kept in `system.mutations` holds a literal in its place.
 *
 * @param deadline.mark What the statement is known by.
 */
export async function sendInTime(
  address: Target,
  statement: string,
  settings: Readonly<Record<string, string | number>>,
  { sent, mark, seconds }: { readonly sent: SentStatements; readonly mark: string; readonly seconds: number },
): Promise<void> {
  const [clock] = await address.rows<{ refill_own_until: string }>(
    `SELECT toString(toUnixTimestamp(now()) + ${Math.ceil(seconds)}) AS refill_own_until`,
  );
  const due = `(SELECT throwIf(toUnixTimestamp(now()) > ${clock?.refill_own_until ?? 0}, ${chLiteral(TOO_LATE)})) = 0`;
  const answered = await sent.before(mark, seconds + ROUNDING_SECONDS);
  try {
    await address.command(`${statement} AND ${due}`, { ...settings, ...ON_ARRIVAL });
  } catch (thrown) {
    const error = asRefillError(thrown);
    // A server that has answered has the statement; of one that has not, nobody knows.
    if (error.details['clickhouse'] !== undefined || NOT_SENT.test(error.message)) await answered();
    if (isTooLate(error))
      throw new RefillError('CH_BUSY', `a delete took more than ${seconds} s to reach ClickHouse, which refused it`, {
        cause: error,
      });
    throw error;
  }
  await answered();
}

function isTooLate({ cause }: RefillError): boolean {
  return cause instanceof Error && cause.message.includes(TOO_LATE);
}
