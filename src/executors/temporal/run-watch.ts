import type { Calendar } from '../../domain/calendar-rules.ts';
import { deadlineWarning } from '../../domain/calendar.ts';
import { errorOf } from '../../domain/errors.ts';
import type { RunEvent, RunResult } from '../../domain/events.ts';
import type { Plan } from '../../domain/plan.ts';
import type { AuditEntry, Changes, Ledger, RunRecord } from '../../ledger/ledger.ts';
import { ProgressTracker } from '../progress.ts';
import { type EndState, resultOf } from '../result.ts';
import type { Beat } from './attend.ts';
import { beatsOf, rehearsalsIn } from './beats.ts';
import type { TemporalClient } from './client.ts';
import { workflowId } from './shared/names.ts';
import { QueueWatch, waitsAt } from './watch-queue.ts';
import { UnitWatch } from './watch-units.ts';

/** Entries of the audit that are looked at: far more than a run writes between two looks. */
const ENTRIES = 30;

/** A run at the moment from which on what happens in it is told. */
export interface Standing {
  readonly units: Changes;
  readonly audit: readonly AuditEntry[];
}

/** How a run stands now. */
export async function standingOf(ledger: Ledger, run: string): Promise<Standing> {
  const [units, audit] = await Promise.all([
    ledger.changes(run, null),
    ledger.auditEntries({ subject: run, limit: ENTRIES }),
  ]);
  return { units, audit };
}

/** How a run stood before its first step. */
export async function standingAtFirst(ledger: Ledger, run: string): Promise<Standing> {
  const { windows, deletes } = await ledger.changes(run, null);
  return {
    units: {
      windows: windows.map((window) => ({ ...window, state: 'pending', attempts: 0 })),
      deletes: deletes.map((del) => ({ ...del, state: 'pending' })),
      // Before every transaction.
      mark: '0',
    },
    audit: [],
  };
}

const entryKey = ({ at, action, details }: AuditEntry): string => JSON.stringify([at, action, details]);

/** What happens in a run whose steps are done by workers: told by its ledger, and by what its activities tell. */
export class RunWatch {
  readonly #ledger: Ledger;
  readonly #client: TemporalClient;
  readonly #run: RunRecord;
  readonly #plan: Plan;
  readonly #tracker: ProgressTracker;
  readonly #units: UnitWatch;
  readonly #queue: QueueWatch;
  readonly #calendar: Calendar | null;
  /** Notices by their text, and those of the ledger by their entry, that were told or were there before. */
  readonly #told: Set<string>;
  #governed: string | null = null;
  #late = false;

  private constructor(
    ledger: Ledger,
    client: TemporalClient,
    of: {
      readonly run: RunRecord;
      readonly plan: Plan;
      readonly standing: Standing;
      readonly calendar: Calendar | null;
    },
  ) {
    this.#ledger = ledger;
    this.#client = client;
    this.#run = of.run;
    this.#plan = of.plan;
    const { units, audit } = of.standing;
    this.#tracker = new ProgressTracker(of.run.id, units.windows, units.deletes);
    this.#units = new UnitWatch(ledger, of.run.id, this.#tracker, units);
    this.#queue = new QueueWatch(client);
    this.#calendar = of.calendar;
    this.#told = new Set(audit.map(entryKey));
  }

  /**
   * Watches a run: what was done before is not told.
   *
   * @param calendarOf Whose deadline is warned about; null where there is none.
   * @param before How it stood by then. Default: as it stands now, which misses nothing of a run that is not at work yet.
   */
  static async open(
    ledger: Ledger,
    client: TemporalClient,
    id: string,
    calendarOf: (plan: Plan) => Promise<Calendar | null>,
    before?: Standing,
  ): Promise<RunWatch> {
    const standing = before ?? (await standingOf(ledger, id));
    const run = await ledger.run(id);
    const plan = await ledger.plan(run.plan);
    return new RunWatch(ledger, client, { run, plan, standing, calendar: await calendarOf(plan) });
  }

  /** @param resumed Whether the run is gone on with. */
  started(resumed: boolean): RunEvent {
    const { id, plan, tenant, strategy, range, executor } = this.#run;
    const { customer, profile } = tenant;
    return { type: 'started', run: id, plan, tenant: { customer, profile }, strategy, range, resumed, executor };
  }

  /** What has happened since the last look, a progress at its end. A server that does not answer hides nothing of it. */
  async look(): Promise<readonly RunEvent[]> {
    const described = await this.#client.describe(this.#run.workflow ?? workflowId(this.#run.id)).catch(() => null);
    const events = await this.#units.look();
    const kept = await this.#ledger.auditEntries({ subject: this.#run.id, limit: ENTRIES });
    const beats = await beatsOf(described, this.#client.settings.codecs);
    const notices = [...this.#kept(kept), ...this.#hear(beats), ...this.#warn()];
    this.#tracker.wait('worker', await this.#queue.look(waitsAt(described)));
    return [
      ...events,
      ...notices.map((message): RunEvent => ({ type: 'notice', run: this.#run.id, message })),
      this.#tracker.snapshot(),
    ];
  }

  /** Notices that the ledger has kept since the last look, the oldest first: a step may be over before its heartbeat. */
  #kept(entries: readonly AuditEntry[]): readonly string[] {
    return entries.toReversed().flatMap((entry) => {
      const { message } = entry.details;
      if (entry.action !== 'run.notice' || typeof message !== 'string' || this.#told.has(entryKey(entry))) return [];
      this.#told.add(entryKey(entry));
      return this.#once(message);
    });
  }

  #once(message: string): readonly string[] {
    if (this.#told.has(message)) return [];
    this.#told.add(message);
    return [message];
  }

  /** Puts what activities tell into the progress, and returns what a person should know. */
  #hear(beats: readonly Beat[]): readonly string[] {
    this.#tracker.waitsOnly(
      new Map(beats.flatMap(({ unit, waits }) => (waits === null ? [] : [[unit, waits] as const]))),
    );
    this.#tracker.rehearsalsOnly(rehearsalsIn(beats));
    for (const { cursor, rows } of beats) if (cursor && rows !== null) this.#tracker.rows(cursor.window, 'all', rows);
    return [...this.#governedBy(beats), ...beats.flatMap(({ notice }) => (notice === null ? [] : this.#once(notice)))];
  }

  /** What slows or holds the run, told when it changes; it stays what it was while nothing waits or is written. */
  #governedBy(beats: readonly Beat[]): readonly string[] {
    const said = beats.flatMap(({ governed }) => (governed === undefined ? [] : [governed]));
    if (said.length === 0) return [];
    const reason = said.find((one) => one !== null) ?? null;
    if (reason === this.#governed) return [];
    this.#governed = reason;
    return this.#tracker.governed(reason) && reason !== null ? [reason] : [];
  }

  /** Once: a deadline warns, and stops nothing. */
  #warn(): readonly string[] {
    if (!this.#calendar || this.#late) return [];
    const warning = deadlineWarning(this.#calendar, new Date().toISOString(), this.#tracker.snapshot().secondsLeft);
    if (warning === null) return [];
    this.#late = true;
    return [warning];
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
