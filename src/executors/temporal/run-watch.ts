import { errorOf } from '../../domain/errors.ts';
import type { RunEvent, RunResult } from '../../domain/events.ts';
import type { Plan } from '../../domain/plan.ts';
import type { Changes, Ledger, RunRecord } from '../../ledger/ledger.ts';
import { ProgressTracker } from '../progress.ts';
import { type EndState, resultOf } from '../result.ts';
import type { Beat } from './attend.ts';
import { beatsOf } from './beats.ts';
import type { TemporalClient } from './client.ts';
import { workflowId } from './shared/names.ts';
import { UnitWatch } from './watch-units.ts';

/** What happens in a run whose steps are done by workers: told by its ledger, and by what its activities tell. */
export class RunWatch {
  readonly #ledger: Ledger;
  readonly #client: TemporalClient;
  readonly #run: RunRecord;
  readonly #plan: Plan;
  readonly #tracker: ProgressTracker;
  readonly #units: UnitWatch;
  readonly #told = new Set<string>();

  private constructor(
    ledger: Ledger,
    client: TemporalClient,
    { run, plan, known }: { readonly run: RunRecord; readonly plan: Plan; readonly known: Changes },
  ) {
    this.#ledger = ledger;
    this.#client = client;
    this.#run = run;
    this.#plan = plan;
    this.#tracker = new ProgressTracker(run.id, plan.cost.rowsToWrite, known.windows, known.deletes);
    this.#units = new UnitWatch(ledger, run.id, this.#tracker, known);
  }

  /** Watches from now on: what is done already is not told. */
  static async open(ledger: Ledger, client: TemporalClient, id: string): Promise<RunWatch> {
    const [run, known] = await Promise.all([ledger.run(id), ledger.changes(id, null)]);
    return new RunWatch(ledger, client, { run, known, plan: await ledger.plan(run.plan) });
  }

  /** @param resumed Whether the run is gone on with. */
  started(resumed: boolean): RunEvent {
    const { id, plan, tenant, strategy, range } = this.#run;
    const { customer, profile } = tenant;
    return { type: 'started', run: id, plan, tenant: { customer, profile }, strategy, range, resumed };
  }

  /** What has happened since the last look, a progress at its end. A server that does not answer hides nothing of it. */
  async look(): Promise<readonly RunEvent[]> {
    const described = await this.#client.describe(this.#run.workflow ?? workflowId(this.#run.id)).catch(() => null);
    const events = await this.#units.look();
    const beats = await beatsOf(described, this.#client.settings.codecs);
    const notices = this.#hear(beats).filter((notice) => !this.#told.has(notice));
    for (const notice of notices) this.#told.add(notice);
    return [
      ...events,
      ...notices.map((message): RunEvent => ({ type: 'notice', run: this.#run.id, message })),
      this.#tracker.snapshot(),
    ];
  }

  /** Puts what activities tell into the progress, and returns what a person should know. */
  #hear(beats: readonly Beat[]): readonly string[] {
    this.#tracker.waitsOnly(
      new Map(beats.flatMap(({ unit, waits }) => (waits === null ? [] : [[unit, waits] as const]))),
    );
    for (const { cursor, rows } of beats) if (cursor && rows !== null) this.#tracker.rows(cursor.window, 'all', rows);
    return beats.flatMap(({ notice }) => (notice === null ? [] : [notice]));
  }

  /** How it ended, by the ledger. */
  async result(): Promise<RunResult> {
    const { state, error } = await this.#ledger.run(this.#run.id);
    const ended: EndState = state === 'running' ? 'failed' : state === 'differences' ? 'succeeded' : state;
    return await resultOf({
      ledger: this.#ledger,
      run: this.#run.id,
      tables: this.#plan.tables.length,
      ended,
      failure: error === null ? undefined : errorOf(error),
      seconds: 0,
    });
  }
}
