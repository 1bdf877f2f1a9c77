import { describe, expect, test } from 'vitest';
import { ended, expectClean, fillCards, RANGE } from '../support/cards.ts';
import { noTemporal, type TemporalTenant, temporalTenant } from './given.ts';

interface Event {
  readonly eventId: string;
  readonly eventTime: string;
  readonly activityTaskScheduledEventAttributes?: { readonly activityType: { readonly name: string } };
  readonly activityTaskStartedEventAttributes?: { readonly scheduledEventId: string; readonly identity: string };
  readonly activityTaskCompletedEventAttributes?: { readonly scheduledEventId: string };
}

/** Windows of a run by the workflow's history: who did each, and from when to when. */
async function windowsOf(t: TemporalTenant, workflow: string) {
  const shown = await t.operator('workflow', 'show', '--workflow-id', workflow, '--output', 'json');
  const { events }: { readonly events: readonly Event[] } = JSON.parse(shown);
  return events.flatMap(({ eventId, activityTaskScheduledEventAttributes: scheduled }) => {
    if (scheduled?.activityType.name !== 'refillWriteWindow') return [];
    const started = events.find((e) => e.activityTaskStartedEventAttributes?.scheduledEventId === eventId);
    const done = events.find((e) => e.activityTaskCompletedEventAttributes?.scheduledEventId === eventId);
    const worker = started?.activityTaskStartedEventAttributes?.identity ?? '';
    return [{ worker, from: Date.parse(started?.eventTime ?? ''), to: Date.parse(done?.eventTime ?? '') }];
  });
}

describe.skipIf(noTemporal())('two workers', () => {
  test('share the windows of a run evenly, however the server hands them out', async () => {
    const t = await temporalTenant({ limits: { windowRows: 25, windows: 4 } });
    await fillCards(t, { cards: 720 });
    // Each window lasts, so that what is at work at once can be told from chance.
    const slow = { REFILL_DEBUG_POINT: 'window-inserted:sleep=400@all' };
    const workers = [await t.worker(slow), await t.worker(slow)];
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    const { result } = await ended(t.refill.run(plan.id));
    expect(result).toMatchObject({ state: 'succeeded', differences: 0 });
    const windows = await windowsOf(t, `refill-${result.run}`);
    expect(windows.length).toBeGreaterThan(30);
    const of = workers.map(({ child }) => windows.filter(({ worker }) => worker.startsWith(`${child.pid}@`)));
    expect(of.flat()).toHaveLength(windows.length);
    // Half of four are a worker's share. By chance, as the server does it, more than a third begin above it; here only
    // one that was handed back six times in a row, or was begun before its worker knew of the other.
    const above = windows.filter(
      (one) =>
        windows.filter((w) => w.worker === one.worker && w !== one && w.from <= one.from && w.to > one.from).length >=
        2,
    );
    expect(above.length).toBeLessThanOrEqual(windows.length / 10);
    await expectClean(t, RANGE);
  });
});
