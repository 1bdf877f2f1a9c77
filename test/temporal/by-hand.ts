import { ended, thrown } from '../support/cards.ts';
import type { TemporalTenant } from './given.ts';

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
