import { randomUUID } from 'node:crypto';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  ATTEMPTS,
  expectFaulted,
  leftBy,
  QUOTED,
  rowsLeft,
  SCORER_FAULTS,
  type ScorerFault,
  startFaulty,
} from '../backfill/scorer-faults.ts';
import {
  addTemplate,
  backfilled,
  conversations,
  NOT_DEV,
  RANGE,
  requestFor,
  TEMPLATE,
  withScorers,
} from '../backfill/support.ts';
import { fillCards } from '../support/cards.ts';
import { createTenant, type TestTenant } from '../support/tenant.ts';
import { eventsOf, noTemporal, startWorker, type TemporalTenant, temporalTenant } from './given.ts';

const LIMITS = { attempts: ATTEMPTS };

async function filled<T extends TestTenant>(t: T): Promise<T> {
  await fillCards(t);
  await addTemplate(t);
  return t;
}

/** A tenant with a worker in place of the users' own, and what starts their workflow and waits for its end. */
async function overTemporal(fault: ScorerFault) {
  const scorer = await startFaulty(fault);
  const config = { scorers: { quality: scorer.config } };
  const t = await filled(await temporalTenant({ limits: LIMITS, config: (local) => ({ ...local, ...config }) }));
  await startWorker(t.config, {}, ['--takeover']);
  const owner = { customer_id: t.name.customer, profile_id: t.name.profile };
  const times = { start_time: RANGE.from, end_time: RANGE.to };
  const input = JSON.stringify({ ...owner, ...times, scorecard_template: TEMPLATE });
  const execute = async (): Promise<Executed> => {
    const id = `backfillscorecards-${t.name.customer}-${t.name.profile}-${randomUUID()}`;
    const at = ['--task-queue', 'backfill_scorecards', '--workflow-id', id];
    await t.operator('workflow', 'start', '--type', 'BackfillScorecards', ...at, '--input', input);
    return executed(t, id);
  };
  return { t, scorer, execute };
}

/** How a workflow has ended. */
interface Executed {
  readonly status: string;
  readonly result?: { readonly backfill: string; readonly state: string; readonly tally: object };
  readonly failure?: { readonly type: string; readonly nonRetryable: boolean };
  /** All that the server keeps of it. */
  readonly history: readonly string[];
  /** Of the activity that judges and writes. */
  readonly attempts: number;
}

async function executed(t: TemporalTenant, id: string): Promise<Executed> {
  interface Ended extends Pick<Executed, 'status' | 'result'> {
    readonly closeEvent: {
      readonly workflowExecutionFailedEventAttributes?: { readonly failure: Failure };
    };
  }
  interface Failure {
    readonly applicationFailureInfo?: Executed['failure'];
    readonly cause?: Failure;
  }
  const waiting = t.operator('workflow', 'result', '--workflow-id', id, '--output', 'json');
  // It ends with 1 where the workflow failed.
  const text = waiting.catch((error: { stdout: string }) => error.stdout);
  const { status, result, closeEvent }: Ended = JSON.parse(await text);
  const failed = closeEvent.workflowExecutionFailedEventAttributes?.failure;
  const failure = (failed?.cause ?? failed)?.applicationFailureInfo;
  const history = await eventsOf(t, id);
  const events = history.map((event): HistoryEvent => JSON.parse(event));
  const asked = events.find((e) => e.activityTaskScheduledEventAttributes?.activityType.name === 'refillTakenRun');
  const begun = events.find((e) => e.activityTaskStartedEventAttributes?.scheduledEventId === asked?.eventId);
  return {
    status,
    ...(result ? { result } : {}),
    ...(failure ? { failure } : {}),
    history,
    attempts: begun?.activityTaskStartedEventAttributes?.attempt ?? 0,
  };
}

/** What is read here of a workflow's history. */
interface HistoryEvent {
  readonly eventId: string;
  readonly activityTaskScheduledEventAttributes?: { readonly activityType: { readonly name: string } };
  readonly activityTaskStartedEventAttributes?: { readonly scheduledEventId: string; readonly attempt: number };
}

describe.skipIf(noTemporal())('BackfillScorecards', () => {
  test.each(Object.entries(SCORER_FAULTS))(
    'of a scorer with %s ends as `refill backfill` does; mended, another one judges what is missing',
    async (_, fault) => {
      const twin = await filled(await createTenant({ limits: LIMITS }));
      const local = await startFaulty(fault);
      const refill = withScorers(twin, { quality: local.config });
      onTestFinished(() => refill.close());
      const there = (await backfilled(refill, requestFor(twin))).result;

      const { t, scorer, execute } = await overTemporal(fault);
      const wanted = (await conversations(t, NOT_DEV)).length;
      const first = await execute();
      const [here] = await t.refill.backfills();
      if (!here) throw new Error('there is no backfill');
      await expectFaulted(t.refill, here.id, fault, wanted);
      expect(await leftBy(t, t.refill, here.id)).toEqual(await leftBy(twin, refill, there.backfill));

      // What was to be tried again is tried by then, and no more by Temporal: the scorer was asked as often as by a local one.
      expect({ asked: scorer.calls(), attempts: first.attempts }).toEqual({ asked: local.calls(), attempts: 1 });
      if (fault.state === 'failed') {
        expect(first).toMatchObject({ status: 'FAILED', failure: { type: fault.code, nonRetryable: true } });
      } else {
        const { id: backfill, state, tally } = here;
        expect(first).toMatchObject({ status: 'COMPLETED', result: { backfill, state, tally } });
      }
      expect(first.history.join('\n')).not.toContain(QUOTED);

      for (const one of [local, scorer]) one.mend();
      const second = await execute();
      const missing = wanted - here.tally.judged;
      const tally = { judged: wanted, unjudged: 0, scorecardsCreated: missing };
      expect(second).toMatchObject({ status: 'COMPLETED', result: { state: 'succeeded', tally } });
      expect((await backfilled(refill, requestFor(twin))).result).toMatchObject({ state: 'succeeded', tally });
      expect(await rowsLeft(t)).toEqual(await rowsLeft(twin));
    },
  );
});
