import { DEPENDENT_ACTIONS, type DependentAction } from '../domain/dependents.ts';
import { RefillError } from '../domain/errors.ts';
import type { FleetRequest } from '../domain/fleet.ts';
import type { IdsRequest, PlanRequest } from '../domain/requests.ts';
import { formatTenant, type Strategy } from '../domain/words.ts';
import { parseNames, parseRange, parseTenant } from './parse.ts';

/** What a plan is asked for on the command line. */
export interface PlanOptions {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly dataset?: string | undefined;
  readonly cluster?: readonly string[] | undefined;
  readonly all?: true | undefined;
  readonly exclude?: readonly string[] | undefined;
  readonly priority?: readonly string[] | undefined;
  readonly strategy?: Strategy | undefined;
  readonly tables?: string | undefined;
  readonly only?: string | undefined;
  readonly ids?: string | undefined;
  readonly dependent?: readonly string[] | undefined;
}

export type Asked =
  | { readonly of: 'tenant'; readonly request: PlanRequest }
  | { readonly of: 'ids'; readonly request: IdsRequest }
  | { readonly of: 'fleet'; readonly request: FleetRequest };

function wrong(message: string, hint: string): RefillError {
  return new RefillError('USAGE', message, { hint });
}

/** Whether a word is the id of a fleet, or the beginning of one. */
export function isFleet(word: string | undefined): word is string {
  return word?.startsWith('f-') === true;
}

/** Whether a word is the id of a backfill, or the beginning of one. */
export function isBackfill(word: string | undefined): word is string {
  return word?.startsWith('b-') === true;
}

/** `a/b=10` as a tenant and a number. */
function parsePriority(text: string): readonly [tenant: string, priority: number] {
  const at = text.lastIndexOf('=');
  const number = Number(text.slice(at + 1));
  if (at < 0 || !/^-?\d+$/u.test(text.slice(at + 1)) || !Number.isSafeInteger(number)) {
    throw wrong(
      `--priority ${JSON.stringify(text)} is not a tenant and a whole number`,
      'Write --priority customer/profile=10.',
    );
  }
  return [formatTenant(parseTenant(text.slice(0, at))), number];
}

/** `view=leave` as a name and an action. */
function parseDependent(text: string): readonly [name: string, action: DependentAction] {
  const at = text.lastIndexOf('=');
  const action = DEPENDENT_ACTIONS.find((one) => one === text.slice(at + 1));
  if (at < 1 || action === undefined) {
    throw wrong(
      `--dependent ${JSON.stringify(text)} is not a name and an action`,
      `Write --dependent NAME=ACTION. The actions are ${DEPENDENT_ACTIONS.join(', ')}.`,
    );
  }
  return [text.slice(0, at), action];
}

/** The names that an option lists, each once. */
const named = (list: readonly string[], option: string) => parseNames(list.join(','), option);

/** Ids say themselves where they lie, and whose they are. */
function refuseWithIds(fleet: boolean, { from, to, only }: PlanOptions): void {
  if (!fleet && from === undefined && to === undefined && only === undefined) return;
  throw wrong('--ids was given with what is more than one tenant, or with a range', 'Name a tenant and --ids alone.');
}

/** The command line as a request, of one tenant or of many; throws before anything is opened. */
export function parseRequest(words: readonly string[], options: PlanOptions): Asked {
  const { all, cluster, exclude, priority, strategy, tables, dataset } = options;
  const fleet = all === true || words.length > 1 || (words.length === 0 && cluster !== undefined);
  if (!fleet && words.length === 0) {
    throw wrong(
      "missing required argument 'tenant'",
      'Name a tenant as customer/profile, several, --cluster or --all.',
    );
  }
  if (all === true && words.length > 0) throw wrong('tenants and --all were given', 'Give one of them.');
  if (all === true && cluster !== undefined) throw wrong('--cluster and --all were given', 'Give one of them.');
  const tenants = words.map(parseTenant);
  const ids = options.ids === undefined ? undefined : parseNames(options.ids, '--ids');
  if (ids !== undefined) refuseWithIds(fleet, options);
  if (fleet && options.only !== undefined) throw wrong('--only was given for several tenants', 'Name one tenant.');
  const common = {
    ...(dataset === undefined ? {} : { dataset }),
    ...(strategy === undefined ? {} : { strategy }),
    ...(tables === undefined ? {} : { tables: parseNames(tables, '--tables') }),
    ...(options.dependent === undefined
      ? {}
      : { dependents: Object.fromEntries(options.dependent.map(parseDependent)) }),
  };
  const clusters = cluster === undefined ? undefined : named(cluster, '--cluster');
  const [tenant] = tenants;
  if (!fleet && tenant !== undefined) {
    if (exclude !== undefined || priority !== undefined || (clusters?.length ?? 0) > 1) {
      throw wrong(
        'one tenant was named, with options for several',
        '--exclude, --priority and several clusters go with several tenants, --cluster or --all.',
      );
    }
    const [one] = clusters ?? [];
    const request = { tenant, ...common, ...(one === undefined ? {} : { cluster: one }) };
    if (ids !== undefined) return { of: 'ids', request: { ...request, ids } };
    const only = options.only === undefined ? {} : { only: { subset: options.only } };
    return { of: 'tenant', request: { ...request, ...only, range: parseRange(options.from, options.to) } };
  }
  return {
    of: 'fleet',
    request: {
      ...common,
      range: parseRange(options.from, options.to),
      ...(clusters === undefined ? {} : { clusters }),
      ...(tenants.length === 0 ? {} : { tenants }),
      ...(exclude === undefined ? {} : { exclude: named(exclude, '--exclude').map(parseTenant) }),
      ...(priority === undefined ? {} : { priorities: Object.fromEntries(priority.map(parsePriority)) }),
    },
  };
}
