import { NOTHING_DONE, type BackfillChunk, type BackfillCursor, type BackfillPlan } from '../../domain/backfill.ts';
import type { Judged, Scorer, ScorerItem, ScorerRequest } from '../../domain/scorer.ts';
import { type Source, type SourceAddress, withSource, withWriter } from '../../source/postgres.ts';
import { debugPoint } from '../debug-points.ts';
import { findItems, type FoundItem } from './items.ts';
import type { Template } from './template.ts';
import { writeJudgements } from './write.ts';

/** Batches that are judged at once: two keep a scorer busy while one of them is on its way. */
const BATCHES_AT_ONCE = 2;

export interface ChunkOptions {
  readonly address: SourceAddress;
  readonly plan: BackfillPlan;
  readonly template: Template;
  readonly scorer: Scorer;
  readonly signal: AbortSignal;
}

/** Called in the transaction before its COMMIT, with its number, so that what became of it can be asked for. */
export type BeforeCommit = (chunk: BackfillChunk, transaction: string) => Promise<void>;

/** Judges and writes the items of a backfill, a chunk at a time. */
export interface Chunks {
  /**
   * The next items after a cursor: judged, then written in one transaction. Null where there are none.
   *
   * @param beforeCommit Without it nothing is written, and what would be is counted.
   */
  next(after: BackfillCursor | null, beforeCommit: BeforeCommit | null): Promise<BackfillChunk | null>;
}

export function createChunks(options: ChunkOptions): Chunks {
  const { address, plan, template, scorer, signal } = options;
  /** Answers of a chunk that was not written: a scorer is not asked again because Postgres failed. */
  const answers = new Map<string, Promise<Judged>>();

  const judge = (items: readonly ScorerItem[]): Promise<Judged> => {
    const key = JSON.stringify(items.map(({ id }) => id));
    const known = answers.get(key);
    if (known) return known;
    const asked = scorer.judge(requestOf(plan, template, items), signal);
    answers.set(key, asked);
    // A failure is no answer: the next try asks again.
    asked.catch(() => answers.delete(key));
    return asked;
  };

  return {
    async next(after, beforeCommit) {
      const found = await withSource(address, (source) =>
        findItems(source, plan, after, scorer.batch * BATCHES_AT_ONCE),
      );
      const last = found.at(-1);
      if (!last) return null;
      const items = found.map(({ item }) => item);
      const judged = merged(await allOf(batchesOf(items, scorer.batch).map(judge)));
      await debugPoint('chunk-judged');
      const write = (source: Source) => writeChunk(source, options, found, judged, beforeCommit);
      // Rows are locked to be compared, which a transaction that only reads may not.
      const chunk = await withWriter(address, write, beforeCommit !== null);
      answers.clear();
      return chunk;
    },
  };
}

async function writeChunk(
  source: Source,
  { plan, template }: ChunkOptions,
  found: readonly FoundItem[],
  { judgements, unjudged }: Judged,
  beforeCommit: BeforeCommit | null,
): Promise<BackfillChunk> {
  const items = found.map(({ item }) => item);
  const written = await writeJudgements(source, plan, template, items, judgements, beforeCommit === null);
  const chunk: BackfillChunk = {
    cursor: found.at(-1)?.cursor ?? { at: '', id: '' },
    tally: { ...NOTHING_DONE, ...written.tally, judged: judgements.length, unjudged: unjudged.length },
    unjudged,
    touched: written.touched,
  };
  if (beforeCommit) {
    const [row] = await source.query<{ number: string }>('SELECT pg_current_xact_id()::text AS number');
    await beforeCommit(chunk, row?.number ?? '');
    await debugPoint('chunk-kept');
  }
  return chunk;
}

/** Waits for all, so that none goes on unseen, and throws what the first one threw. */
async function allOf<T>(tasks: readonly Promise<T>[]): Promise<readonly T[]> {
  const settled = await Promise.allSettled(tasks);
  return settled.map((one) => {
    if (one.status === 'rejected') throw one.reason;
    return one.value;
  });
}

function requestOf(plan: BackfillPlan, template: Template, items: readonly ScorerItem[]): ScorerRequest {
  const { id, revision, title, criteria, structure } = template;
  return {
    version: 1,
    customer: plan.tenant.customer,
    profile: plan.tenant.profile,
    kind: plan.kind,
    template: { id, revision, title, criteria, structure },
    items,
  };
}

function batchesOf<T>(items: readonly T[], size: number): (readonly T[])[] {
  const batches: (readonly T[])[] = [];
  for (let at = 0; at < items.length; at += size) batches.push(items.slice(at, at + size));
  return batches;
}

const merged = (all: readonly Judged[]): Judged => ({
  judgements: all.flatMap(({ judgements }) => judgements),
  unjudged: all.flatMap(({ unjudged }) => unjudged),
});
