/** A rule of a table by which rows vanish, or a column of theirs is reset, some time after an instant of their own. */
export interface TtlRule {
  /** The ClickHouse expression for when that is. */
  readonly at: string;
  /** The condition for rows that the rule is about; null for all. */
  readonly where: string | null;
  /** The column that is reset; null where whole rows vanish. */
  readonly column: string | null;
}

/** A condition that every inserted row has to fulfil. */
export interface Constraint {
  readonly name: string;
  readonly check: string;
}

/** What `CREATE TABLE` says about rows that are inserted, and no system table of every supported server does. */
export interface TableRules {
  readonly constraints: readonly Constraint[];
  readonly ttls: readonly TtlRule[];
}

/** Stands for a character that is hidden. It is no space, so that what is quoted counts as a word. */
const HIDDEN = '\u0001';

/**
 * A statement of the same length in which what stands in quotes or brackets is hidden: keywords and commas that are left are
 * its own. Quotes and outer brackets themselves stay.
 */
function outline(sql: string): string {
  let [flat, quote, depth] = ['', '', 0];
  for (let at = 0; at < sql.length; at += 1) {
    const char = sql[at] ?? '';
    if (quote !== '') {
      if (char === '\\') {
        flat += HIDDEN.repeat(2);
        at += 1;
      } else {
        if (char === quote) quote = '';
        flat += char === '`' && quote === '' && depth === 0 ? char : HIDDEN;
      }
      continue;
    }
    if (')]'.includes(char)) depth -= 1;
    flat += depth === 0 ? char : HIDDEN;
    if ('(['.includes(char)) depth += 1;
    if ('\'`"'.includes(char)) quote = char;
  }
  return flat;
}

/** The parts of a list between its own commas. */
function items(list: string): string[] {
  const ends = [...outline(list).matchAll(/,/gu)].map(({ index }) => index);
  return [...ends, list.length].map((end, nth) => list.slice(nth === 0 ? 0 : (ends[nth - 1] ?? 0) + 1, end).trim());
}

/** What follows a keyword of a statement itself, up to another one or its end; null where there is none. */
function after(sql: string, keyword: RegExp, end: RegExp): string | null {
  const flat = outline(sql);
  const found = keyword.exec(flat);
  if (!found) return null;
  const from = found.index + found[0].length;
  const to = flat.slice(from).search(end);
  return sql.slice(from, to === -1 ? undefined : from + to).trim();
}

/** Reads `create_table_query` of `system.tables`, which the server itself has formatted. */
export function readRules(createQuery: string): TableRules {
  const flat = outline(createQuery);
  const [open, close] = [flat.indexOf('('), flat.indexOf(')')];
  if (open === -1 || close === -1) return { constraints: [], ttls: [] };
  const declared = items(createQuery.slice(open + 1, close));
  const ofRows = after(createQuery.slice(close + 1), / TTL /u, / (?:SETTINGS|COMMENT) /u);
  return {
    constraints: declared.flatMap(constraintOf),
    ttls: [...(ofRows === null ? [] : rowTtls(ofRows)), ...declared.flatMap(columnTtl)],
  };
}

function constraintOf(declared: string): Constraint[] {
  const found = /^CONSTRAINT (\S+) CHECK /u.exec(outline(declared));
  if (!found) return [];
  const [head, name = ''] = found;
  return [
    { name: unquoted(declared.slice('CONSTRAINT '.length).slice(0, name.length)), check: declared.slice(head.length) },
  ];
}

function columnTtl(declared: string): TtlRule[] {
  // Columns are the only declarations whose names the server always quotes.
  if (!declared.startsWith('`')) return [];
  const at = after(declared, / TTL /u, / (?:COLLATE|SETTINGS) /u);
  if (at === null) return [];
  return [{ at, where: null, column: unquoted(declared.slice(0, outline(declared).indexOf(' '))) }];
}

/** The rules by which rows vanish or are put together; what moves or compresses them leaves them as they are. */
function rowTtls(list: string): TtlRule[] {
  return wholeRules(items(list)).flatMap((rule): TtlRule[] => {
    const flat = outline(rule);
    if (/ (?:TO DISK|TO VOLUME|RECOMPRESS) /u.test(flat)) return [];
    const end = flat.search(/ (?:DELETE\b|GROUP BY |SET |WHERE )/u);
    const where = after(rule, / WHERE /u, / (?:GROUP BY|SET) /u);
    return [{ at: end === -1 ? rule : rule.slice(0, end), where, column: null }];
  });
}

/** `GROUP BY a, b SET c = max(c), d = max(d)` has commas of its own. */
function wholeRules(parts: readonly string[]): string[] {
  const rules: string[] = [];
  for (const part of parts) {
    const before = rules.at(-1);
    const open = before !== undefined && / GROUP BY /u.test(outline(before));
    const goesOn = open && (!/ SET /u.test(outline(before)) || /^\S+ = /u.test(outline(part)));
    if (goesOn) rules[rules.length - 1] = `${before}, ${part}`;
    else rules.push(part);
  }
  return rules;
}

function unquoted(name: string): string {
  return name.startsWith('`') ? name.slice(1, -1).replaceAll(/\\(.)/gu, '$1') : name;
}
