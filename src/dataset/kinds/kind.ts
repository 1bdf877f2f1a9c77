/** ClickHouse: how a value is read from the wire into the target's type. */
export interface Decoding {
  /** Whether the value can be NULL. */
  readonly nullable: boolean;
  /** 0, or an error that names the column, where `value` is not NULL and the condition does not hold. */
  readonly refuse: (condition: string, value: string) => string;
}

/** A kind of column in one target type. Every function takes the text of an expression and returns one. */
export interface Kind {
  /** Postgres type that the dataset's expression is cast to before NULL is replaced. */
  readonly cast: string;
  /** Postgres: the canonical form of a value, as COPY writes it. */
  readonly wire: (value: string) => string;
  /** ClickHouse: the type in which `input()` reads it. */
  readonly input: string;
  /** ClickHouse: the target's value of what `input()` has read. */
  readonly decode: (value: string, decoding: Decoding) => string;
  /** ClickHouse: a value whose TabSeparated form is the canonical text of a stored one. */
  readonly field: (value: string) => string;
  /** Postgres types of the expression that lose nothing on the way; undefined: all of them. `_*` is any array. */
  readonly accepts?: readonly string[];
  /** Postgres types whose text loses nothing either, so that an array's elements can have them. Default: `accepts`. */
  readonly asElement?: readonly string[];
  /** Whether a JSON value can be one. Default: yes. */
  readonly fromJson?: boolean;
  /** Whether the canonical text can hold any character. Default: only letters, digits and signs. */
  readonly free?: boolean;
  /** Postgres: the text of what NULL becomes, of `ifNull`. Default: the same. */
  readonly replacement?: (ifNull: string) => string;
  /** Postgres: the cast from a text, where `::cast` would take what does not fit. */
  readonly fromText?: (text: string) => string;
}

/** ClickHouse: a cast that keeps NULL where there can be one; `CAST` to a plain type would be an error for it. */
export const castTo = (value: string, type: string, nullable: boolean) =>
  `CAST(${value} AS ${nullable ? `Nullable(${type})` : type})`;

/** ClickHouse: a text that is checked before it is read. The check has to be a part of the value, or it is left out. */
export const checkedText = (value: string, check: string) => `concat(${value}, substring('', ${check} + 1))`;
