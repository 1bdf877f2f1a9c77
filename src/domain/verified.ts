import { differencesOf, type Drift, type TableProof } from './drift.ts';
import type { VerifiedTable, VerifyResult } from './events.ts';
import type { DriftKind } from './words.ts';

/** Keys of a kind that a report names; all of them are in the ledger. */
export const KEYS_NAMED = 100;

/** Puts the proofs of a table's windows together. */
export function verifiedTables(proofs: readonly TableProof[], drift: readonly Drift[]): VerifiedTable[] {
  const names = [...new Set(proofs.map((p) => p.table))];
  return names.map((table) => {
    const own = proofs.filter((p) => p.table === table);
    const sum = (field: 'source' | 'target' | 'unsettled' | 'surplus' | DriftKind) =>
      own.reduce((n, p) => n + p[field], 0);
    const excluded: Record<string, number> = {};
    for (const p of own) {
      for (const [reason, rows] of Object.entries(p.excluded)) excluded[reason] = (excluded[reason] ?? 0) + rows;
    }
    const keys = (kind: DriftKind) =>
      drift
        .filter((d) => d.table === table && d.kind === kind)
        .slice(0, KEYS_NAMED)
        .map((d) => d.key);
    return {
      table,
      source: sum('source'),
      target: sum('target'),
      missing: sum('missing'),
      extra: sum('extra'),
      stale: sum('stale'),
      duplicated: sum('duplicated'),
      unexplained: sum('unexplained'),
      surplus: sum('surplus'),
      unsettled: sum('unsettled'),
      excluded,
      keys: {
        missing: keys('missing'),
        extra: keys('extra'),
        stale: keys('stale'),
        duplicated: keys('duplicated'),
        ...(sum('unexplained') > 0 ? { unexplained: keys('unexplained') } : {}),
      },
    };
  });
}

/** Keys that are not proven: those that differ, those that nothing explains, and those that a live writer kept changing. */
export function differences(tables: readonly VerifiedTable[]): number {
  return tables.reduce((n, table) => n + differencesOf(table), 0);
}

/** Differing keys by table, kind and reason, with the columns that differ and how many keys differ in each. */
export function reasonsOf(drift: readonly Drift[]): VerifyResult['reasons'] {
  interface Entry {
    readonly table: string;
    readonly kind: DriftKind;
    readonly reason: string;
    rows: number;
    columns?: Record<string, number>;
  }
  const counts = new Map<string, Entry>();
  for (const { table, kind, reason, columns } of drift) {
    const key = JSON.stringify([table, kind, reason]);
    const entry = counts.get(key) ?? { table, kind, reason, rows: 0 };
    entry.rows += 1;
    for (const column of columns) {
      entry.columns ??= {};
      entry.columns[column] = (entry.columns[column] ?? 0) + 1;
    }
    counts.set(key, entry);
  }
  return [...counts.values()];
}
