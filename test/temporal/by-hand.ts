import type { FleetEvent } from '../../src/domain/fleet-events.ts';
import type { Refill, RunOptions } from '../../src/refill.ts';
import { fleetEnded } from '../fleet/support.ts';
import { ended, thrown } from '../support/cards.ts';
import type { OverTemporal, TemporalTenant } from './given.ts';

/** Starts the workflow of a new run as a person does by hand: with a payload of their own. */
export async function startByHand(
  t: TemporalTenant,
  plan: string,
  slice: { readonly sliceWindows: number; readonly sliceDeletes: number },
): Promise<{ readonly id: string; readonly run: string }> {
  await thrown(() => ended(t.refill.run(plan, { drain: AbortSignal.abort() })));
  const { run } = await t.refill.status();
  const id = run.workflow ?? '';
  await t.operator('workflow', 'terminate', '--workflow-id', id);
  const input = JSON.stringify({ v: 1, run: run.id, ...slice });
  const at = ['--task-queue', `${t.taskQueue}-test`, '--workflow-id', id];
  await t.operator('workflow', 'start', '--type', 'refillTenant', ...at, '--input', input);
  return { id, run: run.id };
}

/** The same for a fleet that `begin` begins, or goes on with, as a program does. */
export async function startFleetByHand(
  t: OverTemporal,
  fleet: string,
  begin: (refill: Refill, options: RunOptions) => AsyncIterable<FleetEvent>,
  payload: { readonly how: 'run' | 'retry'; readonly sliceTenants: number },
): Promise<void> {
  await thrown(() => fleetEnded(begin(t.refill, { drain: AbortSignal.abort() })));
  const id = `refill-${fleet}`;
  await t.operator('workflow', 'terminate', '--workflow-id', id);
  const input = JSON.stringify({ v: 1, fleet, taskQueue: t.taskQueue, ...payload });
  const at = ['--task-queue', t.taskQueue, '--workflow-id', id];
  await t.operator('workflow', 'start', '--type', 'refillFleet', ...at, '--input', input);
}
