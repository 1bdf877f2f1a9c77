import type { CardCounts } from '../domain/backfill.ts';

/** The steps of a backfill. Each is safe to repeat after a crash. */
export interface BackfillSteps {
  /** Judges and writes the next items after those that the ledger has as done. */
  nextChunk(): Promise<'more' | 'end'>;
  /** Counts what the source has of it now. */
  count(): Promise<CardCounts>;
}

/** What the flow needs besides the steps; an executor hands it in. */
export interface BackfillContext {
  /** False after a first Ctrl-C. */
  readonly mayBegin: () => Promise<boolean>;
  /** Re-indexes what was touched. */
  readonly reindex: () => Promise<ReindexEnd>;
}

/** `proven` also where there was nothing to do; `left` where it goes on later. */
export type ReindexEnd = 'proven' | 'unproven' | 'left';

export type BackfillOutcome =
  | { readonly ended: 'left' }
  /** All chunks are written; `reindexed` is false where what was touched is not proven. */
  | { readonly ended: 'written'; readonly after: CardCounts; readonly reindexed: boolean };

/** A backfill: chunk by chunk in the order of time, so that the cursor says all; then what was touched is re-indexed. */
export async function runBackfillFlow(steps: BackfillSteps, context: BackfillContext): Promise<BackfillOutcome> {
  for (;;) {
    if (!(await context.mayBegin())) return { ended: 'left' };
    if ((await steps.nextChunk()) === 'end') break;
  }
  const after = await steps.count();
  const reindexed = await context.reindex();
  return reindexed === 'left' ? { ended: 'left' } : { ended: 'written', after, reindexed: reindexed === 'proven' };
}
