import { differencesOf, type TableProof } from '../domain/drift.ts';
import type { Range } from '../domain/words.ts';
import type { RunDetails } from '../refill.ts';
import { latestProofs } from './summary.ts';

/** Rows of one table in a part of the range. */
export interface Piece extends Range {
  readonly rows: number;
}

/** Before, source and after of one table over time. Each is cut as finely as it is known; what is not known is a gap. */
export interface Series {
  /** Rows in the target when the plan was made, by day. */
  readonly before: readonly Piece[];
  /** Rows that should be there, as the plan counted them, by day. */
  readonly source: readonly Piece[];
  /** Rows in the target as proven: by day or, where no proof tells the days apart, by windows. */
  readonly after: readonly Piece[];
}

const DAY_MS = 86_400_000;

/** A UTC day, cut to the range. */
function dayRange(day: string, range: Range): Range {
  const from = `${day}T00:00:00.000Z`;
  const to = new Date(Date.parse(from) + DAY_MS).toISOString();
  return { from: from < range.from ? range.from : from, to: to > range.to ? range.to : to };
}

function isClean(proof: TableProof): boolean {
  return differencesOf(proof) === 0;
}

/** What windows that follow each other were proven to hold together. */
interface Proven extends Range {
  readonly source: number;
  readonly target: number;
  readonly clean: boolean;
}

/** Windows that cut a day are put together until they end with one: a day is shown whole, and its rows add up. */
function byDays(proofs: readonly TableProof[]): readonly Proven[] {
  const found: Proven[] = [];
  for (const proof of proofs) {
    const { from, to, source, target } = proof;
    const last = found.at(-1);
    const cuts = last !== undefined && last.to === from && !from.endsWith('T00:00:00.000Z');
    if (!cuts) found.push({ from, to, source, target, clean: isClean(proof) });
    else
      found[found.length - 1] = {
        from: last.from,
        to,
        source: last.source + source,
        target: last.target + target,
        clean: last.clean && isClean(proof),
      };
  }
  return found;
}

/**
 * The rows of windows by day, where their proofs say them: they were proven equal row by row, and the source's days, as the
 * plan counted them, still add up to what was proven. Everything else is known as one sum only.
 */
function afterOf(proven: Proven, source: readonly Piece[]): readonly Piece[] {
  const days = source.filter((day) => day.from >= proven.from && day.to <= proven.to);
  const sum = days.reduce((rows, day) => rows + day.rows, 0);
  return proven.clean && sum === proven.source ? days : [{ from: proven.from, to: proven.to, rows: proven.target }];
}

/** What the chart of one table is made of. */
export function series(details: RunDetails, table: string): Series {
  const { plan } = details;
  const days = plan.days.filter((day) => day.table === table).sort((a, b) => (a.day < b.day ? -1 : 1));
  const source = days.map((day) => ({ ...dayRange(day.day, plan.range), rows: day.source }));
  const proofs = latestProofs(details.proofs)
    .filter((proof) => proof.table === table)
    .sort((a, b) => (a.from < b.from ? -1 : 1));
  return {
    before: days.map((day) => ({ ...dayRange(day.day, plan.range), rows: day.target })),
    source,
    after: byDays(proofs).flatMap((proven) => afterOf(proven, source)),
  };
}

/** Rows a day, so that pieces of different lengths can stand in one chart: an area is a number of rows. */
export function rowsPerDay(piece: Piece): number {
  return (piece.rows * DAY_MS) / Math.max(1, Date.parse(piece.to) - Date.parse(piece.from));
}
