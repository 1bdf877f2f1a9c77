/** A column of a target table, as `system.columns` has it. */
export interface TargetColumn {
  readonly type: string;
  readonly kind: TargetColumnKind;
  /** The expression of its DEFAULT, MATERIALIZED, EPHEMERAL or ALIAS; empty where it has none. */
  readonly expression: string;
}

/** What the server does with a column: '' is one that an insert fills, or that gets its type's default. */
export type TargetColumnKind = '' | 'DEFAULT' | 'MATERIALIZED' | 'EPHEMERAL' | 'ALIAS';

/** A target table's columns by name, in their order. */
export type TargetColumns = ReadonlyMap<string, TargetColumn>;

/** Whether a row has the column on disk, so that it holds a value that can be right or wrong. */
export const isStored = ({ kind }: TargetColumn) => kind !== 'EPHEMERAL' && kind !== 'ALIAS';

/** Whether an insert may give the column a value that can be read again. */
export const isWritable = ({ kind }: TargetColumn) => kind === '' || kind === 'DEFAULT';
