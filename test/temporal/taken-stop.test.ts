import { asyncLocalStorage, CancelledFailure, Context } from '@temporalio/activity';
import { expect, test } from 'vitest';
import { RefillError } from '../../src/domain/errors.ts';
import { createTakenActivities, type TakenJobs } from '../../src/executors/temporal/taken-activities.ts';

test('an activity that looks for a tenant, plans or cancels for minutes ends with its cancel', async () => {
  const forever = () => new Promise<never>(() => undefined);
  const jobs: TakenJobs = { has: forever, plan: forever, execute: forever, cancel: forever };
  const activities = createTakenActivities(jobs, { attempts: 1, outageMinutes: 0 }, [], () => Promise.resolve(false));
  const tenant = { customer: 'acme', profile: 'main' };
  const plan = { kind: 'plan', id: 'p-1', confirmRows: null, total: 1 } as const;
  const payload = { customer_id: 'acme', profile_id: 'main', start_time: '2026-01-01Z', end_time: '2026-01-02Z' };
  const all: readonly (() => Promise<unknown>)[] = [
    () => activities.refillTakenFind({ cluster: 'test', tenant }),
    () => activities.refillTakenPlan({ type: 'ReindexConversations', payload, cluster: 'test' }),
    () => activities.refillTakenCancel(plan),
  ];
  for (const begin of all) {
    const stop = new AbortController();
    const context: Context = Object.create(Context.prototype, {
      cancellationSignal: { value: stop.signal },
      cancellationDetails: { value: { cancelRequested: true } },
      heartbeat: { value: () => undefined },
    });
    const doing = asyncLocalStorage.run(context, begin);
    stop.abort(new CancelledFailure('asked'));
    await expect(doing).rejects.toThrow('asked');
  }
});

test.each(['LEDGER_UNREACHABLE', 'INTERRUPTED'] as const)(
  'a job that is kept as failed with %s is over: another try would find the same',
  async (code) => {
    const never = () => Promise.reject(new Error('not asked for'));
    const error = new RefillError(code, 'kept').toJSON();
    const execute = () => Promise.resolve({ ended: 'badly', error } as const);
    const jobs: TakenJobs = { has: never, plan: never, execute, cancel: never };
    const activities = createTakenActivities(jobs, { attempts: 1, outageMinutes: 0 }, [], () => Promise.resolve(false));
    const context: Context = Object.create(Context.prototype, {
      cancellationSignal: { value: new AbortController().signal },
      heartbeat: { value: () => undefined },
    });
    const plan = { kind: 'plan', id: 'p-1', confirmRows: null, total: 1 } as const;
    await expect(asyncLocalStorage.run(context, () => activities.refillTakenRun(plan))).rejects.toMatchObject({
      type: code,
      nonRetryable: true,
    });
  },
);
