import type { Sql } from './connection.ts';
import { json } from './json.ts';
import type { AuditEntry } from './ledger.ts';

/** Writes an entry in the transaction of what it tells of. */
export async function writeAudit(sql: Sql, entry: Omit<AuditEntry, 'at'>): Promise<void> {
  await sql.rows('INSERT INTO refill.audit (actor, action, subject, details) VALUES ($1, $2, $3, $4)', [
    json(entry.actor),
    entry.action,
    entry.subject,
    json(entry.details),
  ]);
}

export async function readAudit(
  sql: Sql,
  filter: { readonly subject?: string; readonly limit: number },
): Promise<readonly AuditEntry[]> {
  return await sql.rows<AuditEntry>(
    `SELECT at, actor, action, subject, details FROM refill.audit
      WHERE $1::text IS NULL OR subject = $1
      ORDER BY id DESC LIMIT $2`,
    [filter.subject ?? null, filter.limit],
  );
}
