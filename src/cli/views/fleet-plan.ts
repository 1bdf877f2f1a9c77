import type { FleetMember, FleetPlan } from '../../domain/fleet.ts';
import { formatTenant } from '../../domain/words.ts';
import { brief, count, counted, range, visible } from '../../report/format.ts';
import type { Paint } from '../paint.ts';
import { facts, table } from '../table.ts';

/** Tenants that a terminal lists; `--json` has all. Those with a problem are always listed. */
const SHOWN_TENANTS = 20;

function byCluster(plan: FleetPlan, color: Paint): string {
  const names = [...new Set(plan.members.map((m) => m.cluster))].sort();
  const sum = (of: readonly FleetMember[], key: 'rowsBefore' | 'rowsToDelete' | 'rowsToWrite' | 'rowsToRewrite') =>
    count(of.reduce((n, m) => n + m[key], 0));
  return table(
    [
      { head: 'cluster' },
      { head: 'tenants', right: true },
      { head: 'not planned', right: true },
      { head: 'rows before', right: true },
      { head: 'to delete', right: true },
      { head: 'to write', right: true },
      { head: 'rewritten', right: true },
    ],
    [
      ...names.map((name) => {
        const of = plan.members.filter((m) => m.cluster === name);
        return [
          brief(name),
          count(of.length),
          count(of.filter((m) => m.plan === null).length),
          sum(of, 'rowsBefore'),
          sum(of, 'rowsToDelete'),
          sum(of, 'rowsToWrite'),
          sum(of, 'rowsToRewrite'),
        ];
      }),
      ...plan.unknown.map(({ cluster }) => [brief(cluster), color.yellow('unknown'), '—', '—', '—', '—', '—']),
    ],
    color,
  );
}

function tenants(plan: FleetPlan, color: Paint): string {
  const shown = plan.members.slice(0, SHOWN_TENANTS);
  const rest = plan.members.length - shown.length;
  const listed = table(
    [
      { head: 'order', right: true },
      { head: 'tenant' },
      { head: 'cluster' },
      { head: 'priority', right: true },
      { head: 'to delete', right: true },
      { head: 'to write', right: true },
      { head: 'plan' },
    ],
    shown.map((m) => [
      String(m.order),
      brief(formatTenant(m)),
      brief(m.cluster),
      String(m.priority),
      count(m.rowsToDelete),
      count(m.rowsToWrite),
      m.plan ?? color.yellow('none'),
    ]),
    color,
  );
  return rest > 0 ? `${listed}\n  ${color.dim(`… and ${count(rest)} more`)}` : listed;
}

/** What keeps tenants and clusters from being proven whatever the run does. */
function problems(plan: FleetPlan, color: Paint): readonly string[] {
  return [
    ...plan.members.flatMap((m) =>
      m.problem === null
        ? []
        : [`  ${color.yellow(`! ${brief(formatTenant(m))}`)} ${m.problem.code}: ${visible(m.problem.message)}`],
    ),
    ...plan.unknown.map(
      ({ cluster, error }) =>
        `  ${color.yellow(`! cluster ${brief(cluster)} is unknown`)} ${error.code}: ${visible(error.message)}`,
    ),
  ];
}

/** Tenants that a warning names. */
const NAMED_TENANTS = 5;

/** Texts of one kind of warning that are shown; `--json` has all. */
const SHOWN_TEXTS = 3;

/** The tenants' warnings: each text once, with the tenants that it is about. Numbers are never those of another tenant. */
function warnings(plan: FleetPlan, color: Paint): readonly string[] {
  const codes = new Set(plan.members.flatMap((m) => m.warnings.map(({ code }) => code)));
  return [...codes].flatMap((code) => {
    const about = new Map<string, string[]>();
    for (const member of plan.members)
      for (const { message } of member.warnings.filter((one) => one.code === code))
        about.set(message, [...(about.get(message) ?? []), brief(formatTenant(member))]);
    const texts = [...about].slice(0, SHOWN_TEXTS).map(([message, tenants]) => {
      const named = new Set(tenants);
      const rest = named.size - NAMED_TENANTS;
      const some = [...named].slice(0, NAMED_TENANTS);
      const who =
        named.size === plan.members.length && named.size > 1
          ? ['every tenant']
          : [...some, ...(rest > 0 ? [`${count(rest)} more`] : [])];
      return `  ${color.yellow(`! ${code}`)} (${who.join(', ')}) ${visible(message)}`;
    });
    const more = about.size - texts.length;
    return more > 0
      ? [
          ...texts,
          `  ${color.dim(`… and ${count(more)} more of ${code}, of other tenants or with other numbers: --json`)}`,
        ]
      : texts;
  });
}

/** A fleet plan as a person approves it. `next` is the exact command that executes it. */
export function fleetPlanView(plan: FleetPlan, next: string, color: Paint): string {
  const { reach } = plan;
  const wrong = problems(plan, color);
  const warned = warnings(plan, color);
  return [
    `${color.bold(`Fleet ${plan.id}`)}  ${color.dim('saved; nothing was changed')}`,
    facts(
      [
        ['range', `${range(plan.request.range)} ${color.dim('UTC, the end not included')}`],
        ['strategy', plan.request.strategy ?? 'by tenant: replace where every table has a version column'],
        ['dataset', brief(plan.dataset)],
        [
          'touches',
          `at most ${counted(reach.tenants, 'tenant')} on ${counted(reach.clusters, 'cluster')}: ${color.bold(
            `${counted(reach.rowsToDelete, 'row')} to delete`,
          )}, ${count(reach.rowsToWrite)} to write, ${count(reach.rowsToRewrite)} rewritten`,
        ],
      ],
      color,
    ),
    `\n${color.bold('Clusters')}`,
    byCluster(plan, color),
    `\n${color.bold(`Tenants (${count(plan.members.length)}), in their order`)}`,
    tenants(plan, color),
    ...(wrong.length === 0 ? [] : [`\n${color.bold('Not planned')}`, ...wrong]),
    ...(warned.length === 0 ? [] : [`\n${color.bold('Warnings')}`, ...warned]),
    `\n${color.bold('Next')}`,
    `  ${color.cyan(next)}`,
  ].join('\n');
}

/** A fleet plan as `--json` prints it: the whole of it, with its id as `fleet`. */
export function fleetPlanJson(plan: FleetPlan): Readonly<Record<string, unknown>> {
  return { fleet: plan.id, ...plan };
}
