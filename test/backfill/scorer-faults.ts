import { expect } from 'vitest';
import type { ScorerConfig } from '../../src/config/config.ts';
import type { ErrorCode } from '../../src/domain/catalogue.ts';
import type { Refill } from '../../src/refill.ts';
import { type Answer, startScorer } from '../scorers/server.ts';
import { targetRows } from '../support/cards.ts';
import type { TestTenant } from '../support/tenant.ts';
import { answerFor, rowsOf, TEMPLATE } from './support.ts';

/** What a scorer does wrong, and how a backfill ends of it, whoever executes it. */
export interface ScorerFault {
  readonly answer: Answer;
  readonly timeoutSeconds?: number;
  readonly state: 'failed' | 'incomplete';
  /** Of the backfill where it failed, of each conversation that is not judged where it is incomplete. */
  readonly code: ErrorCode;
  /** How often a batch is asked for: `limits.attempts` where another try helps. */
  readonly asked: number;
}

/** Tries at what another try can mend. */
export const ATTEMPTS = 2;

/** A text that no error, no log and no history may have: a scorer could quote a conversation. */
export const QUOTED = 'what somebody said';

const known = ({ items }: Parameters<Answer>[0]) => items.map(({ id }) => answerFor(id));

export const SCORER_FAULTS: Readonly<Record<string, ScorerFault>> = {
  'status 500': {
    answer: (_, response) => void response.writeHead(500).end(QUOTED),
    state: 'failed',
    code: 'SCORER_FAILED',
    asked: ATTEMPTS,
  },
  'no answer in its time': {
    answer: () => undefined,
    timeoutSeconds: 3,
    state: 'failed',
    code: 'SCORER_TIMEOUT',
    asked: ATTEMPTS,
  },
  'half an answer in its time': {
    answer: (_, response) => void response.writeHead(200).write(`{"results":["${QUOTED}"`),
    timeoutSeconds: 3,
    state: 'failed',
    code: 'SCORER_TIMEOUT',
    asked: ATTEMPTS,
  },
  'status 403': {
    answer: (_, response) => void response.writeHead(403).end(QUOTED),
    state: 'failed',
    code: 'SCORER_REFUSED',
    asked: 1,
  },
  'no JSON': {
    answer: (_, response) => void response.end(QUOTED),
    state: 'failed',
    code: 'SCORER_SHAPE',
    asked: 1,
  },
  'fewer answers than asked': {
    answer: (batch) => ({ results: known(batch).slice(1) }),
    state: 'incomplete',
    code: 'SCORER_PARTIAL',
    asked: 1,
  },
  'one answer declined': {
    answer: (batch) => ({
      results: known(batch).map((one, n) => (n === 1 ? { id: one.id, error: 'NO_CONSENT' } : one)),
    }),
    state: 'incomplete',
    code: 'SCORER_DECLINED',
    asked: 1,
  },
  'one answer of another shape': {
    answer: (batch) => ({ results: known(batch).map((one, n) => (n === 1 ? { ...one, score: QUOTED } : one)) }),
    state: 'incomplete',
    code: 'SCORER_SHAPE',
    asked: 1,
  },
};

const BATCH = 5;
/** Batches of two chunks, which are judged rightly before the fault begins. */
const RIGHT = 4;
/** Conversations in them. */
export const JUDGED_BEFORE = RIGHT * BATCH;

/** A scorer behind HTTP that judges two chunks rightly, and everything after them wrongly until it is mended. */
export async function startFaulty({ answer, timeoutSeconds }: ScorerFault) {
  let mended = false;
  const { url, calls } = await startScorer((...asked) =>
    mended || calls() <= RIGHT ? { results: known(asked[0]) } : answer(...asked),
  );
  const config: ScorerConfig = { url, batch: BATCH, ...(timeoutSeconds === undefined ? {} : { timeoutSeconds }) };
  return {
    config,
    /** Batches that were asked for since the fault began. */
    calls: () => calls() - RIGHT,
    mend: () => {
      mended = true;
    },
  };
}

/** Fails unless a backfill of so many conversations has ended as the fault says, and claims nothing that is not so. */
export async function expectFaulted(refill: Refill, id: string, fault: ScorerFault, wanted: number): Promise<void> {
  const { backfill, unjudged } = await refill.backfillReport(id);
  const { state, error, tally } = backfill;
  expect(state).toBe(fault.state);
  expect(JSON.stringify({ error, unjudged })).not.toContain(QUOTED);
  expect(tally.scorecardsCreated).toBe(tally.judged);
  if (fault.state === 'failed') {
    expect(error).toMatchObject({ code: fault.code });
    expect(backfill.run).toBeNull();
    // In whole chunks, of two batches.
    expect({ judged: tally.judged, unjudged }).toEqual({ judged: JUDGED_BEFORE, unjudged: [] });
  } else {
    expect(error).toBeNull();
    expect(tally.judged + tally.unjudged).toBe(wanted);
    expect(unjudged).toHaveLength(Math.ceil((wanted - JUDGED_BEFORE) / BATCH));
    expect(new Set(unjudged.map(({ code }) => code))).toEqual(new Set([fault.code]));
  }
}

/** What a backfill has left in the ledger and on both sides, but for what has other names with each tenant. */
export async function leftBy(t: TestTenant, refill: Refill, id: string): Promise<object> {
  const { backfill, unjudged } = await refill.backfillReport(id);
  const { state, tally, after, error, cursor, pending } = backfill;
  const run = backfill.run === null ? null : (await refill.status(backfill.run)).run;
  return {
    backfill: { state, tally, after, code: error?.code, message: error?.message, cursor, pending },
    unjudged,
    run: run && [run.state, run.differences, run.rowsWritten],
    ...(await rowsLeft(t)),
  };
}

/** The template's rows of both sides, but for what has other names with each tenant. */
export async function rowsLeft(t: TestTenant): Promise<object> {
  const all = { from: '2026-01-01T00:00:00.000Z', to: '2026-03-01T00:00:00.000Z' };
  const { cards, scores } = await rowsOf(t);
  const ofTemplate = async (table: 'scorecard' | 'score') =>
    (await targetRows(t, table, all)).filter((row) => row['template_id'] === TEMPLATE);
  return {
    source: { cards: bare(cards), scores: bare(scores) },
    target: { cards: bare(await ofTemplate('scorecard')), scores: bare(await ofTemplate('score')) },
  };
}

/** Ids of scorecards and scores follow from the tenant's name. */
const OF_TENANT = ['customer', 'profile', 'customer_id', 'profile_id', 'resource_id', 'scorecard_id', 'score_id'];

const bare = (rows: readonly unknown[]): readonly string[] =>
  rows
    .map((row) => JSON.stringify(row, (key, value: unknown) => (OF_TENANT.includes(key) ? undefined : value)))
    .toSorted();
