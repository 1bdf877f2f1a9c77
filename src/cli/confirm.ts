import type { Executor } from '../domain/executor.ts';
import type { Limits } from '../domain/limits.ts';
import type { ConfigOptions } from './session.ts';
import { commandLine } from './shell.ts';

/** What is typed to confirm the rows that are deleted. */
export const rowsWords = (rowsToDelete: number): readonly string[] => ['--confirm-rows', String(rowsToDelete)];

/** What has to be typed for a run that deletes so many rows; nothing where they are few. */
export function confirmWords(rowsToDelete: number, limits: Pick<Limits, 'blastRows'>): readonly string[] {
  return rowsToDelete > limits.blastRows ? rowsWords(rowsToDelete) : [];
}

/**
 * The command that executes a plan or a fleet. It names the executor that was asked for: without it the configuration's
 * would do the steps.
 *
 * @param confirming What has to be typed for its rows.
 */
export function executeCommand(
  id: string,
  confirming: readonly string[],
  options: ConfigOptions & { readonly executor?: Executor | undefined },
): string {
  const executor = options.executor === undefined ? [] : ['--executor', options.executor];
  return commandLine(['run', id, '--execute', ...executor, ...confirming], options);
}
