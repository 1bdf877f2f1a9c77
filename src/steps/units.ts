import { nextRows, DEFAULT_PACE, type WindowSample } from '../domain/pace.ts';
import { createPool } from '../domain/pool.ts';
import type { Reindexer, ReindexerUnit } from '../domain/reindexer.ts';
import { HOUR_MS, instant, ms } from '../domain/windows.ts';
import type { Range } from '../domain/words.ts';

/** A unit's samples that are kept: as many as the control law looks at. */
const SAMPLES = 20;

/**
 * A re-indexer with what this program has learnt of it: how many units it bears, and how many rows a unit should have so
 * that it takes as long as it should.
 */
export class PacedReindexer {
  readonly reindexer: Reindexer;
  readonly pool;
  readonly #samples: WindowSample[] = [];
  /** Rows that a unit aims at; as many as there are before anything was measured. */
  #aim = Number.POSITIVE_INFINITY;

  constructor(reindexer: Reindexer) {
    this.reindexer = reindexer;
    this.pool = createPool(reindexer.atOnce);
  }

  /** A unit has ended well. */
  took(rows: number, seconds: number): void {
    if (rows === 0 || seconds === 0) return;
    this.#samples.push({ rows, seconds });
    if (this.#samples.length > SAMPLES) this.#samples.shift();
    const now = Number.isFinite(this.#aim) ? this.#aim : rows;
    this.#aim = nextRows(now, this.#samples, {
      ...DEFAULT_PACE,
      smallestRows: 1,
      aimSeconds: this.reindexer.aimSeconds,
    });
  }

  /** A unit of so many rows was too large. */
  tooLarge(rows: number): void {
    this.#aim = Math.max(1, Math.min(this.#aim, rows / 2));
  }

  /** A window's parts, of about the rows that a unit aims at, cut at hours. */
  cut(window: Range & { readonly sourceRows: number }): readonly Range[] {
    const hours = Math.max(1, Math.floor((ms(window.to) - ms(window.from)) / HOUR_MS));
    const parts = Math.min(hours, Math.max(1, Math.ceil(window.sourceRows / this.#aim)));
    const cuts = Array.from({ length: parts - 1 }, (_, n) =>
      instant(Math.ceil(ms(window.from) / HOUR_MS + ((n + 1) * hours) / parts) * HOUR_MS),
    );
    const ends = [...new Set([window.from, ...cuts.filter((cut) => cut < window.to), window.to])];
    return ends.slice(1).map((to, index) => ({ from: ends[index] ?? window.from, to }));
  }
}

/** Units as an attempt's record in the ledger holds them, beside the ids of queries: workflow to range. */
export function unitsToKeep(units: readonly ReindexerUnit[]): Readonly<Record<string, string>> {
  return Object.fromEntries(units.map(({ workflow, from, to }) => [workflow, `${from}/${to}`]));
}

/** In the order of time. */
export function keptUnits(queries: Readonly<Record<string, string>>): readonly ReindexerUnit[] {
  return Object.entries(queries)
    .map(([workflow, range]) => {
      const [from = '', to = ''] = range.split('/');
      return { workflow, from, to };
    })
    .sort((a, b) => (a.from < b.from ? -1 : 1));
}
