import { createHash } from 'node:crypto';
import {
  answered,
  decide,
  type Dependent,
  type DependentAction,
  type DependentAnswers,
  describe,
  type FoundDependent,
  notPlanned,
  type PlannedDependent,
  unknownAnswers,
  verdict,
} from '../domain/dependents.ts';
import { RefillError } from '../domain/errors.ts';
import type { Finding } from '../domain/events.ts';
import type { Plan, Warning } from '../domain/plan.ts';
import type { Range } from '../domain/words.ts';
import { findDependents } from '../target/dependents.ts';
import { againstBypass } from './bypass.ts';
import { isShared, readRebuild, type Rebuild } from './read-rebuild.ts';
import { rebuildSql } from './rebuild.ts';
import { mayServer } from './rights.ts';
import type { Workbench } from './workbench.ts';

/** Dependents, and what it takes to rebuild those that are to be. */
interface Looked {
  readonly dependents: readonly Dependent[];
  /** By name and table. */
  readonly rebuilds: ReadonlyMap<string, Rebuild>;
}

const keyOf = ({ name, table }: Pick<Dependent, 'name' | 'table'>) => `${name} ${table}`;

/**
 * Everything that depends on the tables of a workbench, with what a run would do to it.
 *
 * @param answers What is to be done about them: what is not asked for is not looked into.
 */
async function look(bench: Workbench, answers: readonly DependentAnswers[], only?: string): Promise<Looked> {
  const tables = bench.tables.map((t) => t.definition.name).filter((name) => only === undefined || name === only);
  const found = await findDependents(bench.target, bench.topology, { database: bench.tenant.targetDatabase, tables });
  const expiring = new Set(found.filter(({ kind }) => kind === 'TTL').map(({ table }) => table));
  const dependents = new Map<string, Dependent>();
  const rebuilds = new Map<string, Rebuild>();
  for (const one of found) {
    const dependent = judged(bench, one);
    const key = keyOf(dependent);
    if (dependents.has(key)) continue;
    const action = answered(dependent, answers);
    const wants = (a: DependentAction) => dependent.harmed && (action === undefined || action === a);
    const bypass = wants('bypass') ? await againstBypass(bench, one) : null;
    const rebuild = wants('rebuild') ? await readRebuild(bench, one, expiring) : null;
    if (rebuild !== null && typeof rebuild !== 'string') rebuilds.set(key, rebuild);
    const impossible = {
      ...(bypass === null ? {} : { bypass }),
      ...(typeof rebuild === 'string' ? { rebuild } : {}),
    };
    dependents.set(key, { ...dependent, impossible });
  }
  const sorted = [...dependents.values()].sort(
    (a, b) => Number(b.harmed) - Number(a.harmed) || (a.name < b.name ? -1 : 1),
  );
  return { dependents: sorted, rebuilds };
}

function judged(bench: Workbench, found: FoundDependent): Dependent {
  const { harmed, why } = verdict(found);
  const name = `${found.database}.${found.name}`;
  const own = found.database === bench.tenant.targetDatabase;
  return {
    name,
    // Without its database a name means the tenant's own: a configuration is for all of them.
    aliases: [name, ...(own ? [found.name] : []), `*.${found.name}`],
    table: found.table,
    kind: found.kind,
    through: found.through,
    harmed,
    why: found.note === undefined ? why : `${why}; ${found.note}`,
    impossible: {},
    definition: createHash('sha256').update(found.definition).digest('hex').slice(0, 16),
  };
}

/**
 * What it takes to rebuild a dependent of a plan, as it is now.
 *
 * @throws RefillError `DEPENDENTS` if it is not possible any more.
 */
export async function rebuildOf(bench: Workbench, one: Pick<PlannedDependent, 'name' | 'table'>): Promise<Rebuild> {
  const { dependents, rebuilds } = await look(bench, [{ [one.name]: 'rebuild' }], one.table);
  const rebuild = rebuilds.get(keyOf(one));
  if (rebuild) return rebuild;
  const now = dependents.find((other) => other.name === one.name);
  const why = now?.impossible.rebuild ?? 'it does not exist any more';
  throw new RefillError('DEPENDENTS', `rebuild of ${one.name} is not possible any more: ${why}`, {
    hint: 'Make a new plan.',
  });
}

const UNSEEN =
  'the user may not see the tables of all databases: a view that the table triggers is found, what else reads it from there is not';
const GRANT = 'GRANT SHOW TABLES ON *.* TO the user of the configuration';

/** What `doctor` says of dependents: a finding for each that would be harmed, and one for all that are safe. */
export async function checkDependents(bench: Workbench): Promise<readonly Finding[]> {
  const { dependents } = await look(bench, [bench.dependents]);
  const { planned } = decide(dependents, bench.dependents);
  const findings: Finding[] = [];
  const add = (level: Finding['level'], subject: string, message: string, remedy: string | null = null) =>
    findings.push({ check: 'dependents', level, subject, message, remedy });
  for (const [index, one] of dependents.entries()) {
    const action = planned[index]?.action ?? null;
    if (!one.harmed) add('ok', one.name, `${one.kind} on ${one.table}, safe: ${one.why}`);
    else if (action !== null && one.impossible[action] === undefined)
      add('ok', one.name, `${one.kind} on ${one.table}, ${action}: ${one.why}`);
    else
      add(
        'warning',
        one.name,
        `${one.kind} on ${one.table}: ${one.why}${action === null ? '' : `; ${action} is not possible: ${one.impossible[action]}`}`,
        `answer it with --dependent, or under clusters.${bench.tenant.cluster}.dependents; see docs/dependents.md`,
      );
  }
  if ((await mayServer(bench, 'SHOW TABLES')) === false) add('warning', bench.tenant.targetDatabase, UNSEEN, GRANT);
  return findings;
}

/** Dependents as a plan keeps them, and what it warns of. */
export interface PlannedDependents {
  readonly dependents: readonly PlannedDependent[];
  readonly warnings: readonly Warning[];
}

/**
 * Decides what a run does about each dependent.
 *
 * @param asked Answers of the request; they go before those of the configuration.
 * @param ofFleet Whether they are for several tenants, of which not each has all of them.
 * @throws RefillError `DEPENDENTS` if one that would be damaged has no answer, or one that is not possible;
 * `DEPENDENT_UNKNOWN` if an answer of the request means none.
 */
export async function planDependents(
  bench: Workbench,
  range: Range,
  asked: DependentAnswers,
  ofFleet: boolean,
): Promise<PlannedDependents> {
  const { dependents, rebuilds } = await look(bench, [asked, bench.dependents]);
  const unknown = ofFleet ? [] : unknownAnswers(dependents, asked);
  if (unknown.length > 0)
    throw new RefillError(
      'DEPENDENT_UNKNOWN',
      `nothing that depends on the tables is called ${unknown.join(', ')}; there is ${dependents.map(({ name }) => name).join(', ') || 'nothing'}`,
    );
  const decision = decide(dependents, asked, bench.dependents);
  refuse(bench, decision.problems);
  const planned = await Promise.all(
    decision.planned.map((one) => withStatements(bench, one, rebuilds.get(keyOf(one)), range)),
  );
  const warnings = planned.flatMap(warningOf);
  if ((await mayServer(bench, 'SHOW TABLES')) === false)
    warnings.push({ code: 'DEPENDENTS_UNSEEN', message: `${UNSEEN} (${GRANT})` });
  return { dependents: planned, warnings };
}

/** A dependent with the statements that rebuild it, if that is what is done. */
async function withStatements(
  bench: Workbench,
  one: PlannedDependent,
  rebuild: Rebuild | undefined,
  range: Range,
): Promise<PlannedDependent> {
  if (one.action !== 'rebuild' || !rebuild) return one;
  if (await isShared(bench, rebuild, range))
    refuse(bench, [
      `rebuild is not possible for ${describe(one)}: it does not keep tenants apart, and ${one.table} holds rows of another one`,
    ]);
  return { ...one, sql: rebuildSql(bench, rebuild, range) };
}

function refuse(bench: Workbench, problems: readonly string[]): void {
  const [first] = problems;
  if (first === undefined) return;
  throw new RefillError('DEPENDENTS', `the run would damage what depends on its tables. ${problems.join('. ')}`, {
    hint: `Add --dependent NAME=ACTION for each, or answer under clusters.${bench.tenant.cluster}.dependents. docs/dependents.md says what each action does.`,
    details: { problems },
  });
}

const DONE = {
  leave: 'is left: it will count re-derived rows again',
  bypass: 'is bypassed: what it has counted of the range stays as it is',
  rebuild: 'counts re-derived rows again until it is rebuilt, at the end of the run',
} as const;

function warningOf(one: PlannedDependent): Warning[] {
  if (one.action === null) return [];
  return [{ code: 'DEPENDENT', table: one.table, message: `${describe(one)} ${DONE[one.action]}` }];
}

/**
 * Refuses a run of a plan that does not know a dependent which would be damaged, as `DEPENDENTS`: it was made since, or
 * is not the same any more.
 */
export async function refuseNewDependents(bench: Workbench, plan: Plan): Promise<void> {
  const answers = Object.fromEntries(plan.dependents.flatMap(({ name, action }) => (action ? [[name, action]] : [])));
  const { dependents: now } = await look(bench, [answers]);
  const found = notPlanned(now, plan.dependents);
  if (found.length > 0)
    throw new RefillError(
      'DEPENDENTS',
      `since plan ${plan.id} was made, there is a new or changed dependent: ${found.map((one) => `${describe(one)}: ${one.why}`).join('. ')}`,
      {
        hint: 'Make a new plan, which shows it and asks what to do about it.',
        details: { dependents: found.map(({ name }) => name) },
      },
    );
  const impossible = plan.dependents.flatMap((then) => {
    const one = now.find(({ name, table }) => name === then.name && table === then.table);
    const reason = then.action === null || then.through.length > 0 ? undefined : one?.impossible[then.action];
    return reason === undefined ? [] : [`${then.action} of ${describe(then)} is not possible any more: ${reason}`];
  });
  const gone = plan.dependents.filter(
    ({ action, name }) => action === 'rebuild' && !now.some((one) => one.name === name),
  );
  const problems = [...impossible, ...gone.map((one) => `${describe(one)} does not exist any more`)];
  if (problems.length > 0)
    throw new RefillError('DEPENDENTS', `plan ${plan.id} cannot be executed: ${problems.join('. ')}`, {
      hint: 'Make a new plan.',
    });
}
