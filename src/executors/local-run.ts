import type { WindowsAtOnce } from '../domain/at-once.ts';
import type { Calendar } from '../domain/calendar-rules.ts';
import type { RunEvent } from '../domain/events.ts';
import type { HealthLimits } from '../domain/indicators.ts';
import type { Plan } from '../domain/plan.ts';
import type { Pool } from '../domain/pool.ts';
import type { Actor, Ledger, RunRecord } from '../ledger/ledger.ts';
import type { Workbench } from '../steps/workbench.ts';
import type { EventQueue } from './events.ts';
import type { ProgressTracker } from './progress.ts';

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
  /** What it shares with other runs of its cluster. */
  readonly shared?: SharedWindows;
  readonly governed: Governed;
}

/** What slows or holds a run. */
export interface Governed {
  readonly health: HealthLimits;
  /** Null: always open. */
  readonly calendar: Calendar | null;
}

/** The windows of a cluster, for a run that is not alone there. */
export interface SharedWindows {
  /** Where windows are written besides the run's own limit. */
  readonly pool: Pool;
  /** How many of all runs are written at once. */
  readonly atOnce: WindowsAtOnce;
}

/** A run at work in this process. */
export interface RunAtWork extends LocalRun {
  readonly events: EventQueue<RunEvent>;
  readonly tracker: ProgressTracker;
  /** How many windows are written at once. */
  readonly atOnce: WindowsAtOnce;
  /** Aborted when it stops at once, for whatever reason. */
  readonly signal: AbortSignal;
}
