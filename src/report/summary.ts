import type { Drift, TableProof } from '../domain/drift.ts';
import type { ErrorRecord } from '../domain/errors.ts';
import type { Plan } from '../domain/plan.ts';
import { type Excluded, formatInstant, type Instant } from '../domain/words.ts';
import type { MutationRecord, RunRecord } from '../ledger/ledger.ts';
import type { RunDetails } from '../refill.ts';
import { count, counted } from './format.ts';

/** What a report is made of. */
export interface ReportInput extends RunDetails {
  /** The run's mutations, where they were read from the ledger. */
  readonly mutations?: readonly MutationRecord[];
}

/** A table of a run: before, after, source and what differs. Null is unknown, never zero. */
export interface TableSummary {
  readonly table: string;
  /** Rows in the target when the plan was made, and the distinct keys among them. */
  readonly before: number;
  readonly beforeKeys: number;
  /** Rows that should be there: proven where every window is, else as the plan counted them. */
  readonly source: number;
  readonly sourceProven: boolean;
  /** Rows in the target as proven; null until every window is proven. */
  readonly after: number | null;
  readonly windowsProven: number;
  readonly excluded: Excluded;
  readonly missing: number;
  readonly extra: number;
  readonly stale: number;
  readonly duplicated: number;
  readonly unexplained: number;
  readonly unsettled: number;
  /** When the earliest snapshot among the proofs was taken. */
  readonly snapshot: Instant | null;
}

/** Why a row differs, with the columns that do, or the times at which it also stands. */
export function whyDiffers({ reason, columns, elsewhere }: Drift): string {
  const more = [...columns, ...elsewhere.map((time) => formatInstant(time))];
  return more.length === 0 ? reason : `${reason}: ${more.join(', ')}`;
}

/** Something that went wrong in a run, and what to do about it. */
export interface Failure {
  readonly where: string;
  readonly error: ErrorRecord;
}

/** The last proof of each table and window: a window that was proven again counts once. */
export function latestProofs(proofs: readonly TableProof[]): readonly TableProof[] {
  const latest = new Map<string, TableProof>();
  for (const proof of proofs) {
    const key = JSON.stringify([proof.table, proof.window, proof.window === null ? proof.from : '']);
    const known = latest.get(key);
    if (known === undefined || known.snapshot <= proof.snapshot) latest.set(key, proof);
  }
  return [...latest.values()];
}

/** Sums exclusions by reason. */
export function addExcluded(all: readonly Excluded[]): Excluded {
  const sum: Record<string, number> = {};
  for (const excluded of all) {
    for (const [reason, rows] of Object.entries(excluded)) sum[reason] = (sum[reason] ?? 0) + rows;
  }
  return sum;
}

/** Reasons for which source rows are left out, the most first; those that no table has are left out. */
export function excludedReasons(tables: readonly { readonly excluded: Excluded }[]): readonly string[] {
  const most = (reason: string) => Math.max(...tables.map((one) => one.excluded[reason] ?? 0));
  return [...new Set(tables.flatMap((one) => Object.keys(one.excluded)))]
    .filter((reason) => most(reason) > 0)
    .sort((a, b) => most(b) - most(a));
}

function total(proofs: readonly TableProof[], of: (proof: TableProof) => number): number {
  return proofs.reduce((sum, proof) => sum + of(proof), 0);
}

function tableSummary(plan: Plan, table: string, proofs: readonly TableProof[]): TableSummary {
  const planned = plan.counts.find((counts) => counts.table === table);
  const complete = plan.windows.length > 0 && proofs.length >= plan.windows.length;
  return {
    table,
    before: planned?.target ?? 0,
    beforeKeys: planned?.targetKeys ?? 0,
    source: complete ? total(proofs, (proof) => proof.source) : (planned?.source ?? 0),
    sourceProven: complete,
    after: complete ? total(proofs, (proof) => proof.target) : null,
    windowsProven: proofs.length,
    excluded: complete ? addExcluded(proofs.map((proof) => proof.excluded)) : (planned?.excluded ?? {}),
    missing: total(proofs, (proof) => proof.missing),
    extra: total(proofs, (proof) => proof.extra),
    stale: total(proofs, (proof) => proof.stale),
    duplicated: total(proofs, (proof) => proof.duplicated),
    unexplained: total(proofs, (proof) => proof.unexplained),
    unsettled: total(proofs, (proof) => proof.unsettled),
    snapshot: proofs.map((proof) => proof.snapshot).sort()[0] ?? null,
  };
}

/** A run's tables, in the plan's order. */
export function tableSummaries(details: RunDetails): readonly TableSummary[] {
  const proofs = latestProofs(details.proofs);
  return details.plan.tables.map((table) =>
    tableSummary(
      details.plan,
      table,
      proofs.filter((proof) => proof.table === table),
    ),
  );
}

/** Everything that failed in a run: the run itself first, then deletes, then windows. */
export function failures(details: RunDetails): readonly Failure[] {
  const found: Failure[] = [];
  if (details.run.error !== null) found.push({ where: 'the run', error: details.run.error });
  for (const { id, error } of details.deletes) if (error !== null) found.push({ where: `delete ${id}`, error });
  for (const { id, error } of details.windows) if (error !== null) found.push({ where: `window ${id}`, error });
  return found;
}

/** How many windows and deletes are in each state, in the order in which the states are met. */
export function countStates(records: readonly { readonly state: string }[]): Readonly<Record<string, number>> {
  const states: Record<string, number> = {};
  for (const { state } of records) states[state] = (states[state] ?? 0) + 1;
  return states;
}

/** A run's state as a person understands it: one that nobody is at work on was interrupted. */
export function stateWords(run: RunRecord): string {
  if (run.state !== 'running') return run.state;
  if (run.holder === null && run.executor === 'local') return 'interrupted';
  if (run.wanted === 'run') return 'running';
  return run.wanted === 'pause' ? 'running, pause asked for' : 'running, cancel asked for';
}

/** Why fewer rows were deleted than planned: `replace` writes first, and merges remove what is older. */
export function mergedAway(run: Pick<RunRecord, 'state' | 'strategy' | 'rowsDeleted'>, planned: number): string {
  const fewer = run.state === 'succeeded' && run.strategy === 'replace' && run.rowsDeleted < planned;
  return fewer ? '; merges had removed the others' : '';
}

/** What was done of what the plan counted. More than that is said as such: rows have come since. */
function ofPlanned(rows: number, planned: number | undefined): string {
  if (planned === undefined) return counted(rows, 'row');
  if (rows <= planned) return `${count(rows)} of ${counted(planned, 'row')}`;
  return `${counted(rows, 'row')}, ${count(rows - planned)} more than the plan counted`;
}

/**
 * Rows that were deleted, and those that a delete on its way may take.
 *
 * @param planned The plan's rows, where they stand beside it.
 */
export function deletedWords(
  run: Pick<RunRecord, 'rowsDeleted' | 'rowsDeletedAgain' | 'rowsSent' | 'rowsSentAgain'>,
  planned?: number,
): string {
  const { rowsDeleted, rowsDeletedAgain: again, rowsSent, rowsSentAgain } = run;
  const sent = rowsSent - rowsSentAgain;
  return [
    ofPlanned(rowsDeleted, planned),
    ...(sent === 0 ? [] : [`, and up to ${count(sent)} more by deletes that were sent and are not proven`]),
    ...(again === 0 ? [] : [`; a retry deleted ${counted(again, 'row')} again`]),
    ...(rowsSentAgain === 0 ? [] : [`; a retry has sent deletes of up to ${counted(rowsSentAgain, 'row')} again`]),
  ].join('');
}

/** Rows that were written, and those that a retry wrote once more. */
export function writtenWords(run: Pick<RunRecord, 'rowsWritten' | 'rowsWrittenAgain'>, planned?: number): string {
  const again = run.rowsWrittenAgain === 0 ? '' : `; a retry wrote ${counted(run.rowsWrittenAgain, 'row')} again`;
  return `${ofPlanned(run.rowsWritten, planned)}${again}`;
}
