/** Looking into values that may be of any form: files with other problems are looked through too. */

export type Loose = Readonly<Record<string, unknown>>;

/** Whether a value is a map. */
export const isMap = (value: unknown): value is Loose =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A value as a map; empty where it is none. */
export const map = (value: unknown): Loose => (isMap(value) ? value : {});

/** A value as a list; empty where it is none. */
export const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** The places of a list that hold a text that stands in it before, with the place where it does. Nulls are passed over. */
export function repeats(
  texts: readonly (string | null)[],
): readonly { readonly index: number; readonly first: number; readonly text: string }[] {
  const seen = new Map<string, number>();
  const found: { index: number; first: number; text: string }[] = [];
  for (const [index, text] of texts.entries()) {
    if (text === null) continue;
    const first = seen.get(text);
    if (first === undefined) seen.set(text, index);
    else found.push({ index, first, text });
  }
  return found;
}
