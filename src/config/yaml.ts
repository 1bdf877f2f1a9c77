import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument, visit } from 'yaml';
import type { Document, ErrorCode, Node, Pair, YAMLMap } from 'yaml';
import type { Locate, Path, Position, Problem } from './problems.ts';

/**
 * What is said of a YAML error, by the parser's code. The parser's own words are not used: they quote the file, and what
 * it stumbles over is often a password with a special character in it.
 */
const ERRORS: Readonly<Record<ErrorCode, string>> = {
  ALIAS_PROPS: 'an alias (*name) cannot have an anchor or a tag',
  BAD_ALIAS: 'no anchor of this name comes before; a value that begins with `*` needs quotes',
  BAD_COLLECTION_TYPE: 'a list or a map does not fit its tag',
  BAD_DIRECTIVE: 'this directive (%) is not understood; a value that begins with `%` needs quotes',
  BAD_DQ_ESCAPE: 'no such escape in double quotes; single quotes take a backslash as it is',
  BAD_INDENT: 'wrong indentation (keys of one map begin in one column), or a bracket or quote above is not closed',
  BAD_PROP_ORDER: 'anchors and tags belong right before their value',
  BAD_SCALAR_START: 'a value cannot begin with this character; put it in quotes',
  BLOCK_AS_IMPLICIT_KEY: 'a map cannot begin here: a second colon in the line, or the next line is indented too far',
  BLOCK_IN_FLOW: 'a list or map with its own lines cannot stand inside of [ ] or { }',
  DUPLICATE_KEY: 'this key stands twice in its map',
  IMPOSSIBLE: 'cannot be read as YAML',
  KEY_OVER_1024_CHARS: 'this key is too long; is a quote or a colon out of place?',
  MISSING_CHAR: 'a colon, comma, quote, bracket or space is missing here',
  MULTILINE_IMPLICIT_KEY: 'a key must be on one line; is a space missing after a colon above?',
  MULTIPLE_ANCHORS: 'a value can have one anchor only',
  MULTIPLE_DOCS: 'a second document begins here; a configuration is one document',
  MULTIPLE_TAGS: 'a value can have one tag only',
  NON_STRING_KEY: 'a key must be a text',
  RESOURCE_EXHAUSTION: 'nested too deeply, or too many aliases',
  TAB_AS_INDENT: 'a tab in the indentation; YAML takes spaces only',
  TAG_RESOLVE_FAILED: 'this tag (!name) is not known; a value that begins with `!` needs quotes',
  UNEXPECTED_TOKEN: 'this cannot stand here; is a quote, bracket or colon missing before?',
};

/** A YAML file that was read: its value, and where each part of it stands; or what is wrong with it. */
export type ParsedYaml =
  { readonly value: unknown; readonly locate: Locate } | { readonly problems: readonly Problem[] };

/** The pairs of maps by their keys: a map of thousands is not searched from its start for each of them. */
const pairsOf = new WeakMap<YAMLMap, ReadonlyMap<string, Pair>>();

/** The pair of a key in a map itself. A key that came by a merge (`<<`) has no place here; its map's is shown. */
function pairOf(map: Node | null, key: PropertyKey): Pair | undefined {
  if (!isMap(map)) return undefined;
  const known = pairsOf.get(map) ?? new Map(map.items.map((pair) => [keyOf(pair), pair]));
  pairsOf.set(map, known);
  return known.get(String(key));
}

const keyOf = ({ key }: Pair): string => (isScalar(key) ? String(key.value) : '');

/** Offsets of keys that stand in their map before. The parser's own check compares each key with each other. */
function repeatedKeys({ items }: YAMLMap): readonly number[] {
  const seen = new Set<string>();
  return items.flatMap((pair) => {
    const { key } = pair;
    if (!isScalar(key)) return [];
    const repeated = seen.has(keyOf(pair));
    seen.add(keyOf(pair));
    return repeated ? [key.range?.[0] ?? 0] : [];
  });
}

/** The key and the value at a path, or of the nearest part around it that the file has. */
function nearest(
  document: Document,
  path: Path,
): { readonly key: Node | null; readonly value: Node | null; readonly exact: boolean } {
  let [key, value]: [Node | null, Node | null] = [null, document.contents];
  for (const step of path) {
    const inside = isAlias(value) ? (value.resolve(document) ?? null) : value;
    if (isSeq(inside) && typeof step === 'number') {
      const item = inside.items[step];
      if (!isNode(item)) return { key, value, exact: false };
      [key, value] = [null, item];
      continue;
    }
    const pair = pairOf(inside, step);
    if (pair === undefined) return { key, value, exact: false };
    key = isNode(pair.key) ? pair.key : null;
    value = isNode(pair.value) ? pair.value : null;
  }
  return { key, value, exact: true };
}

/** Errors of the syntax: their place in the text, and the parser's code. */
function syntaxErrors(document: Document.Parsed): readonly { readonly offset: number; readonly code: ErrorCode }[] {
  // An unknown tag is only a warning to the parser, but `password: !x` would lose its exclamation mark.
  const found = [...document.errors, ...document.warnings].map(({ pos, code }) => ({ offset: pos[0], code }));
  // Nodes are visited in the order of the text: an alias can name only what came before.
  const anchors = new Set<string>();
  visit(document, {
    Node: (_key, node) => {
      if ('anchor' in node && typeof node.anchor === 'string') anchors.add(node.anchor);
      if (isMap(node)) found.push(...repeatedKeys(node).map((offset) => ({ offset, code: 'DUPLICATE_KEY' as const })));
      if (isAlias(node) && !anchors.has(node.source)) found.push({ offset: node.range?.[0] ?? 0, code: 'BAD_ALIAS' });
    },
  });
  return found;
}

/** Values that aliases may stand for in all: a thousand clusters share their settings, a file of aliases of aliases is refused. */
const MOST_ALIASES = 10_000;

/** A file's YAML with a way to find each value's line; every error of its syntax at once. */
export function parseYaml(text: string): ParsedYaml {
  const counter = new LineCounter();
  const position = (offset: number): Position => {
    const { line, col } = counter.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  };
  const problem = (offset: number, code: ErrorCode): Problem => ({
    path: '',
    ...position(offset),
    message: ERRORS[code],
  });
  // Without `prettyErrors`: they hold lines of the file. `merge`: clusters share settings with `<<: *anchor`.
  const document = parseDocument(text, {
    lineCounter: counter,
    prettyErrors: false,
    merge: true,
    stringKeys: true,
    uniqueKeys: false,
  });
  // One cause often shows as several errors on its line: the first says most.
  const byLine = new Map<number | null, Problem>();
  for (const { offset, code } of syntaxErrors(document)) {
    const found = problem(offset, code);
    if (!byLine.has(found.line)) byLine.set(found.line, found);
  }
  if (byLine.size > 0) return { problems: [...byLine.values()].sort((a, b) => (a.line ?? 0) - (b.line ?? 0)) };
  const locate: Locate = (path, part) => {
    const { key, value, exact } = nearest(document, path);
    const node = exact && part === 'value' ? (value ?? key) : (key ?? value);
    return position(node?.range?.[0] ?? 0);
  };
  try {
    return { value: document.toJS({ maxAliasCount: MOST_ALIASES }), locate };
  } catch {
    // What is left: aliases of aliases that would fill the memory.
    return { problems: [problem(0, 'RESOURCE_EXHAUSTION')] };
  }
}
