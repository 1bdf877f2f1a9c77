import { expect, test } from 'vitest';
import type { FleetPlan } from '../../src/domain/fleet.ts';
import type { Plan } from '../../src/domain/plan.ts';
import { newId } from '../../src/ledger/ids.ts';
import type { Ledger } from '../../src/ledger/ledger.ts';
import { usePostgres } from './postgres.ts';
import { ACTOR, day, FAILURE, plan, TENANT, writeWindow } from './samples.ts';

const server = usePostgres();

/** A fleet of as many tenants, with their plans. */
async function newFleet(
  ledger: Ledger,
  tenants: number,
): Promise<{ readonly id: string; readonly plans: readonly Plan[] }> {
  const id = newId('f');
  const plans = Array.from({ length: tenants }, (_, n) => plan({ tenant: { ...TENANT, customer: `${id}-${n + 1}` } }));
  for (const one of plans) await ledger.savePlan(one, ACTOR);
  const range = { from: day(5), to: day(9) };
  const fleet: FleetPlan = {
    id,
    createdAt: '2026-01-20T08:00:00.123Z',
    createdBy: 'ada@desk',
    request: { range },
    dataset: 'scorecards',
    members: plans.map(({ id: own, tenant: { cluster, customer, profile } }, n) => ({
      order: n + 1,
      cluster,
      customer,
      profile,
      plan: own,
      problem: null,
      priority: 0,
      rowsBefore: 400,
      rowsToDelete: 410,
      rowsToWrite: 400,
      rowsToRewrite: 0,
      warnings: [],
    })),
    unknown: [],
    reach: { tenants, clusters: 1, rowsToDelete: 0, rowsToWrite: 0, rowsToRewrite: 0 },
  };
  await ledger.saveFleet(fleet, ACTOR);
  return { id, plans };
}

/** A mark before which nothing is left to be seen: the server's own housekeeping may hold one back for a moment. */
async function quietMark(ledger: Ledger, fleet: string): Promise<string> {
  let mark = '';
  const seen = async () => {
    ({ mark } = await ledger.memberChanges(fleet, null));
    return (await ledger.memberChanges(fleet, mark)).members;
  };
  await expect.poll(seen).toEqual([]);
  return mark;
}

test('a look reads the tenants that have changed since the one before, and the first one all of them', async () => {
  const ledger = await server.ledger();
  const { id, plans } = await newFleet(ledger, 4);
  const other = await newFleet(ledger, 2);
  expect((await ledger.memberChanges(id, null)).members).toEqual(await ledger.members(id));

  let mark = await quietMark(ledger, id);
  const look = async () => {
    const { members } = await ledger.memberChanges(id, mark);
    mark = await quietMark(ledger, id);
    return members.map(({ order, state, run }) => [order, state, run]);
  };
  const [first, second] = plans;
  if (!first || !second || !other.plans[0]) throw new Error('a fleet without plans');
  await ledger.createRun(other.plans[0], ACTOR);
  await ledger.setMemberError(other.id, 2, FAILURE);
  expect(await look()).toEqual([]);
  const run = await ledger.createRun(second, ACTOR);
  expect(await look()).toEqual([[2, 'running', run.id]]);
  // Its numbers are told by its own progress.
  await writeWindow(ledger, run.id, 1);
  expect(await look()).toEqual([]);
  await ledger.setMemberError(id, 3, FAILURE);
  expect(await look()).toEqual([[3, 'failed', null]]);
  await ledger.setRunState(run.id, 'succeeded', ACTOR);
  expect(await look()).toEqual([[2, 'proven', run.id]]);
  const cancelled = await ledger.createRun(first, ACTOR);
  await ledger.setRunState(cancelled.id, 'cancelled', ACTOR);
  expect(await look()).toEqual([[1, 'left', cancelled.id]]);
  await ledger.retry(cancelled.id, ACTOR);
  expect(await look()).toEqual([[1, 'running', cancelled.id]]);
});

test('a run that was begun before a look and is committed after it, behind newer changes, is not missed', async () => {
  const database = await server.database();
  const ledger = await server.open(database);
  const { id, plans } = await newFleet(ledger, 2);
  const [first] = plans;
  if (!first) throw new Error('a fleet without plans');
  const run = await ledger.createRun(first, ACTOR);
  const mark = await quietMark(ledger, id);
  const slow = await server.connect(database);
  await slow.query('BEGIN');
  await slow.query(`UPDATE refill.run SET state = 'succeeded' WHERE id = $1`, [run.id]);
  await ledger.setMemberError(id, 2, FAILURE);
  const look = await ledger.memberChanges(id, mark);
  expect(look.members.map(({ order, state }) => [order, state])).toEqual([[2, 'failed']]);
  await slow.query('COMMIT');
  const next = await ledger.memberChanges(id, look.mark);
  expect(next.members.map(({ order, state }) => [order, state])).toContainEqual([1, 'proven']);
});

test('why one tenant is not proven is read without the others', async () => {
  const ledger = await server.ledger();
  const { id } = await newFleet(ledger, 3);
  await ledger.setMemberError(id, 2, FAILURE);
  expect(await ledger.unproven(id, 10, 2)).toMatchObject([{ state: 'failed', error: { code: FAILURE.code } }]);
  expect(await ledger.unproven(id, 10)).toHaveLength(3);
});
