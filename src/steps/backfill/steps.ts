import { setTimeout as sleep } from 'node:timers/promises';
import type { CardCounts } from '../../domain/backfill.ts';
import type { BackfillSteps } from '../../flow/backfill.ts';
import type { BackfillRecord, PendingChunk } from '../../ledger/backfill-ledger.ts';
import type { Actor, Ledger } from '../../ledger/ledger.ts';
import { withSource } from '../../source/postgres.ts';
import { debugPoint } from '../debug-points.ts';
import { type ChunkOptions, createChunks } from './chunk.ts';
import { countCards } from './items.ts';

export interface BackfillStepsOptions extends ChunkOptions {
  readonly ledger: Ledger;
  readonly actor: Actor;
  /** Called after each chunk with where the backfill is. */
  readonly onChunk: (record: BackfillRecord) => void;
}

/** A transaction whose fate is looked up ends soon: the server ends one whose client is gone at its next statement. */
const FATE_LOOK_MS = 200;

/**
 * The steps of a backfill, over the ledger. A chunk is kept in the ledger before it is committed in the source, with the
 * number of its transaction: after a crash the source is asked what became of it, so that it counts exactly once.
 */
export function createBackfillSteps(options: BackfillStepsOptions): BackfillSteps {
  const { ledger, plan, address, actor } = options;
  const chunks = createChunks(options);

  const close = async () => {
    await ledger.closeChunk(plan.id, actor);
    await debugPoint('chunk-closed');
    options.onChunk(await ledger.backfill(plan.id));
  };

  return {
    async nextChunk() {
      const record = await ledger.backfill(plan.id);
      if (record.pending !== null && (await committed(options, record.pending))) {
        await close();
        return 'more';
      }
      const chunk = await chunks.next(record.cursor, async (now, transaction) => {
        // Who has lost the ledger may not be the only one at work any more.
        options.signal.throwIfAborted();
        await ledger.openChunk(plan.id, { ...now, transaction });
      });
      if (chunk === null) return 'end';
      await debugPoint('chunk-committed');
      await close();
      return 'more';
    },
    count: (): Promise<CardCounts> => withSource(address, (source) => countCards(source, plan)),
  };
}

/** Whether the source has committed a chunk's transaction. One that it does not know any more was not: it is written again, which changes nothing. */
async function committed({ address, signal }: ChunkOptions, { transaction }: PendingChunk): Promise<boolean> {
  return withSource(address, async (source) => {
    for (;;) {
      const [row] = await source.query<{ status: string | null }>('SELECT pg_xact_status($1::xid8) AS status', [
        transaction,
      ]);
      if (row?.status !== 'in progress') return row?.status === 'committed';
      await sleep(FATE_LOOK_MS, undefined, { signal });
    }
  });
}
