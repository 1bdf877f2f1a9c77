import { describe, expect, test } from 'vitest';
import { fleetEnded } from '../fleet/support.ts';
import { ended, expectClean, RANGE } from '../support/cards.ts';
import { expectAsLocal, filled } from './as-local.ts';
import { noTemporal, type OverTemporal, ownTemporal, temporalFleet } from './given.ts';

/** Lengths of the histories of a workflow's executions that have continued as new ones, in events. */
async function continued(t: OverTemporal, workflow: string): Promise<readonly number[]> {
  const query = `WorkflowId = "${workflow}" AND ExecutionStatus = "ContinuedAsNew"`;
  const list: readonly { readonly historyLength: string }[] = JSON.parse(
    await t.operator('workflow', 'list', '--query', query, '--output', 'json'),
  );
  return list.map(({ historyLength }) => Number(historyLength));
}

// By itself a server suggests it after 4,096 events or 4 MB: slices end before that, unless something else fills a history.
describe.skipIf(noTemporal())('a server that suggests to continue as new, in the middle of a slice', () => {
  test.each([
    ['limit.historyCount.suggestContinueAsNew', 40],
    ['limit.historySize.suggestContinueAsNew', 8000],
  ])('%s=%i: a run goes on in a new execution, as a local one to the row', async (limit, most) => {
    const server = await ownTemporal({ [limit]: most });
    const limits = { windowRows: 20 };
    const t = await filled({ temporal: { address: server.address }, limits });
    await t.worker();
    const plan = await t.refill.plan({ tenant: t.name, range: RANGE });
    expect(plan.windows.length).toBeGreaterThan(15);
    expect((await ended(t.refill.run(plan.id))).result).toMatchObject({ state: 'succeeded', differences: 0 });
    const { run, windows } = await t.refill.status();
    expect(windows.every(({ attempts }) => attempts === 1)).toBe(true);
    await expectAsLocal(t, 'replace', limits);
    const lengths = () => continued(t, run.workflow ?? '');
    await expect.poll(async () => (await lengths()).length, { timeout: 30_000 }).toBeGreaterThanOrEqual(3);
    // All of it in one would be more than 200.
    expect(Math.max(...(await lengths()))).toBeLessThan(100);
  });

  test('a fleet goes on in a new execution, and so do its tenants: all are proven, once', async () => {
    const server = await ownTemporal({ 'limit.historyCount.suggestContinueAsNew': 30 });
    const fleet = await temporalFleet({
      cards: [16, 16, 16, 16, 16, 16],
      limits: { tenants: 1 },
      temporal: { address: server.address },
    });
    await fleet.worker();
    const { id } = await fleet.refill.planFleet({ range: RANGE });
    const { events, result } = await fleetEnded(fleet.refill.runFleet(id));
    expect(result).toMatchObject({ state: 'succeeded', tenants: { total: 6, proven: 6, left: 0 } });
    expect(events.filter((event) => event.type === 'result')).toHaveLength(6);
    expect(await fleet.refill.runs({ limit: 100 })).toHaveLength(6);
    for (const tenant of fleet.tenants) await expectClean(tenant);
    for (const workflow of [`refill-${id}`, `refill-${id}-1`]) {
      const lengths = () => continued(fleet, workflow);
      await expect.poll(async () => (await lengths()).length, { timeout: 30_000 }).toBeGreaterThanOrEqual(1);
    }
  });
});
