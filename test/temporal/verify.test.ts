import { describe, expect, onTestFinished, test } from 'vitest';
import { verifyRequest } from '../../src/executors/temporal/shared/verify.ts';
import { ended, fillCards, RANGE } from '../support/cards.ts';
import { noTemporal, temporalTenant, type TemporalTenant } from './given.ts';

const TENANT = { v: 1, customer: 'acme', profile: 'main' };

test('a rolling range ends on an hour before now, a fixed one is what it says', () => {
  const now = new Date('2026-03-05T06:59:59.999Z');
  expect(verifyRequest({ ...TENANT, hours: 48 }, now)).toEqual({
    tenant: { customer: 'acme', profile: 'main' },
    range: { from: '2026-03-03T05:00:00.000Z', to: '2026-03-05T05:00:00.000Z' },
  });
  expect(verifyRequest({ ...TENANT, hours: 1, settleHours: 0, cluster: 'east', dataset: 'orders' }, now)).toEqual({
    tenant: { customer: 'acme', profile: 'main' },
    cluster: 'east',
    dataset: 'orders',
    range: { from: '2026-03-05T05:00:00.000Z', to: '2026-03-05T06:00:00.000Z' },
  });
  expect(
    verifyRequest({ ...TENANT, from: '2026-01-05T00:00:00+01:00', to: '2026-01-06T00:00:00Z' }, now).range,
  ).toEqual({
    from: '2026-01-04T23:00:00.000Z',
    to: '2026-01-06T00:00:00.000Z',
  });
});

test.each([
  ['no range', TENANT, 'hours'],
  ['no hours', { ...TENANT, hours: 0 }, 'hours'],
  ['a range reversed', { ...TENANT, from: '2026-01-06T00:00:00Z', to: '2026-01-05T00:00:00Z' }, 'to'],
  ['a day without a zone', { ...TENANT, from: '2026-01-06' }, 'from'],
  ['no tenant', { v: 1, hours: 1 }, 'customer'],
])('a payload with %s names the field', (_, payload, field) => {
  expect(() => verifyRequest(payload, new Date())).toThrow(expect.objectContaining({ code: 'PAYLOAD_INVALID' }));
  expect(() => verifyRequest(payload, new Date())).toThrow(`\`${field}\``);
});

describe.skipIf(noTemporal())('over Temporal', () => {
  /** Makes a schedule as an operator does, and returns what triggers it and gives the status of the workflow. */
  async function scheduled(t: TemporalTenant, input: object) {
    const schedule = `verify-${t.taskQueue}`;
    const workflow = ['--workflow-id', schedule, '--type', 'refillVerify', '--task-queue', `${t.taskQueue}-test`];
    const when = ['--interval', '30d', '--overlap-policy', 'Skip', '--input', JSON.stringify(input)];
    await t.operator('schedule', 'create', '--schedule-id', schedule, ...workflow, ...when);
    onTestFinished(async () => void (await t.operator('schedule', 'delete', '--schedule-id', schedule)));
    let triggered = 0;
    return async (): Promise<string> => {
      await t.operator('schedule', 'trigger', '--schedule-id', schedule);
      triggered += 1;
      const query = `TemporalScheduledById = "${schedule}" AND ExecutionStatus != "Running"`;
      // The newest first; each execution of a schedule has an id of its own, which stands in its row more than once.
      const list = async () => {
        const rows = await t.operator('workflow', 'list', '--query', query, '--output', 'json');
        return [...new Set([...rows.matchAll(/"workflowId": "(.+?)"/gu)].map(([, id = '']) => id))];
      };
      await expect.poll(async () => (await list()).length, { timeout: 60_000 }).toBe(triggered);
      const [newest = ''] = await list();
      return await t.operator('workflow', 'describe', '--workflow-id', newest);
    };
  }

  test('a schedule verifies a range, and its workflow fails where the two sides differ', async () => {
    const t = await temporalTenant();
    await fillCards(t);
    await t.worker();
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    expect((await ended(t.refill.run(plan.id))).result).toMatchObject({ state: 'succeeded' });

    const trigger = await scheduled(t, { v: 1, ...t.name, ...RANGE });
    expect(await trigger()).toContain('COMPLETED');
    await t.command(
      `ALTER TABLE score DELETE WHERE score_id = (SELECT min(score_id) FROM score WHERE toDate(scorecard_time) = '2026-01-30') SETTINGS mutations_sync = 2`,
    );
    const failed = await trigger();
    expect(failed).toContain('FAILED');
    expect(failed).toContain('1 missing in score (not_in_target)');
    const tenant = `${t.name.customer}/${t.name.profile}`;
    for (const state of ['succeeded', 'differences']) {
      const query = `RefillTenant = "${tenant}" AND RefillState = "${state}" AND WorkflowType = "refillVerify"`;
      const list = async (): Promise<unknown> =>
        JSON.parse(await t.operator('workflow', 'list', '--query', query, '--output', 'json'));
      await expect.poll(list, { timeout: 30_000 }).toHaveLength(1);
    }
  });

  test('of an unknown tenant it fails at once, and says which', async () => {
    const t = await temporalTenant();
    await t.worker();
    const trigger = await scheduled(t, { v: 1, customer: 'nobody', profile: 'x', hours: 2 });
    const failed = await trigger();
    expect(failed).toContain('FAILED');
    expect(failed).toContain('nobody/x');
    const query = `RefillTenant = "nobody/x" AND RefillState = "failed" AND TaskQueue = "${t.taskQueue}-test"`;
    const list = async (): Promise<unknown> =>
      JSON.parse(await t.operator('workflow', 'list', '--query', query, '--output', 'json'));
    await expect.poll(list, { timeout: 30_000 }).toHaveLength(1);
  });

  test('an operator finds it while it is at work, and when it was cancelled', async () => {
    const t = await temporalTenant({ limits: { windowRows: 20, windows: 1 } });
    await fillCards(t);
    await t.worker();
    // It reads nothing until this ends.
    await t.pg.query('BEGIN');
    await t.pg.query('LOCK TABLE director.scorecards');
    const id = `verify-${t.taskQueue}`;
    const workflow = ['--workflow-id', id, '--type', 'refillVerify', '--task-queue', `${t.taskQueue}-test`];
    await t.operator('workflow', 'start', ...workflow, '--input', JSON.stringify({ v: 1, ...t.name, ...RANGE }));
    const subject = `RefillTenant = "${t.name.customer}/${t.name.profile}" AND RefillCluster = "test"`;
    const query = `${subject} AND RefillDataset = "scorecards"`;
    const found = (more: string) => () => t.operator('workflow', 'list', '--query', `${query} AND ${more}`);
    const running = found('RefillState = "running" AND ExecutionStatus = "Running"');
    await expect.poll(running, { timeout: 60_000 }).toContain(id);
    await t.operator('workflow', 'cancel', '--workflow-id', id);
    const beat = async () => {
      const described = await t.operator('workflow', 'describe', '--workflow-id', id, '--output', 'json');
      return /"lastHeartbeatTime": "(.+?)"/u.exec(described)?.[1];
    };
    // Its worker is told by the answer to a heartbeat, which it has before it sends the next one.
    for (const _ of ['the answer', 'the next one']) {
      const last = await beat();
      await expect.poll(beat, { timeout: 30_000 }).not.toBe(last);
    }
    await t.pg.query('COMMIT');
    await expect.poll(found('RefillState = "cancelled"'), { timeout: 60_000 }).toContain(id);
  });
});
