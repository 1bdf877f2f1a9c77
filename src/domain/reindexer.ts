import type { ReindexerPlan } from './plan.ts';
import type { Range, TenantName } from './words.ts';

/** A part of a window that one workflow derives. */
export interface ReindexerUnit extends Range {
  /** Of the workflow: chosen before it is started, so that it is found again, and none is started twice. */
  readonly workflow: string;
}

/** What is known of a unit's workflow. Its end says nothing of the rows: these are proven. */
export interface ReindexerState {
  /** `ended`: by somebody, who cancelled or terminated it. `gone`: its server does not know it. */
  readonly state: 'running' | 'completed' | 'failed' | 'ended' | 'gone';
  /** `Completed`, `Failed`, `TimedOut`, … as its own server says it. */
  readonly status: string;
  /** From its heartbeat; null where there is none, or none that can be read. */
  readonly progress: { readonly done: number; readonly failed: number; readonly total: number } | null;
}

/** A workflow of the users that derives rows in place of Refill. */
export interface Reindexer {
  /** What plans show of it, and are refused without. */
  readonly plan: ReindexerPlan;
  /** Units that it bears at once, of all runs of this program. */
  readonly atOnce: number;
  /** Seconds that a unit aims at. */
  readonly aimSeconds: number;
  /** Seconds between looks. */
  readonly pollSeconds: number;
  /** The workflow's id for a part of a run's window. */
  workflowId(tenant: TenantName, part: string): string;
  /** Starts a unit's workflow; false, and nothing is done, where that very id was started before. */
  start(tenant: TenantName, unit: ReindexerUnit): Promise<boolean>;
  look(workflow: string): Promise<ReindexerState>;
  /** Asks a workflow to end; nothing where it has. */
  cancel(workflow: string): Promise<void>;
  close(): Promise<void>;
}
