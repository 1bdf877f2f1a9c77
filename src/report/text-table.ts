/** A table as text, for a terminal or a page; after the first column and before `left`, numbers stand right. */
export interface TextTable {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}
