import type { Limits } from '../domain/limits.ts';

/** What has to be typed for a run that deletes so many rows; nothing where they are few. */
export function confirmWords(rowsToDelete: number, limits: Pick<Limits, 'blastRows'>): readonly string[] {
  return rowsToDelete > limits.blastRows ? ['--confirm-rows', String(rowsToDelete)] : [];
}
