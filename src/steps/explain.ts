import { parseKey } from '../dataset/key.ts';
import { bind } from '../dataset/sql.ts';
import { classify, DRIFT_REASONS, type Verdict } from '../domain/classify.ts';
import { RefillError } from '../domain/errors.ts';
import type { Explanation } from '../domain/events.ts';
import { formatTenant } from '../domain/words.ts';
import { withSource } from '../source/postgres.ts';
import { ever, type KeyFacts, lookup } from './lookup.ts';
import { differingColumns } from './settle.ts';
import type { BenchTable, Workbench } from './workbench.ts';

const NOWHERE: KeyFacts = { source: [], targets: [] };

/**
 * Says of one id where it is, where it should be, and why: for each table in which either side knows it.
 *
 * @throws RefillError `KEY_UNKNOWN` where neither side does.
 */
export async function explain(bench: Workbench, id: string): Promise<Explanation[]> {
  const found: Explanation[] = [];
  for (const table of bench.tables) {
    const key = parseKey(table.key, id);
    const facts = (key === null ? undefined : (await lookup(bench, table, [key], ever(table))).get(key)) ?? NOWHERE;
    const untimed = facts.source.length > 0 ? null : await untimedReason(bench, table, id);
    if (facts.source.length > 0 || facts.targets.length > 0 || untimed)
      found.push(explanationOf(bench, table, id, facts, untimed));
  }
  if (found.length === 0) {
    const composite = bench.tables.filter((table) => table.key.length > 1 && parseKey(table.key, id) === null);
    const forms = composite.map(
      ({ key, definition }) => `${key.map((k) => `${k.name}=…`).join(',')} (${definition.name})`,
    );
    throw new RefillError(
      'KEY_UNKNOWN',
      `neither side has a row ${id} of ${formatTenant(bench.tenant)} in ${bench.tables.map((t) => t.definition.name).join(', ')}`,
      forms.length === 0
        ? {}
        : { hint: `Check the id and the tenant. Write a composite key as ${forms.join(', or ')}.` },
    );
  }
  return found;
}

/** Why the source's row has no time, where it is one of those. */
async function untimedReason(bench: Workbench, { definition }: BenchTable, id: string): Promise<string | null> {
  for (const untimed of definition.untimed ?? []) {
    const rows = await withSource(bench.source, (source) =>
      source.query(`SELECT 1 AS one FROM (${bind(untimed.select, { tenant: bench.tenant })}) u WHERE u.key = $1`, [id]),
    );
    if (rows.length > 0) return untimed.reason;
  }
  return null;
}

function explanationOf(
  bench: Workbench,
  table: BenchTable,
  id: string,
  facts: KeyFacts,
  untimed: string | null,
): Explanation {
  const verdict: Verdict =
    untimed === null
      ? classify(facts.source, facts.targets, ever(table))
      : { verdict: facts.targets.length > 0 ? 'extra' : 'excluded', reason: untimed };
  const row = facts.source.find(({ excluded: why }) => why === null) ?? facts.source[0];
  const excluded = row?.excluded ?? untimed;
  return {
    id,
    tenant: { customer: bench.tenant.customer, profile: bench.tenant.profile },
    table: table.definition.name,
    verdict: verdict.verdict,
    reason: verdict.verdict === 'present' ? null : verdict.reason,
    why: sentence(table, verdict),
    source: { present: row !== undefined || untimed !== null, excluded, time: row?.time ?? null },
    target: facts.targets.map((found) => ({
      time: found.time,
      version: found.version,
      equal: found.hash === row?.hash,
      columns: found.hash === row?.hash ? [] : differingColumns(table, { ...facts, targets: [found] }, ever(table)),
    })),
  };
}

function sentence({ definition }: BenchTable, verdict: Verdict): string {
  if (verdict.verdict === 'present') return 'It is in the target exactly as the source has it.';
  const { reason } = verdict;
  const named = [...definition.exclusions, ...(definition.untimed ?? [])].find((e) => e.reason === reason);
  const why = named?.why ?? DRIFT_REASONS[reason] ?? reason;
  switch (verdict.verdict) {
    case 'excluded':
      return `It is left out on purpose. ${why}`;
    case 'extra':
      return `It is in the target and should not be. ${why}`;
    case 'missing':
    case 'stale':
    case 'duplicated':
    case 'unexplained':
      return why;
  }
}
