/**
 * The last line of defence: every secret that was resolved is known here, and every error and everything that is printed
 * goes through `redact`. Secrets are kept out of texts where these are made; this catches what was overlooked.
 */

/** Shorter ones are not looked for: they occur in every other word, and an output full of `***` says nothing. */
const MIN_LENGTH = 4;

const known = new Set<string>();

function percentEncoded(secret: string): string {
  try {
    return encodeURIComponent(secret);
  } catch {
    // Half of a surrogate pair: no address can hold it.
    return secret;
  }
}

/** The forms in which a secret occurs in texts: as it is, in an address, in a form, in JSON, in SQL. */
function forms(secret: string): readonly string[] {
  const encoded = percentEncoded(secret);
  const json = JSON.stringify(secret).slice(1, -1);
  return [
    secret,
    encoded,
    encoded.replace(/%[0-9A-F]{2}/gu, (code) => code.toLowerCase()),
    new URLSearchParams([['', secret]]).toString().slice(1),
    json,
    JSON.stringify(json).slice(1, -1),
    secret.replaceAll("'", "''"),
    secret.replaceAll('\\', '\\\\').replaceAll("'", "\\'"),
  ];
}

/** From now on `redact` removes this secret. Secrets of less than four characters are not looked for. */
export function registerSecret(secret: string): void {
  if (secret.length < MIN_LENGTH) return;
  for (const form of forms(secret)) known.add(form);
}

/** Forgets all secrets; for tests. */
export function forgetSecrets(): void {
  known.clear();
}

/** Where registered secrets stand in a text, sorted; ranges that overlap are one, so that nothing is left of either. */
function occurrences(text: string): readonly [from: number, to: number][] {
  const found: [from: number, to: number][] = [];
  for (const form of known) {
    for (let at = text.indexOf(form); at >= 0; at = text.indexOf(form, at + 1)) found.push([at, at + form.length]);
  }
  const merged: [from: number, to: number][] = [];
  for (const range of found.sort((a, b) => a[0] - b[0])) {
    const last = merged.at(-1);
    if (last !== undefined && range[0] < last[1]) last[1] = Math.max(last[1], range[1]);
    else merged.push(range);
  }
  return merged;
}

/** The text with every registered secret replaced by `***`, in whatever form it stands there. */
export function redact(text: string): string {
  let result = '';
  let done = 0;
  for (const [from, to] of occurrences(text)) {
    result += `${text.slice(done, from)}***`;
    done = to;
  }
  return result + text.slice(done);
}

/** Facts with the same done to every text in them, at any depth. */
export function redactAll(facts: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return known.size === 0 ? facts : Object.fromEntries(Object.entries(facts).map(([key, fact]) => [key, inFact(fact)]));
}

function inFact(fact: unknown): unknown {
  if (typeof fact === 'string') return redact(fact);
  if (Array.isArray(fact)) return fact.map(inFact);
  return isMap(fact) ? redactAll(fact) : fact;
}

function isMap(fact: unknown): fact is Readonly<Record<string, unknown>> {
  return typeof fact === 'object' && fact !== null && Object.getPrototypeOf(fact) === Object.prototype;
}
