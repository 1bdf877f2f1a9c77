import type { RunEvent } from '../../domain/events.ts';
import type { DeleteState } from '../../domain/states.ts';
import type { Changes, DeleteRecord, Ledger, WindowRecord } from '../../ledger/ledger.ts';
import type { ProgressTracker } from '../progress.ts';

/** What a delete goes through, as events tell it. */
const DELETE_STEPS = ['submitted', 'assigned', 'finished', 'proven'] as const satisfies readonly DeleteState[];

/** Makes events of what changes in the ledger, for a run whose steps are done elsewhere. */
export class UnitWatch {
  readonly #ledger: Ledger;
  readonly #run: string;
  readonly #tracker: ProgressTracker;
  readonly #windows: Map<number, WindowRecord>;
  readonly #deletes: Map<number, DeleteRecord>;
  #mark: string;

  constructor(ledger: Ledger, run: string, tracker: ProgressTracker, known: Changes) {
    this.#ledger = ledger;
    this.#run = run;
    this.#tracker = tracker;
    this.#windows = new Map(known.windows.map((w) => [w.id, w]));
    this.#deletes = new Map(known.deletes.map((d) => [d.id, d]));
    this.#mark = known.mark;
  }

  /** What has happened since the last look. */
  async look(): Promise<readonly RunEvent[]> {
    const { windows, deletes, mark } = await this.#ledger.changes(this.#run, this.#mark);
    this.#mark = mark;
    const events = windows.flatMap((window) => this.#window(window));
    for (const del of deletes) events.push(...(await this.#delete(del)));
    return events;
  }

  #window(now: WindowRecord): readonly RunEvent[] {
    const before = this.#windows.get(now.id);
    this.#windows.set(now.id, now);
    // Cut, and so it ends earlier; or what was cut off of one.
    if (before?.to !== now.to) this.#tracker.windowCut(now.id, [now]);
    if (before && before.state === now.state && before.attempts === now.attempts) return [];
    if (now.state === 'writing') {
      this.#tracker.windowBegins(now.id);
      return [];
    }
    const was = before?.state;
    if ((now.state === 'written' || now.state === 'done') && was !== 'written' && was !== 'done') {
      this.#tracker.windowEnds(now.id, 'written', now.sourceRows);
      return [this.#told(now, 'written')];
    }
    if (now.state !== 'failed' || was === 'failed') return [];
    this.#tracker.windowEnds(now.id, 'failed', 0);
    return [this.#told(now, 'failed')];
  }

  #told(window: WindowRecord, state: 'written' | 'failed'): RunEvent {
    const { id, from, to, sourceRows, startedAt, finishedAt, error } = window;
    const seconds = startedAt && finishedAt ? Math.max(0, (Date.parse(finishedAt) - Date.parse(startedAt)) / 1000) : 0;
    const rows = state === 'written' ? sourceRows : 0;
    return { type: 'window', run: this.#run, window: id, from, to, state, rows, seconds, ...(error ? { error } : {}) };
  }

  async #delete(now: DeleteRecord): Promise<readonly RunEvent[]> {
    const before = this.#deletes.get(now.id)?.state ?? 'pending';
    this.#deletes.set(now.id, now);
    if (before === now.state) return [];
    const { id, from, to, error } = now;
    const event = { type: 'delete', run: this.#run, delete: id, from, to } as const;
    if (now.state === 'failed') return [{ ...event, state: 'failed', rows: 0, ...(error ? { error } : {}) }];
    const [was, is] = [before, now.state].map((state) => DELETE_STEPS.findIndex((step) => step === state));
    const passed = DELETE_STEPS.slice((was ?? -1) + 1, (is ?? -1) + 1);
    if (passed.includes('proven')) {
      this.#tracker.deleteProven(id);
    }
    const rows = (await this.#ledger.mutations(this.#run, id)).reduce((n, m) => n + (m.rows ?? 0), 0);
    return passed.map((state) => ({ ...event, state, rows: state === 'submitted' ? 0 : rows }));
  }
}
