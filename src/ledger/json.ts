/** Postgres stores neither NUL nor half of a surrogate pair, and a key from a target can hold both. */
export function storable(text: string): string {
  return text.replaceAll('\u0000', '\u2400').replace(/\p{Surrogate}/gu, '\uFFFD');
}

/** A value as the text of a jsonb parameter. */
export function json(value: unknown): string {
  return JSON.stringify(value, (_, inner: unknown) => (typeof inner === 'string' ? storable(inner) : inner));
}

/** Rows a statement: keeps one parameter to about a megabyte. */
const BATCH = 5_000;

/** Parts of a list that are small enough for one statement each. */
export function* batches<T>(items: readonly T[]): Generator<readonly T[]> {
  for (let start = 0; start < items.length; start += BATCH) yield items.slice(start, start + BATCH);
}
