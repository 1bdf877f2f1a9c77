import { RefillError } from './errors.ts';

/** What is about to delete rows: a plan of one tenant, or of a fleet. */
export interface Blast {
  readonly id: string;
  readonly rowsToDelete: number;
}

/**
 * Refuses to delete more rows than `limits.blastRows`, unless exactly their number was given: who types it has read it.
 *
 * @param command What does it, to copy.
 */
export function refuseBlast(
  { id, rowsToDelete }: Blast,
  blastRows: number,
  given: number | undefined,
  command?: string,
): void {
  if (given === rowsToDelete || (given === undefined && rowsToDelete <= blastRows)) return;
  const why = given === undefined ? `more than limits.blastRows (${blastRows})` : `and ${given} were confirmed`;
  throw new RefillError('ROWS_NOT_CONFIRMED', `${id} deletes up to ${rowsToDelete} rows, ${why}; nothing was done`, {
    ...(command === undefined ? {} : { hint: `Read the plan, then: ${command}` }),
    details: { rowsToDelete, blastRows },
  });
}
