import type { Progress } from '../domain/events.ts';
import type { DeleteRecord, WindowRecord } from '../ledger/ledger.ts';

/** Over how much time a rate is measured. */
const RATE_WINDOW_MS = 30_000;
/** No time left is told before this share is done: it would be a guess. */
const ETA_FROM_SHARE = 0.01;

const withoutNumbers = (reason: string | null) => reason?.replaceAll(/\d[\d.,]*/gu, '') ?? null;

/** Keeps count of a run in this process, and makes the one snapshot that everything shows. */
export class ProgressTracker {
  readonly #run: string;
  /** Rows that are written of each, beside those that the plan expects; of windows from before this program the plan's. */
  readonly #windows: Map<
    number,
    { rows: number; state: WindowRecord['state']; readonly delete: number; readonly planned: number }
  >;
  readonly #deletes: Map<number, boolean>;
  /** Rows read so far of windows at work, by window and table. */
  readonly #active = new Map<number, Map<string, number>>();
  /** Windows whose rows are shown to fit the target. */
  #rehearsed = new Set<number>();
  readonly #waits = new Map<string, string>();
  #governed: string | null = null;
  /** The most that was told yet. A window that is begun again starts at 0; what is shown never goes back. */
  #rowsTold = 0;
  #samples: { at: number; rows: number }[] = [];

  constructor(run: string, windows: readonly WindowRecord[], deletes: readonly DeleteRecord[]) {
    this.#run = run;
    this.#windows = new Map(
      windows.map((w) => {
        const written = w.state === 'written' || w.state === 'done';
        return [w.id, { rows: written ? w.sourceRows : 0, state: w.state, delete: w.delete, planned: w.sourceRows }];
      }),
    );
    this.#deletes = new Map(deletes.map((d) => [d.id, d.state === 'proven']));
  }

  windowBegins(window: number): void {
    this.#active.set(window, new Map());
    this.#set(window, 'writing', 0);
  }

  rows(window: number, table: string, rows: number): void {
    this.#active.get(window)?.set(table, rows);
  }

  windowEnds(window: number, state: 'written' | 'failed', rows: number): void {
    this.#active.delete(window);
    this.#set(window, state, rows);
  }

  rehearsal(window: number, now: boolean): void {
    if (now) this.#rehearsed.add(window);
    else this.#rehearsed.delete(window);
  }

  /** All windows that are rehearsed now. */
  rehearsalsOnly(windows: readonly number[]): void {
    this.#rehearsed = new Set(windows);
  }

  /** A window is replaced by what it was cut into, one of which has its id. */
  windowCut(window: number, parts: readonly WindowRecord[]): void {
    this.#active.delete(window);
    for (const { id, state, delete: del, sourceRows: planned } of parts)
      this.#windows.set(id, { rows: 0, state, delete: del, planned });
  }

  deleteProven(del: number): void {
    this.#deletes.set(del, true);
    for (const window of this.#windows.values()) if (window.delete === del) window.state = 'done';
  }

  /**
   * What slows or holds the whole run; null when nothing does. Returns whether that is news: another reason, not the same
   * with other numbers, which would be told at every look for as long as it holds.
   */
  governed(reason: string | null): boolean {
    const news = withoutNumbers(reason) !== withoutNumbers(this.#governed);
    this.#governed = reason;
    return news;
  }

  /** What a unit waits for; null when it goes on. */
  wait(unit: string, reason: string | null): void {
    if (reason === null) this.#waits.delete(unit);
    else this.#waits.set(unit, reason);
  }

  /** What is waited for by all units together: what is not in it goes on. */
  waitsOnly(reasons: ReadonlyMap<string, string>): void {
    this.#waits.clear();
    for (const [unit, reason] of reasons) this.#waits.set(unit, reason);
  }

  snapshot(): Progress {
    const now = Date.now();
    const { rowsWritten, rowsTotal } = this.#amounts();
    this.#samples.push({ at: now, rows: rowsWritten });
    this.#samples = this.#samples.filter((s) => now - s.at <= RATE_WINDOW_MS);
    const [first] = this.#samples;
    const seconds = first ? (now - first.at) / 1000 : 0;
    const rate = first && seconds > 0 ? Math.max(0, (rowsWritten - first.rows) / seconds) : 0;
    const left = Math.max(0, rowsTotal - rowsWritten);
    const known = rate > 0 && rowsWritten >= rowsTotal * ETA_FROM_SHARE;
    return {
      type: 'progress',
      run: this.#run,
      at: new Date(now).toISOString(),
      windows: {
        total: this.#windows.size,
        done: this.#count('done'),
        written: this.#count('written'),
        active: this.#active.size,
        failed: this.#count('failed'),
      },
      deletes: { total: this.#deletes.size, done: [...this.#deletes.values()].filter(Boolean).length },
      rowsWritten,
      rowsTotal,
      rowsPerSecond: Math.round(rate),
      secondsLeft: known ? Math.round(left / rate) : null,
      doing: this.#doing(),
    };
  }

  /**
   * What is written, and what that is of: of a window that is done its rows, of any other at least those that the plan
   * expects. So a source that has grown or shrunk since the plan leads to its end, and never past it.
   */
  #amounts(): Pick<Progress, 'rowsWritten' | 'rowsTotal'> {
    let written = 0;
    let total = 0;
    for (const [id, { rows, state, planned }] of this.#windows) {
      const active = [...(this.#active.get(id)?.values() ?? [])].reduce((n, one) => n + one, 0);
      written += rows + active;
      total += state === 'written' || state === 'done' ? rows : Math.max(planned, rows + active);
    }
    this.#rowsTold = Math.max(this.#rowsTold, written);
    return { rowsWritten: this.#rowsTold, rowsTotal: Math.max(this.#rowsTold, total) };
  }

  #doing(): string {
    const parts: string[] = [];
    const rehearsed = [...this.#rehearsed];
    if (rehearsed.length > 0)
      parts.push(`rehearsing ${rehearsed.length === 1 ? 'window' : 'windows'} ${rehearsed.join(', ')}`);
    if (this.#active.size > 0)
      parts.push(`re-indexing ${this.#active.size} ${this.#active.size === 1 ? 'window' : 'windows'}`);
    if (this.#governed !== null) parts.push(this.#governed);
    for (const reason of new Set(this.#waits.values())) parts.push(`waiting for ${reason}`);
    return parts.length > 0 ? parts.join('; ') : 'working';
  }

  #count(state: WindowRecord['state']): number {
    return [...this.#windows.values()].filter((w) => w.state === state).length;
  }

  #set(window: number, state: WindowRecord['state'], rows?: number): void {
    const entry = this.#windows.get(window);
    if (!entry) return;
    entry.state = state;
    if (rows !== undefined) entry.rows = rows;
  }
}
