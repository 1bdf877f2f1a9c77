import type { Sql } from './connection.ts';

/** Keeps that a statement is about to be sent, and until when its server takes it; returns its number. */
export async function keepSent(sql: Sql, mark: string, seconds: number): Promise<string> {
  const [row] = await sql.rows<{ id: string }>(
    `WITH forgotten AS (DELETE FROM refill.sent_statement WHERE until < clock_timestamp() - interval '1 day')
     INSERT INTO refill.sent_statement (mark, until) VALUES ($1, clock_timestamp() + make_interval(secs => $2))
     RETURNING id::text AS id`,
    [mark, seconds],
  );
  return row?.id ?? '';
}

/** A statement that was answered is no more on its way. */
export async function answerSent(sql: Sql, id: string): Promise<void> {
  await sql.rows('DELETE FROM refill.sent_statement WHERE id = $1', [id]);
}

export async function secondsOnTheWay(sql: Sql, mark: string): Promise<number> {
  const [row] = await sql.rows<{ seconds: number }>(
    `SELECT coalesce(greatest(0, extract(epoch FROM max(until) - clock_timestamp())), 0)::float8 AS seconds
       FROM refill.sent_statement WHERE starts_with(mark, $1)`,
    [mark],
  );
  return row?.seconds ?? 0;
}
