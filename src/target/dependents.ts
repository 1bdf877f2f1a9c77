import { chLiteral } from '../dataset/sql.ts';
import type { DependentKind, FoundDependent } from '../domain/dependents.ts';
import { RefillError } from '../domain/errors.ts';
import type { Target } from './clickhouse.ts';
import { ALL_REPLICAS, everyReplica, type Topology } from './topology.ts';

/** A table or view as `system.tables` has it, of whichever server. */
interface Listed {
  readonly database: string;
  readonly name: string;
  readonly engine: string;
  readonly full: string;
  readonly query: string;
  readonly select: string;
  readonly uuid: string;
  /** Views that its inserts trigger, as `[database, name]`: the server's own word, whatever their SELECT looks like. */
  readonly views: readonly (readonly [string, string])[];
  /** What the server loads after it, as it reads it: dictionaries. */
  readonly loading: readonly (readonly [string, string])[];
}

const COLUMNS = `database, name, engine, engine_full AS full, create_table_query AS query, as_select AS select, toString(uuid) AS uuid,
  arrayZip(dependencies_database, dependencies_table) AS views,
  arrayZip(loading_dependent_database, loading_dependent_table) AS loading`;

/** Engines of what can read or write another table. */
const AROUND = [
  'MaterializedView',
  'View',
  'LiveView',
  'WindowView',
  'Dictionary',
  'Distributed',
  'Buffer',
  'Merge',
  'Alias',
];

const KINDS: Readonly<Record<string, DependentKind>> = {
  MaterializedView: 'materialized view',
  LiveView: 'live view',
  WindowView: 'window view',
  View: 'view',
  Dictionary: 'dictionary',
  Distributed: 'Distributed table',
  Buffer: 'Buffer table',
  Merge: 'Merge table',
  Alias: 'Alias table',
};

const nameOf = (one: { readonly database: string; readonly name: string }) => `${one.database}.${one.name}`;

/** The tables of one database whose dependents are looked for. */
export interface Places {
  readonly database: string;
  readonly tables: readonly string[];
}

/** Everything that depends on tables or acts on their inserts and deletes, on any server of a target. */
export async function findDependents(target: Target, topology: Topology, places: Places): Promise<FoundDependent[]> {
  const { database, tables } = places;
  const catalogue = new Catalogue(target, topology);
  await catalogue.load(tables.map((name) => [database, name]));
  const around = await catalogue.around(tables);
  const found: FoundDependent[] = [];
  for (const name of tables) {
    const table = catalogue.get(database, name);
    if (!table) continue;
    const triggered = await triggeredBy(catalogue, table);
    const known = new Set([...triggered.map(nameOf), nameOf(table)]);
    const readers: FoundDependent[] = [];
    for (const one of around.filter((other) => !known.has(nameOf(other)) && concerns(other, table)))
      readers.push(...(await readerOf(catalogue, table, one)));
    for (const [db, dictionary] of table.loading) {
      if (readers.some((r) => r.database === db && r.name === dictionary)) continue;
      await catalogue.load([[db, dictionary]]);
      readers.push(...(await readerOf(catalogue, table, catalogue.get(db, dictionary) ?? unseen(db, dictionary))));
    }
    found.push(...triggered, ...readers, ...ownOf(table));
  }
  return [...found, ...(await rowPolicies(target, topology, places))];
}

/** What is listed, asked once for each name. */
class Catalogue {
  readonly #target: Target;
  readonly #topology: Topology;
  readonly #known = new Map<string, Listed>();

  constructor(target: Target, topology: Topology) {
    this.#target = target;
    this.#topology = topology;
  }

  get(database: string, name: string): Listed | undefined {
    return this.#known.get(nameOf({ database, name }));
  }

  async load(names: readonly (readonly [string, string])[]): Promise<void> {
    const wanted = names.filter(([database, name]) => !this.get(database, name));
    if (wanted.length === 0) return;
    const list = wanted.map(([database, name]) => `(${chLiteral(database)}, ${chLiteral(name)})`).join(', ');
    await this.#ask(`(database, name) IN (${list})`);
  }

  /** What has an engine that can read other tables, and mentions one of these names. */
  around(names: readonly string[]): Promise<readonly Listed[]> {
    const mentioned = names.map((name) => `position(create_table_query, ${chLiteral(name)}) > 0`).join(' OR ');
    // A Merge table names others by a pattern.
    return this.#ask(`engine IN (${AROUND.map(chLiteral).join(', ')}) AND (engine = 'Merge' OR ${mentioned})`);
  }

  async #ask(where: string): Promise<readonly Listed[]> {
    const rows = await this.#target.rows<Listed>(
      `SELECT DISTINCT ${COLUMNS} FROM ${everyReplica(this.#topology, 'system.tables')} WHERE ${where}`,
      {},
      ALL_REPLICAS,
    );
    const merged = new Map<string, Listed>();
    for (const row of rows) {
      const before = merged.get(nameOf(row));
      // Each server has views of its own: what any of them triggers counts.
      const all = before
        ? { ...before, views: [...before.views, ...row.views], loading: [...before.loading, ...row.loading] }
        : row;
      merged.set(nameOf(row), all);
    }
    for (const [name, row] of merged) if (!this.#known.has(name)) this.#known.set(name, row);
    return [...merged.values()];
  }
}

const unseen = (database: string, name: string): Listed => ({
  database,
  name,
  engine: '',
  full: '',
  query: '',
  select: '',
  uuid: '',
  views: [],
  loading: [],
});

/** The views that an insert into a table triggers, and those that their inserts trigger, and so on. */
async function triggeredBy(catalogue: Catalogue, table: Listed): Promise<FoundDependent[]> {
  const found = new Map<string, FoundDependent>();
  const follow = async (from: Listed, through: readonly string[]): Promise<void> => {
    await catalogue.load(from.views);
    for (const [database, name] of from.views) {
      const key = nameOf({ database, name });
      if (found.has(key)) continue;
      const view = catalogue.get(database, name) ?? unseen(database, name);
      const target = await targetOf(catalogue, view);
      found.set(key, {
        database,
        name,
        table: table.name,
        kind: kindOf(view, 'materialized view'),
        relation: 'triggered',
        definition: view.query,
        through,
        select: view.select,
        target: target ? { database: target.database, name: target.name, engine: target.engine } : null,
        feeds: (target?.views.length ?? 0) > 0,
      });
      if (target) await follow(target, [...through, key]);
    }
  };
  await follow(table, []);
  return [...found.values()];
}

function kindOf(one: Listed, unknown: DependentKind): DependentKind {
  if (one.engine === 'MaterializedView' && /\sREFRESH (?:EVERY|AFTER)\s/u.test(head(one.query)))
    return 'refreshable view';
  return KINDS[one.engine] ?? unknown;
}

/** A view's statement without its SELECT. */
const head = (query: string) => query.split(/\sAS\s(?=SELECT\b|WITH\b|\()/u)[0] ?? '';

const NAME = '(?:`((?:[^`\\\\]|\\\\.)+)`|(\\w+))';
const TO = new RegExp(`\\sTO ${NAME}\\.${NAME}`, 'u');

/** Where a view writes to, as `[database, name]`. */
function writesTo(view: Listed): readonly [string, string] {
  const to = TO.exec(head(view.query));
  if (to) return [to[1] ?? to[2] ?? '', to[3] ?? to[4] ?? ''];
  return [view.database, /^0{8}-/u.test(view.uuid) ? `.inner.${view.name}` : `.inner_id.${view.uuid}`];
}

async function targetOf(catalogue: Catalogue, view: Listed): Promise<Listed | undefined> {
  if (view.query === '' || !view.engine.endsWith('View')) return undefined;
  const [database, name] = writesTo(view);
  await catalogue.load([[database, name]]);
  return catalogue.get(database, name);
}

const quoted = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/gu, '\\$&');

/** Whether something that mentions a name means the table. */
function concerns(other: Listed, table: Listed): boolean {
  const named = [...other.full.matchAll(/'((?:[^'\\]|\\.)*)'/gu)].map((m) => m[1] ?? '');
  if (other.engine === 'Distributed') return named[1] === table.database && named[2] === table.name;
  if (other.engine === 'Buffer' || other.engine === 'Alias')
    return named[0] === table.database && named[1] === table.name;
  if (other.engine === 'Merge')
    return (
      fits(named[0] ?? '', table.database, !other.full.startsWith('Merge(REGEXP')) &&
      fits(named[1] ?? '', table.name, false)
    );
  const part = (name: string) => `(?:\`${quoted(name)}\`|${quoted(name)})`;
  if (new RegExp(`(?<![\\w\`])${part(table.database)}\\.${part(table.name)}(?![\\w\`])`, 'u').test(other.query))
    return true;
  return (
    other.engine === 'Dictionary' &&
    new RegExp(`TABLE '${quoted(table.name)}'`, 'u').test(other.query) &&
    (other.query.includes(`DB '${table.database}'`) ||
      (other.database === table.database && !/\bDB '/u.test(other.query)))
  );
}

/** Whether a name is the one that a Merge table means. A pattern that JavaScript cannot read may mean any. */
function fits(pattern: string, name: string, literal: boolean): boolean {
  if (literal) return pattern === name;
  try {
    return new RegExp(pattern.replaceAll('\\\\', '\\'), 'u').test(name);
  } catch {
    return true;
  }
}

/** Something that reads the table, or writes into it; of a table that leads to it, its views as well. */
async function readerOf(catalogue: Catalogue, table: Listed, one: Listed): Promise<FoundDependent[]> {
  const kind = kindOf(one, 'other');
  const [database, name] = one.engine === 'MaterializedView' ? writesTo(one) : ['', ''];
  const writes = database === table.database && name === table.name;
  const reader: FoundDependent = {
    database: one.database,
    name: one.name,
    table: table.name,
    kind,
    relation: writes ? 'writes' : 'reads',
    definition: one.query,
    through: [],
    select: '',
    target: null,
    feeds: false,
    ...(writes ? await fedBy(catalogue, one) : {}),
  };
  await catalogue.load(one.views);
  const views = one.views.map(([db, view]): FoundDependent => {
    const { query } = catalogue.get(db, view) ?? unseen(db, view);
    return { ...reader, database: db, name: view, kind: 'materialized view', relation: 'reads', definition: query };
  });
  return [reader, ...(one.engine.endsWith('View') ? [] : views)];
}

const FROM = new RegExp(`\\sFROM ${NAME}\\.${NAME}`, 'u');

/** Of a view that writes into the table: the table that its rows come from, such as a Null or a Kafka one. */
async function fedBy(catalogue: Catalogue, view: Listed): Promise<{ readonly note?: string }> {
  const from = FROM.exec(view.query);
  if (!from) return {};
  const [database, name] = [from[1] ?? from[2] ?? '', from[3] ?? from[4] ?? ''];
  await catalogue.load([[database, name]]);
  const source = catalogue.get(database, name);
  return source ? { note: `its rows come from ${nameOf(source)}, a ${source.engine} table` } : {};
}

/** What is a part of the table's own definition. */
function ownOf(table: Listed): FoundDependent[] {
  const own = (kind: DependentKind, name: string, definition: string): FoundDependent => ({
    database: nameOf(table),
    name,
    table: table.name,
    kind,
    relation: 'own',
    definition,
    through: [],
    select: '',
    target: null,
    feeds: false,
  });
  const [columns = ''] = table.query.split(' ENGINE = ');
  const named = (word: string, kind: DependentKind) =>
    [...columns.matchAll(new RegExp(`[(,] ?${word} ${NAME} `, 'gu'))].map((m) => own(kind, m[1] ?? m[2] ?? '', m[0]));
  const [, ttl] = /\sTTL (.+?)(?: SETTINGS |$)/su.exec(table.full) ?? [];
  return [
    ...named('PROJECTION', 'projection'),
    ...named('CONSTRAINT', 'constraint'),
    ...(ttl === undefined ? [] : [own('TTL', 'TTL', ttl)]),
    ...(/\sTTL\s/u.test(columns) ? [own('TTL', 'column TTL', columns)] : []),
  ];
}

async function rowPolicies(
  target: Target,
  topology: Topology,
  { database, tables }: Places,
): Promise<FoundDependent[]> {
  try {
    const rows = await target.rows<{ name: string; table: string; filter: string }>(
      `SELECT DISTINCT short_name AS name, table, ifNull(select_filter, '') AS filter FROM ${everyReplica(topology, 'system.row_policies')}
       WHERE database = ${chLiteral(database)} AND table IN (${['', ...tables].map(chLiteral).join(', ')})`,
      {},
      ALL_REPLICAS,
    );
    return rows.map(({ name, table, filter }) => ({
      database: `${database}.${table === '' ? '*' : table}`,
      name,
      table: table === '' ? '*' : table,
      kind: 'row policy',
      relation: 'own',
      definition: filter,
      through: [],
      select: '',
      target: null,
      feeds: false,
    }));
  } catch (error) {
    // Who may not see policies is told so by the check of rights.
    if (error instanceof RefillError && error.code === 'CH_DENIED') return [];
    throw error;
  }
}

/** Other views that write into a table, on any server. */
export async function otherWriters(
  target: Target,
  topology: Topology,
  into: { readonly database: string; readonly name: string },
  view: string,
): Promise<readonly string[]> {
  const rows = await target.rows<Listed>(
    `SELECT DISTINCT ${COLUMNS} FROM ${everyReplica(topology, 'system.tables')}
     WHERE engine = 'MaterializedView' AND position(create_table_query, ${chLiteral(into.name)}) > 0`,
    {},
    ALL_REPLICAS,
  );
  return rows.filter((one) => nameOf(one) !== view && nameOf(into) === writesTo(one).join('.')).map(nameOf);
}
