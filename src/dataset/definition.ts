/**
 * What a dataset is: which target tables are derived from which source rows. A dataset is data (strings and lists), so
 * that it can be fingerprinted, printed and checked against both databases before anything is deleted.
 */

/** How a source value becomes a target value. Which precision and width it has is read from the target's column. */
export type ColumnKind =
  | 'text'
  | 'int'
  | 'float'
  | 'decimal'
  | 'bool'
  | 'timestamp'
  | 'date'
  | 'uuid'
  | 'enumeration'
  | 'ip'
  | 'bytes'
  | 'array'
  | 'map'
  | 'tuple';

/** A target column and the source value that it is derived from. Made by `text`, `int` and the others below. */
export interface ColumnDefinition {
  readonly kind: ColumnKind;
  /** The Postgres expression, in the terms of the table's `from`. */
  readonly sql: string;
  /**
   * What NULL becomes: a value (a number, a text, hex digits for `bytes`, or an instant for `timestamp`), or `null` where
   * the target's column is Nullable and keeps it. Defaults: '' for text, enumeration, bytes and ip (the zero address), 0 for int, float, decimal
   * and bool, the epoch for timestamp and date. An array or map that is NULL becomes an empty one, whatever stands here.
   */
  readonly ifNull: string | number | null;
  /** The values of an `array` or `map`; their `sql` names the value as `:item`, a text as `->>` gives it. */
  readonly element?: ColumnDefinition;
  /** The keys of a `map`; their `sql` names the key as `:key`, a text. */
  readonly key?: ColumnDefinition;
  /** The elements of a `tuple`, in its order; their `sql` names the tuple's own expression as `:item`. */
  readonly elements?: readonly ColumnDefinition[];
}

/** Rows of the source that are left out of the target on purpose. */
export interface Exclusion {
  /** The reason's name, as reports print it: `appeal`. */
  readonly reason: string;
  /** A Postgres condition in the terms of the table's `from`. The first exclusion that holds gives the reason. */
  readonly when: string;
  /**
   * A Postgres condition that is asked before `when`: where it holds, the row is in the target, and neither this exclusion
   * nor a later one is asked. It changes no answer; it saves the work of several conditions on rows that nearly all hold
   * it, as where each of them looks something up.
   */
  readonly unless?: string;
  /** One sentence for reports and `explain`. */
  readonly why: string;
}

/** Source rows that have no time, so that no window holds them: counted once a tenant. */
export interface Untimed {
  readonly reason: string;
  /** A SELECT of one column `key`, with `:customer` and `:profile`. */
  readonly select: string;
  readonly why: string;
}

/** A part of a table's rows. */
export interface Subset {
  /** A SELECT of its base rows, as `rowsInRange`. */
  readonly rowsInRange: string;
  /** The ClickHouse condition for its rows. */
  readonly target: string;
}

/**
 * One target table and the source rows that it is derived from. SQL texts may name the parameters `:customer`,
 * `:profile`, `:from`, `:to` (timestamptz) and `:keys` (text[]); they are put in as quoted literals. Of a composite key
 * each column has a list of its own, `:keys_COLUMN` (text[]); entry n of all lists is one key.
 */
export interface TableDefinition {
  /** The table's name in the tenant's target database; the local table, never a Distributed one. */
  readonly name: string;
  /** A table that some tenants have empty, and then it stays empty; the survey finds out. Default false. */
  readonly optional?: boolean;
  /** The target column that identifies a row for ever, or the columns that do so together. */
  readonly key: string | readonly string[];
  /** The target column that a range, a window and a delete are made of. */
  readonly time: string;
  /** The target column that says when a row's source was read; a ReplacingMergeTree's version. Without it only `purge`. */
  readonly version?: string;
  /** Target columns that name the tenant; every statement is confined to them. */
  readonly owner?: { readonly customer: string; readonly profile: string };
  /** ClickHouse expression that says on which shard a row lives (modulo shards). */
  readonly shard?: string;
  readonly source: {
    /** The FROM clause. `:rows` stands for the base rows, found by range or by key. */
    readonly from: string;
    /** A SELECT of the base rows of a range: of the plan's tenant, with time in [:from, :to). It should use an index. */
    readonly rowsInRange: string;
    /** The same base rows for target keys in `:keys`. */
    readonly rowsByKey: string;
    /** A condition on `from` that keeps only the rows whose key is in `:keys`; needed where a base row has several. */
    readonly whereKey: string;
    /** Big source tables that a plan must not scan whole, as `schema.table`; the plan warns where EXPLAIN says so. */
    readonly big?: readonly string[];
  };
  /** Parts of the table's rows, by name, that a plan can be confined to. Every row must be in one of them. */
  readonly subsets?: Readonly<Record<string, Subset>>;
  /** How a plan is confined to some ids; several rows may have one. */
  readonly byId?: {
    /** The target column with the id. */
    readonly column: string;
    /** A SELECT of the base rows as `rowsInRange`, of those ids that `:ids` (text[]) holds. */
    readonly rowsInRange: string;
  };
  /** ClickHouse condition of the part that the table is confined to. Filled in by Refill. */
  readonly only?: string;
  readonly exclusions: readonly Exclusion[];
  readonly untimed?: readonly Untimed[];
  /** Target column to definition. Must contain those of `key`, and `time`; not `version`, and not the owner's columns. */
  readonly columns: Readonly<Record<string, ColumnDefinition>>;
  /**
   * Target columns that Refill neither derives nor proves, each with the reason. An insert gives them their DEFAULT. Plans,
   * proofs and reports name them.
   */
  readonly unproven?: Readonly<Record<string, string>>;
  /**
   * The unproven columns whose values may get lost: a run writes the default in their place. Without it, a plan or a run
   * that would lose a value other than the default is refused (`COLUMN_RESET`).
   */
  readonly resets?: readonly string[];
}

/** A dataset: what `defineDataset` checks, and every step reads. */
export interface DatasetDefinition {
  readonly name: string;
  /**
   * A SELECT of `customer` and `profile` in a source database: the tenants whose rows it really holds. It must be cheap
   * (a loose index scan), as it is asked of every database.
   */
  readonly tenants: string;
  readonly tables: readonly TableDefinition[];
}

/** Text; NULL becomes ''. */
export function text(sql: string, options: { ifNull?: string | null } = {}): ColumnDefinition {
  return { kind: 'text', sql, ifNull: options.ifNull === undefined ? '' : options.ifNull };
}
/** A whole number of any width; NULL becomes 0. A value that the target's type cannot hold is an error. */
export function int(sql: string, options: { ifNull?: number | null } = {}): ColumnDefinition {
  return { kind: 'int', sql, ifNull: options.ifNull === undefined ? 0 : options.ifNull };
}
/** double precision or real, NaN and the infinities included; NULL becomes 0 unless told otherwise. */
export function float(sql: string, options: { ifNull?: number | null } = {}): ColumnDefinition {
  return { kind: 'float', sql, ifNull: options.ifNull === undefined ? 0 : options.ifNull };
}
/** numeric into a Decimal; cut to the target's scale is an error, not a rounding. NULL becomes 0. */
export function decimal(sql: string, options: { ifNull?: number | null } = {}): ColumnDefinition {
  return { kind: 'decimal', sql, ifNull: options.ifNull === undefined ? 0 : options.ifNull };
}
/** boolean into UInt8 or Bool; NULL becomes false. */
export function bool(sql: string, options: { ifNull?: 0 | 1 | null } = {}): ColumnDefinition {
  return { kind: 'bool', sql, ifNull: options.ifNull === undefined ? 0 : options.ifNull };
}
/** timestamptz into DateTime64 or DateTime, cut (not rounded) to the target's precision; NULL becomes the epoch. */
export function timestamp(sql: string, options: { ifNull?: string | null } = {}): ColumnDefinition {
  return { kind: 'timestamp', sql, ifNull: options.ifNull === undefined ? '1970-01-01T00:00:00Z' : options.ifNull };
}
/** date into Date or Date32; NULL becomes the epoch. */
export function date(sql: string, options: { ifNull?: string | null } = {}): ColumnDefinition {
  return { kind: 'date', sql, ifNull: options.ifNull === undefined ? '1970-01-01' : options.ifNull };
}
/** uuid; NULL becomes the nil UUID. */
export function uuid(sql: string, options: { ifNull?: string | null } = {}): ColumnDefinition {
  return {
    kind: 'uuid',
    sql,
    ifNull: options.ifNull === undefined ? '00000000-0000-0000-0000-000000000000' : options.ifNull,
  };
}
/** A name of an Enum8 or Enum16, from an enum or a text. NULL becomes '', which is an error unless the enum has it. */
export function enumeration(sql: string, options: { ifNull?: string | null } = {}): ColumnDefinition {
  return { kind: 'enumeration', sql, ifNull: options.ifNull === undefined ? '' : options.ifNull };
}
/** inet of a single host into IPv4 or IPv6; an IPv4 address goes into IPv6 as `::ffff:a.b.c.d`. NULL becomes `0.0.0.0` or `::`. */
export function ip(sql: string, options: { ifNull?: string | null } = {}): ColumnDefinition {
  return { kind: 'ip', sql, ifNull: options.ifNull === undefined ? '' : options.ifNull };
}
/** bytea into String, or into a FixedString of exactly its length. `ifNull` is hex digits; NULL becomes no bytes. */
export function bytes(sql: string, options: { ifNull?: string | null } = {}): ColumnDefinition {
  return { kind: 'bytes', sql, ifNull: options.ifNull === undefined ? '' : options.ifNull };
}
/**
 * An array, or a JSON array, into Array; NULL becomes an empty one.
 *
 * @example array('o.tags', text(':item'))
 * @example array('o.matrix', array(':item', int(':item')))
 */
export function array(sql: string, element: ColumnDefinition): ColumnDefinition {
  return { kind: 'array', sql, ifNull: '', element };
}
/**
 * A JSON object (or hstore) into Map; NULL becomes an empty one. The order of a map's entries is not compared.
 *
 * @example map('o.attributes', text(':key'), int(':item', { ifNull: null }))
 */
export function map(sql: string, key: ColumnDefinition, element: ColumnDefinition): ColumnDefinition {
  return { kind: 'map', sql, ifNull: '', key, element };
}
/**
 * The elements of a Tuple, in its order. They name the expression, of any type, as `:item`.
 *
 * @example tuple('o.period', [int('lower(:item)'), int('upper(:item)')])
 */
export function tuple(sql: string, elements: readonly ColumnDefinition[]): ColumnDefinition {
  return { kind: 'tuple', sql, ifNull: '', elements };
}
