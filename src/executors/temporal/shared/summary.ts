/** Characters of a summary: a server takes 400 bytes of it, and no more, with its encoding. */
const MOST = 100;

/** A line that a person sees in Temporal beside a type: no secret, and nothing of rows. A name in it may be of any length. */
export function summaryOf(text: string): string {
  return text.slice(0, MOST);
}
