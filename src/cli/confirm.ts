import type { Executor } from '../domain/executor.ts';
import type { Limits } from '../domain/limits.ts';

/** What has to be typed for a run that deletes so many rows; nothing where they are few. */
export function confirmWords(rowsToDelete: number, limits: Pick<Limits, 'blastRows'>): readonly string[] {
  return rowsToDelete > limits.blastRows ? ['--confirm-rows', String(rowsToDelete)] : [];
}

/** What has to be typed for the executor that was asked for: without it the configuration's would do the steps. */
export function executorWords(executor: Executor | undefined): readonly string[] {
  return executor === undefined ? [] : ['--executor', executor];
}
