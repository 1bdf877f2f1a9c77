/** What people write by habit, and what the key is called here. */
const HABITS: Readonly<Record<string, string>> = {
  pass: 'password',
  pwd: 'password',
  secret: 'password',
  hostname: 'host',
  server: 'host',
  address: 'host',
  username: 'user',
  login: 'user',
  db: 'database',
  dbname: 'database',
  url: 'urls',
  host: 'urls',
  ssl: 'tls',
  sslmode: 'tls',
  compression: 'compress',
  pg: 'postgres',
  ch: 'clickhouse',
  tenant: 'tenants',
};

const normal = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/gu, '');

/** Edits between two short texts: insert, delete, replace, or swap of two neighbours. */
function distance(a: string, b: string): number {
  const rows: number[][] = [];
  const at = (i: number, j: number): number => rows[i]?.[j] ?? 0;
  for (let i = 0; i <= a.length; i++) {
    const row: number[] = [];
    rows.push(row);
    for (let j = 0; j <= b.length; j++) {
      if (i === 0 || j === 0) {
        row.push(i + j);
        continue;
      }
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      row.push(
        Math.min(
          at(i - 1, j) + 1,
          at(i, j - 1) + 1,
          at(i - 1, j - 1) + (a[i - 1] === b[j - 1] ? 0 : 1),
          swapped ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY,
        ),
      );
    }
  }
  return at(a.length, b.length);
}

/** The one of `known` that was probably meant by `name`; undefined where none is near. */
export function suggest(name: string, known: readonly string[]): string | undefined {
  const wanted = normal(name);
  // Longer than any name of ours: not a typing error, and not worth the work.
  if (wanted === '' || wanted.length > 64) return undefined;
  const habit = HABITS[wanted];
  if (habit !== undefined && known.includes(habit)) return habit;
  let best: string | undefined;
  // A third of the name may be wrong; of a short one, one character.
  let least = Math.max(1, Math.floor(wanted.length / 3)) + 1;
  for (const candidate of known) {
    const edits = distance(wanted, normal(candidate));
    if (edits < least) [best, least] = [candidate, edits];
  }
  return best;
}

/** ``; did you mean `x`?``, or nothing. */
export function didYouMean(name: string, known: readonly string[]): string {
  const best = suggest(name, known);
  return best === undefined ? '' : `; did you mean \`${best}\`?`;
}
