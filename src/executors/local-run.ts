import type { WindowsAtOnce } from '../domain/at-once.ts';
import type { Calendar } from '../domain/calendar-rules.ts';
import type { RunEvent } from '../domain/events.ts';
import type { HealthLimits } from '../domain/indicators.ts';
import type { Plan } from '../domain/plan.ts';
import type { Actor, Ledger, RunRecord } from '../ledger/ledger.ts';
import type { Workbench } from '../steps/workbench.ts';
import type { EventQueue } from './events.ts';
import type { ProgressTracker } from './progress.ts';
import type { SlotLimits, Slots } from './slots.ts';

/** What the local executor needs for a run. */
export interface LocalRun {
  readonly ledger: Ledger;
  readonly bench: Workbench;
  readonly plan: Plan;
  readonly run: RunRecord;
  readonly actor: Actor;
  readonly resumed: boolean;
  /** Aborting drains: no new window or delete is begun. */
  readonly drain?: AbortSignal;
  /** Aborting stops at once. */
  readonly force?: AbortSignal;
  /** What it shares with other runs of its program. Default: it is alone. */
  readonly shared?: SharedWindows;
  /** Where its windows count beside those of other programs; by today's configuration, whatever it was when the plan was made. */
  readonly place: RunPlace;
  readonly governed: Governed;
}

/** What slows or holds a run. */
export interface Governed {
  readonly health: HealthLimits;
  /** Null: always open. */
  readonly calendar: Calendar | null;
}

export interface RunPlace {
  /** The Postgres server that is read. */
  readonly server: string;
  readonly limits: SlotLimits;
}

/** What runs of one program share. */
export interface SharedWindows {
  /** Where windows wait for their turn, besides the run's own limit. */
  readonly slots: Slots;
}

/** A run at work in this process. */
export interface RunAtWork extends LocalRun {
  readonly shared: SharedWindows;
  /** Whether it shares them with no other run. */
  readonly alone: boolean;
  readonly events: EventQueue<RunEvent>;
  readonly tracker: ProgressTracker;
  /** How many windows are written at once. */
  readonly atOnce: WindowsAtOnce;
  /** Aborted when it stops at once, for whatever reason. */
  readonly signal: AbortSignal;
}
