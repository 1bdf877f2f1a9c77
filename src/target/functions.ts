import { chLiteral } from '../dataset/sql.ts';
import type { Target } from './clickhouse.ts';

/**
 * Those of some functions, in lower case, that give the same for the same arguments whenever they are called. Aggregate
 * functions are none of them, and neither is one of which the server does not say so (programs of its users, `neighbor`).
 */
export async function deterministicFunctions(target: Target, names: readonly string[]): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set();
  // Older servers call the column `is_deterministic`.
  const known = await target.rows<{
    name: string;
    is_aggregate: number;
    deterministic?: number | null;
    is_deterministic?: number | null;
  }>(
    `SELECT name, is_aggregate, COLUMNS('^(is_)?deterministic$') FROM system.functions
     WHERE lower(name) IN (${names.map((name) => chLiteral(name.toLowerCase())).join(', ')})`,
  );
  const plain = known.filter((f) => f.is_aggregate === 0);
  const unsure = new Set(
    plain.filter((f) => (f.deterministic ?? f.is_deterministic) !== 1).map((f) => f.name.toLowerCase()),
  );
  return new Set(plain.map((f) => f.name.toLowerCase()).filter((name) => !unsure.has(name)));
}
