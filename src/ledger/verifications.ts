import { RefillError } from '../domain/errors.ts';
import type { Drift, TableProof } from '../domain/drift.ts';
import type { Range } from '../domain/words.ts';
import { writeAudit } from './audit.ts';
import type { Sql } from './connection.ts';
import { json } from './json.ts';
import type { Actor, Verification } from './ledger.ts';
import { insertProofs } from './proofs.ts';
import { runUnknown } from './run-records.ts';

export async function startVerification(
  sql: Sql,
  id: string,
  verification: Omit<Verification, 'at' | 'ok' | 'id'>,
  actor: Actor,
): Promise<void> {
  const { run, tenant, dataset, range, unproven } = verification;
  if (run !== null && (await sql.rows('SELECT FROM refill.run WHERE id = $1', [run])).length === 0) {
    throw runUnknown(run);
  }
  await sql.rows(
    `INSERT INTO refill.verification (id, run, tenant, dataset, range_from, range_to, unproven)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [id, run, json(tenant), dataset, range.from, range.to, json(unproven)],
  );
  await writeAudit(sql, { actor, action: 'verification.start', subject: id, details: { run } });
}

export async function addProofs(
  sql: Sql,
  verification: string,
  proofs: readonly TableProof[],
  drift: readonly Drift[],
): Promise<void> {
  await requireOpen(sql, verification);
  await insertProofs(sql, { owner: verification, delete: null, round: null }, proofs, drift);
}

export async function finishVerification(sql: Sql, verification: string, ok: boolean): Promise<void> {
  await requireOpen(sql, verification);
  await sql.rows('UPDATE refill.verification SET ok = $2, finished_at = clock_timestamp() WHERE id = $1', [
    verification,
    ok,
  ]);
}

/** A finished verification is evidence, and nothing is added to it. */
async function requireOpen(sql: Sql, verification: string): Promise<void> {
  const [row] = await sql.rows<{ open: boolean }>(
    'SELECT finished_at IS NULL AS open FROM refill.verification WHERE id = $1 FOR UPDATE',
    [verification],
  );
  if (row === undefined) throw new RefillError('BUG', `No verification ${verification} is in the ledger.`);
  if (!row.open) throw new RefillError('BUG', `Verification ${verification} is finished already.`);
}

export async function readVerifications(
  sql: Sql,
  filter: { readonly id?: string; readonly run?: string; readonly limit: number },
): Promise<readonly Verification[]> {
  const rows = await sql.rows<Omit<Verification, 'range'> & Range>(
    `SELECT id, at, run, tenant, dataset, range_from AS "from", range_to AS "to", unproven, ok
       FROM refill.verification
      WHERE ($1::text IS NULL OR id = $1) AND ($2::text IS NULL OR run = $2)
      ORDER BY at DESC, id LIMIT $3`,
    [filter.id ?? null, filter.run ?? null, filter.limit],
  );
  return rows.map(({ from, to, ...rest }) => ({ ...rest, range: { from, to } }));
}
