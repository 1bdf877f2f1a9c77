import type {
  BackfillChunk,
  BackfillCursor,
  BackfillPlan,
  BackfillState,
  BackfillTally,
  CardCounts,
} from '../domain/backfill.ts';
import type { ErrorRecord } from '../domain/errors.ts';
import type { Unjudged } from '../domain/scorer.ts';
import type { Wanted } from '../domain/states.ts';
import type { Instant } from '../domain/words.ts';
import type { Actor, Holder, RunLock } from './holder.ts';

/** A chunk that was about to be committed in the source, by the number of its transaction. */
export interface PendingChunk extends BackfillChunk {
  readonly transaction: string;
}

/** A backfill and where it is. */
export interface BackfillRecord {
  readonly id: string;
  readonly plan: BackfillPlan;
  readonly state: BackfillState;
  readonly wanted: Wanted;
  readonly cursor: BackfillCursor | null;
  readonly tally: BackfillTally;
  readonly touched: BackfillChunk['touched'];
  /** Whether it was committed is known to the source alone; null where nothing is open. */
  readonly pending: PendingChunk | null;
  readonly after: CardCounts | null;
  /** The run that re-indexes what was touched: the newest one of the plan that was made for it. */
  readonly run: string | null;
  readonly seconds: number;
  readonly createdAt: Instant;
  readonly finishedAt: Instant | null;
  readonly error: ErrorRecord | null;
  readonly holder: Holder | null;
}

/** The part of the ledger on backfills. */
export interface BackfillLedger {
  /** With an audit entry, as everything that begins or ends a backfill. */
  saveBackfill(plan: BackfillPlan, actor: Actor): Promise<void>;
  /** By its id or the beginning of it. Throws `BACKFILL_UNKNOWN`. */
  backfill(id: string): Promise<BackfillRecord>;
  /** Newest first. */
  backfills(limit: number): Promise<readonly BackfillRecord[]>;
  lockBackfill(id: string, actor: Actor): Promise<RunLock>;
  /** Keeps what is about to be committed in the source, before that. A chunk that was never committed is forgotten. */
  openChunk(id: string, chunk: PendingChunk): Promise<void>;
  /** What was open is done, once, with an audit entry: this is what was written to the source, and by whom. */
  closeChunk(id: string, actor: Actor): Promise<void>;
  /** Items that could not be judged, in the order of their ids. */
  unjudged(id: string, limit: number): Promise<readonly Unjudged[]>;
  /** `running` also withdraws what was wanted of it before. Throws `RUN_STATE` where the state does not allow it. */
  setBackfillState(
    id: string,
    state: BackfillState,
    actor: Actor,
    extra?: { readonly error?: ErrorRecord; readonly seconds?: number; readonly after?: CardCounts },
  ): Promise<void>;
  /**
   * What other backfills wrote of the scorecards that this one judges, and what no re-indexing of the plan's dataset has
   * proven since.
   */
  unprovenOf(plan: BackfillPlan): Promise<readonly (NonNullable<BackfillChunk['touched']> & { readonly id: string })[]>;
  /** Keeps the plan of the re-indexing, before it is run. */
  setReindexPlan(id: string, plan: string): Promise<void>;
  /** What somebody wants of it; with an audit entry. Throws `RUN_STATE` where nobody could be at work on it. */
  requestBackfill(id: string, wanted: Wanted, actor: Actor): Promise<void>;
  backfillWanted(id: string): Promise<Wanted>;
}
