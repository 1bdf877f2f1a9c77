import { setTimeout as sleep } from 'node:timers/promises';
import { keyTexts, showKey } from '../dataset/key.ts';
import { belongs } from '../domain/classify.ts';
import type { Drift, TableProof } from '../domain/drift.ts';
import type { Limits } from '../domain/limits.ts';
import type { Range } from '../domain/words.ts';
import { keysElsewhere } from '../target/count.ts';
import { refuseTooMany } from './compare-keys.ts';
import { ever, keyBatches, lookup } from './lookup.ts';
import type { BenchTable, Workbench } from './workbench.ts';

/** What a proof has found. */
interface Found {
  readonly proofs: readonly TableProof[];
  readonly drift: readonly Drift[];
}

export interface ElsewhereOptions {
  /** Rows outside of it are looked for: the range that the verification or the plan is about. */
  readonly outside: Range;
  readonly limits: Pick<Limits, 'graceSeconds'>;
  readonly signal: AbortSignal;
  readonly onWait?: (reason: string) => void;
}

/**
 * Adds to a proof the rows of its windows that stand in the target a second time, outside of the whole range: they have
 * moved into it (a card that was submitted since), and the row that was written before is still where it was. No sum of
 * the range sees it, and readers count it twice.
 *
 * @param windows In time order, without gaps: those of the proof.
 */
export async function nameElsewhere(
  bench: Workbench,
  proven: Found,
  windows: readonly Range[],
  options: ElsewhereOptions,
): Promise<Found> {
  const inside = { from: windows[0]?.from ?? '', to: windows.at(-1)?.to ?? '' };
  const drift = [...proven.drift];
  const added: Drift[] = [];
  for (const table of bench.tables) {
    const { name } = table.definition;
    const found = await movedInto(bench, table, rowsOf(proven, name), inside, options);
    const named = new Map(drift.flatMap((d, index) => (d.table === name ? [[d.key, index] as const] : [])));
    for (const one of found) {
      const at = named.get(one.key);
      const known = at === undefined ? undefined : drift[at];
      if (at !== undefined && known) {
        // One difference a key: what else is wrong with it is said there.
        drift[at] = { ...known, elsewhere: one.elsewhere };
        continue;
      }
      drift.push(one);
      added.push(one);
    }
  }
  if (added.length === 0) return { proofs: proven.proofs, drift };
  const proofs = proven.proofs.map((proof) => ({
    ...proof,
    duplicated: added.reduce((n, one) => n + (holds(proof, one) ? 1 : 0), proof.duplicated),
  }));
  return { proofs, drift };
}

const rowsOf = ({ proofs }: Found, table: string) =>
  proofs.reduce((rows, proof) => rows + (proof.table === table ? proof.target : 0), 0);

const holds = (proof: TableProof, { table, time }: Drift) =>
  proof.table === table && time !== null && time >= proof.from && time < proof.to;

async function movedInto(
  bench: Workbench,
  table: BenchTable,
  rows: number,
  inside: Range,
  { outside, limits, signal, onWait }: ElsewhereOptions,
): Promise<readonly Drift[]> {
  if (rows === 0) return [];
  const candidates = await keysElsewhere(bench.target, table, bench.tenant, inside, outside, rows);
  if (candidates.length === 0) return [];
  refuseTooMany(candidates.length);
  onWait?.(`${candidates.length} rows of ${table.definition.name} that also stand outside of the range are looked up`);
  // A writer that moves a row may be about to remove it where it was.
  await sleep(limits.graceSeconds * 1000, undefined, { signal });
  const found: Drift[] = [];
  const always = ever(table);
  for (const keys of keyBatches(candidates)) {
    for (const [key, { source, targets }] of await lookup(bench, table, keys, always)) {
      // A key that Postgres cannot be asked for stands here as the sums say, or is named as extra.
      const own =
        keyTexts(table.key, key) === null
          ? targets.find(({ time }) => time >= inside.from && time < inside.to)
          : source.find((row) => belongs(row, inside));
      const elsewhere = targets.filter(({ time }) => time < outside.from || time >= outside.to);
      // One whose source is elsewhere too, or nowhere, is another range's affair, or named as extra here.
      if (!own || elsewhere.length === 0 || source.some((row) => belongs(row, always) && !belongs(row, outside)))
        continue;
      found.push({
        table: table.definition.name,
        key: showKey(table.key, key),
        kind: 'duplicated',
        reason: 'moved_from',
        time: own.time,
        source: 1,
        target: 1,
        columns: [],
        elsewhere: elsewhere.map(({ time }) => time).sort(),
        query: null,
      });
    }
  }
  return found;
}
