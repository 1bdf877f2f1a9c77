/**
 * How the mutation of a delete removes rows from a table.
 *
 * - `rewrite`: `ALTER … DELETE`. Every part that holds one of the rows is written again without them.
 * - `lightweight`: what ClickHouse calls a lightweight delete. A mask is written beside every such part: readers and later
 *   mutations see none of the rows from then on, and the next merge of the part leaves them out.
 */
export const DELETE_KINDS = ['rewrite', 'lightweight'] as const;
export type DeleteKind = (typeof DELETE_KINDS)[number];

/** `auto`: the kind follows from the share that a plan takes out of a partition, by however many deletes. */
export const DELETE_CHOICES = ['auto', ...DELETE_KINDS] as const;
export type DeleteChoice = (typeof DELETE_CHOICES)[number];

/**
 * The share of a partition's rows up to which `auto` makes a delete lightweight: half. A rewrite writes all that stays, a
 * mask nothing of it and is done in a small part of the time for all but the whole (`npm run bench:deletes` prints both).
 * But masked rows keep their disk, and readers pass over them, until a merge: above a half a rewrite gives back more rows
 * than it writes again, and that is what its time is worth.
 */
export const LIGHTWEIGHT_SHARE = 0.5;

/**
 * The kind that is chosen.
 *
 * @param share Rows that the plan deletes in the rows of the partition that holds them; null where that is unknown.
 */
export function chooseKind(choice: DeleteChoice, share: number | null): DeleteKind {
  if (choice !== 'auto') return choice;
  return share !== null && share <= LIGHTWEIGHT_SHARE ? 'lightweight' : 'rewrite';
}

/** The kind of a planned delete of a table; plans from before there was a choice do not say it. */
export function kindOf({ kind = 'rewrite' }: { readonly kind?: DeleteKind }): DeleteKind {
  return kind;
}
