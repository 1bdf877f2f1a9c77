import { describe, expect, test } from 'vitest';
import { fleetEnded } from '../fleet/support.ts';
import { expectClean, RANGE } from '../support/cards.ts';
import { noTemporal, temporalFleet } from './given.ts';

describe.skipIf(noTemporal())('a fleet over Temporal', () => {
  test('four tenants on two clusters are run and proven; an operator finds them', async () => {
    const fleet = await temporalFleet({ cards: [60, 20, 40, 30], west: 2, limits: { windowRows: 100 } });
    await fleet.worker();
    const plan = await fleet.refill.planFleet({ range: RANGE });
    const { events, result } = await fleetEnded(fleet.refill.runFleet(plan.id));
    expect(result).toMatchObject({
      state: 'succeeded',
      tenants: { total: 4, proven: 4, differences: 0, failed: 0, left: 0 },
      unproven: [],
    });
    for (const tenant of fleet.tenants) await expectClean(tenant);
    expect(events.filter((e) => e.type === 'started')).toHaveLength(4);
    expect(events.filter((e) => e.type === 'result').map((e) => e.state)).toEqual(Array(4).fill('succeeded'));
    expect((await fleet.refill.fleetStatus(plan.id)).fleet).toMatchObject({ executor: 'temporal', state: 'succeeded' });
    const query = `RefillCluster = "west" AND RefillState = "succeeded" AND TaskQueue = "${fleet.taskQueue}-west"`;
    const listed = async (): Promise<unknown> =>
      JSON.parse(await fleet.operator('workflow', 'list', '--query', query, '--output', 'json'));
    // What operators search by is written a moment after it has happened.
    await expect.poll(listed, { timeout: 30_000 }).toHaveLength(2);
  });

  test('paused, it leaves tenants; resumed, it ends', async () => {
    const fleet = await temporalFleet({ cards: [60, 60, 60], limits: { windowRows: 60, windows: 1, tenants: 1 } });
    const first = await fleet.worker({ REFILL_DEBUG_POINT: 'window-written:sleep=8000@2' });
    const plan = await fleet.refill.planFleet({ range: RANGE });
    let asked = false;
    const { result } = await fleetEnded(fleet.refill.runFleet(plan.id), async (event) => {
      if (asked || event.type !== 'started') return;
      asked = true;
      const query = ['--workflow-id', `refill-${plan.id}`, '--type', 'refillProgress', '--output', 'json'];
      expect(await fleet.operator('workflow', 'query', ...query)).toMatch(/"total"\s*:\s*3/u);
      await fleet.refill.pauseFleet(plan.id);
    });
    expect(result).toMatchObject({ state: 'paused', tenants: { total: 3 } });
    expect(result.tenants.left).toBeGreaterThanOrEqual(2);
    first.child.kill('SIGKILL');
    await first.end;
    await fleet.worker();
    const again = await fleetEnded(fleet.refill.resumeFleet(plan.id));
    expect(again.result).toMatchObject({ state: 'succeeded', tenants: { proven: 3 } });
    for (const tenant of fleet.tenants) await expectClean(tenant);
  });

  test('cancelled in Temporal itself, it is cancelled with its tenants; retried, it ends', async () => {
    const fleet = await temporalFleet({ cards: [60, 60], limits: { windowRows: 60, windows: 1, tenants: 1 } });
    const first = await fleet.worker({ REFILL_DEBUG_POINT: 'window-written:sleep=8000@2' });
    const plan = await fleet.refill.planFleet({ range: RANGE });
    let asked = false;
    const { result } = await fleetEnded(fleet.refill.runFleet(plan.id), async (event) => {
      if (asked || event.type !== 'window') return;
      asked = true;
      await fleet.operator('workflow', 'cancel', '--workflow-id', `refill-${plan.id}`);
    });
    expect(result).toMatchObject({ state: 'cancelled', tenants: { total: 2, left: 2 } });
    expect((await fleet.refill.runs()).map(({ state }) => state)).toEqual(['cancelled']);
    first.child.kill('SIGKILL');
    await first.end;
    await fleet.worker();
    expect((await fleetEnded(fleet.refill.retryFleet(plan.id))).result).toMatchObject({ state: 'succeeded' });
  });
});
