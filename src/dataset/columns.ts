import { RefillError } from '../domain/errors.ts';
import type { UnprovenColumn } from '../domain/words.ts';
import { type ColumnCodec, columnCodec } from './codec.ts';
import type { TableDefinition } from './definition.ts';
import { keyNames } from './key.ts';
import { isStored, isWritable, type TargetColumns } from './target-columns.ts';
import { parseTargetType } from './target-type.ts';

/**
 * Whether a dataset's columns are those of a target table: every stored column is derived, filled in by Refill, or
 * listed as `unproven`.
 */

/**
 * How names of Refill's own begin in its statements. A server takes a column of that name for ours, or ours for the
 * column, so a target that has one is refused.
 */
export const OWN_NAMES = 'refill_own_';

/** What does not fit between a dataset and one side of a table. */
export interface Misfit {
  readonly table: string;
  readonly side: 'source' | 'target';
  readonly problems: readonly Problem[];
}

interface Problem {
  /** Null where it is about the whole table. */
  readonly column: string | null;
  readonly what: string;
}

/** A problem of a column. */
export const problem = (column: string | null, what: string): Problem => ({ column, what });

const inWords = ({ column, what }: Problem) => (column === null ? what : `${column}: ${what}`);

/** One error for all tables: who corrects a dataset wants to know everything at once. */
export function datasetInvalid(misfits: readonly Misfit[]): RefillError {
  const said = misfits.map(({ table, side, problems }) => {
    const place = side === 'target' ? `table ${table}` : `the source of ${table}`;
    return `the dataset does not fit ${place}: ${problems.map(inWords).join('; ')}`;
  });
  const [first] = misfits;
  const problems = misfits.flatMap((misfit) => misfit.problems.map(inWords));
  const hint = misfits.every(({ side }) => side === 'source')
    ? { hint: 'Correct the kind, or write the cast into the expression, where it is meant.' }
    : {};
  return new RefillError('DATASET_INVALID', said.join('; '), { ...hint, details: { table: first?.table, problems } });
}

/** Everything about a table's columns that does not fit; fills in the codecs of those that do. */
export function columnProblems(
  definition: TableDefinition,
  target: TargetColumns,
  codecs: Map<string, ColumnCodec>,
): Problem[] {
  const problems: Problem[] = [];
  const roles = rolesOf(definition);
  for (const [name, column] of Object.entries(definition.columns)) {
    const found = target.get(name);
    const codec = unwritable(target, name, roles) ?? columnCodec(column, found?.type ?? '', name);
    if (typeof codec === 'string') problems.push(problem(name, codec));
    else codecs.set(name, codec);
  }
  for (const name of roles.keys()) {
    if (Object.hasOwn(definition.columns, name)) continue;
    const derived = name === definition.time || keyNames(definition).includes(name);
    const wrong =
      unwritable(target, name, roles) ?? (derived ? 'key and time must be columns of the dataset' : undefined);
    if (wrong !== undefined) problems.push(problem(name, wrong));
  }
  for (const name of target.keys())
    if (name.startsWith(OWN_NAMES))
      problems.push(problem(name, `names that begin with ${OWN_NAMES} are Refill's own; rename the column`));
  problems.push(...versionProblems(definition, target), ...unprovenProblems(definition, target));
  return problems;
}

/** The columns whose values Refill has itself. */
function filledIn({ version, owner }: TableDefinition): string[] {
  return [version, owner?.customer, owner?.profile].filter((name) => name !== undefined);
}

/** What the table's own columns are for, by their names. */
function rolesOf(definition: TableDefinition): ReadonlyMap<string, string> {
  const { time, version, owner } = definition;
  const roles = [
    [owner?.profile, 'owner’s profile'],
    [owner?.customer, 'owner’s customer'],
    [version, 'version'],
    [time, 'time'],
    ...keyNames(definition).map((name) => [name, 'key'] as const),
  ] as const;
  return new Map(roles.flatMap(([name, role]) => (name === undefined ? [] : [[name, role]])));
}

/** Why no row can be given a value in a column; undefined where it can. */
function unwritable(target: TargetColumns, name: string, roles: ReadonlyMap<string, string>): string | undefined {
  const column = target.get(name);
  if (!column) return 'the target has no such column';
  if (isWritable(column)) return undefined;
  const { kind, expression } = column;
  const role = roles.get(name);
  const made = `${role === undefined ? 'it' : `the ${role}`} is ${kind === 'MATERIALIZED' ? 'a' : 'an'} ${kind} column of the target${expression === '' ? '' : ` (${expression})`}`;
  if (role !== undefined) return `${made}, which no insert fills; name a column that is stored as it is written`;
  return kind === 'EPHEMERAL'
    ? `${made}, which no row keeps, so nothing of it can be proven; derive the columns that are made of it`
    : `${made}, which the server computes; leave it out`;
}

/** Types that hold the time at which a row's source was read. */
function versionProblems(definition: TableDefinition, target: TargetColumns): Problem[] {
  const { version } = definition;
  const column = version === undefined ? undefined : target.get(version);
  if (version === undefined || !column) return [];
  const { base, nullable } = parseTargetType(column.type);
  if (Object.hasOwn(definition.columns, version))
    return [problem(version, 'it is the version, which Refill fills in; do not derive it')];
  if (base !== 'DateTime64' && base !== 'DateTime')
    return [
      problem(
        version,
        `the version is ${column.type}, and Refill writes the time of its snapshot, which is no number of that scale: every later version of another writer could lose against it. Leave \`version\` out and derive ${version} under \`columns\` (the table then takes only purge), or give the table a DateTime64 version`,
      ),
    ];
  return nullable
    ? [problem(version, `the version is ${column.type}; a row without a version is neither old nor new`)]
    : [];
}

function unprovenProblems(definition: TableDefinition, target: TargetColumns): Problem[] {
  const { unproven = {}, resets = [] } = definition;
  const filled = filledIn(definition);
  const problems: Problem[] = [];
  for (const name of Object.keys(unproven)) {
    if (!target.has(name))
      problems.push(problem(name, `it is listed under \`unproven\`, and the target has no such column`));
    else if (Object.hasOwn(definition.columns, name) || filled.includes(name))
      problems.push(problem(name, `it is listed under \`unproven\`, and the dataset derives it`));
  }
  for (const name of resets) {
    const column = target.get(name);
    if (!Object.hasOwn(unproven, name) && column?.kind !== 'MATERIALIZED')
      problems.push(problem(name, `it is listed under \`resets\`, and not under \`unproven\``));
  }
  for (const [name, column] of target) {
    const accounted = Object.hasOwn(definition.columns, name) || Object.hasOwn(unproven, name) || filled.includes(name);
    if (!isWritable(column) || accounted) continue;
    problems.push(problem(name, 'the target has this column, the dataset does not say what goes into it'));
  }
  return problems;
}

/** What is neither derived nor proven of a table that fits: what the dataset lists, and what the server computes. */
export function unprovenColumns(definition: TableDefinition, target: TargetColumns): UnprovenColumn[] {
  const { name: table, unproven = {} } = definition;
  return [...target].flatMap(([column, found]) => {
    const reason = Object.hasOwn(unproven, column) ? unproven[column] : undefined;
    if (reason !== undefined) return [{ table, column, reason }];
    if (found.kind !== 'MATERIALIZED' || !isStored(found)) return [];
    return [{ table, column, reason: `MATERIALIZED: the server computes it (${found.expression})` }];
  });
}

/** How many ms a tick of the time column's canonical text has: 1 for DateTime64(3), 1000 for DateTime. */
export function timeTickMs(definition: TableDefinition, target: TargetColumns): number {
  const type = parseTargetType(target.get(definition.time)?.type ?? '');
  return type.base.startsWith('Date') && type.base !== 'DateTime64'
    ? type.base === 'DateTime'
      ? 1000
      : 86_400_000
    : 10 ** (3 - Number(type.args[0] ?? 3));
}

/** A version coarser than milliseconds cannot tell one attempt from another, and counts as none. */
export function versionPrecision(definition: TableDefinition, target: TargetColumns): number | null {
  if (definition.version === undefined) return null;
  const type = parseTargetType(target.get(definition.version)?.type ?? '');
  const precision = type.base === 'DateTime64' ? Number(type.args[0] ?? 3) : 0;
  return precision >= 3 ? precision : null;
}
