import type { Drift, TableProof } from './drift.ts';
import type { VerifiedTable, VerifyResult } from './events.ts';
import { DRIFT_KINDS, type DriftKind } from './words.ts';

/** Keys of a kind that a report names; all of them are in the ledger. */
export const KEYS_NAMED = 100;

/** Puts the proofs of a table's windows together. */
export function verifiedTables(proofs: readonly TableProof[], drift: readonly Drift[]): VerifiedTable[] {
  const names = [...new Set(proofs.map((p) => p.table))];
  return names.map((table) => {
    const own = proofs.filter((p) => p.table === table);
    const sum = (field: 'source' | 'target' | 'unsettled' | DriftKind) => own.reduce((n, p) => n + p[field], 0);
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
      unsettled: sum('unsettled'),
      excluded,
      keys: { missing: keys('missing'), extra: keys('extra'), stale: keys('stale'), duplicated: keys('duplicated') },
    };
  });
}

/** Rows that are not proven: those that differ, and those that a live writer changed at every look. */
export function differences(tables: readonly VerifiedTable[]): number {
  return tables.reduce((n, t) => n + t.unsettled + DRIFT_KINDS.reduce((m, kind) => m + t[kind], 0), 0);
}

/** Differing rows by table, kind and reason. */
export function reasonsOf(drift: readonly Drift[]): VerifyResult['reasons'] {
  const counts = new Map<string, { table: string; kind: DriftKind; reason: string; rows: number }>();
  for (const { table, kind, reason } of drift) {
    const key = JSON.stringify([table, kind, reason]);
    const entry = counts.get(key) ?? { table, kind, reason, rows: 0 };
    entry.rows += 1;
    counts.set(key, entry);
  }
  return [...counts.values()];
}
