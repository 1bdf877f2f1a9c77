import type { TenantFinding } from '../../domain/events.ts';
import type { ClusterFindings, UnknownCluster } from '../../domain/fleet.ts';
import type { Survey } from '../../domain/requests.ts';
import { formatTenant } from '../../domain/words.ts';
import { brief, count, counted, range, visible } from '../../report/format.ts';
import type { Paint } from '../paint.ts';
import { table } from '../table.ts';
import { excludedRows } from './verified.ts';

/** Days that a terminal lists for each table; `--json` has all. */
const SHOWN_DAYS = 31;

/** The tenants found on both sides. */
export function tenantsView(tenants: readonly TenantFinding[], color: Paint): string {
  if (tenants.length === 0) {
    return 'No tenants were found. A tenant is a database of the same name on both sides; see `refill doctor`.';
  }
  const listed = table(
    [
      { head: 'tenant' },
      { head: 'cluster' },
      { head: 'source database' },
      { head: 'target database' },
      { head: 'target rows', right: true },
      { head: 'to look at' },
    ],
    tenants.map((one) => [
      brief(formatTenant(one)),
      brief(one.cluster),
      one.sourceDatabase === null ? color.yellow('none') : brief(one.sourceDatabase),
      one.targetDatabase === null ? color.yellow('none') : brief(one.targetDatabase),
      one.targetRows === null ? color.yellow('unknown') : count(one.targetRows),
      color.yellow(
        [
          one.problem,
          one.otherOwners.length === 0 ? null : `rows of ${one.otherOwners.map(formatTenant).join(', ')} too`,
        ]
          .filter((part) => part !== null)
          .map((part) => brief(part))
          .join('; '),
      ),
    ]),
    color,
  );
  const note = color.dim('Rows are those of the first table; `refill survey TENANT --from … --to …` counts all.');
  return `${color.bold(counted(tenants.length, 'tenant'))}\n${listed}\n${note}`;
}

/** Tenants by cluster, each with its rows in all; a cluster that could not be asked is unknown, never empty. */
export function clustersView(found: readonly ClusterFindings[], color: Paint): string {
  const known = found.filter((one) => one.error === null);
  const unknown = found.flatMap(({ cluster, error }) => (error === null ? [] : [{ cluster, error }]));
  const told = known.map(({ cluster, tenants }) => {
    // One that is unknown makes the sum unknown.
    const rows = tenants.reduce<number | null>(
      (sum, one) => (sum === null || one.targetRows === null ? null : sum + one.targetRows),
      0,
    );
    const head = `${color.bold(`Cluster ${brief(cluster)}`)}  ${color.dim(`target rows ${count(rows)}`)}`;
    return `${head}\n${tenantsView(tenants, color)}`;
  });
  return [...told, ...(unknown.length === 0 ? [] : [unknownView(unknown, color)])].join('\n\n');
}

/** Clusters that could not be asked, with the reason. */
export function unknownView(unknown: readonly UnknownCluster[], color: Paint): string {
  return unknown
    .map(
      ({ cluster, error }) =>
        `${color.bold(`Cluster ${brief(cluster)}`)}  ${color.yellow('unknown')}: ${error.code}: ${visible(error.message)}\n  ${color.cyan('→')} ${visible(error.hint)}`,
    )
    .join('\n');
}

function days(survey: Survey, name: string, color: Paint): string {
  const all = survey.days.filter((day) => day.table === name);
  const shown = all.slice(0, SHOWN_DAYS);
  const rest = all.length - shown.length;
  const listed = table(
    [
      { head: brief(name) },
      { head: 'in the target', right: true },
      { head: 'distinct keys', right: true },
      { head: 'should be there', right: true },
      { head: 'left out', right: true },
    ],
    shown.map((day) => [
      day.day,
      day.target === day.source ? count(day.target) : color.yellow(count(day.target)),
      count(day.targetKeys),
      count(day.source),
      count(Object.values(day.excluded).reduce((sum, rows) => sum + rows, 0)),
    ]),
    color,
  );
  return rest > 0 ? `${listed}\n  ${color.dim(`… and ${counted(rest, 'more day')}, with --json`)}` : listed;
}

/** What a range of one tenant holds, by table and, unless it stands among many, by day. */
export function surveyView(survey: Survey, color: Paint, options: { readonly days?: boolean } = {}): string {
  const excluded = excludedRows(survey.tables, color);
  const untimed = survey.untimed.map(
    (one) =>
      `  ${brief(one.table)}: ${one.rows === null ? 'source rows' : counted(one.rows, 'source row')} without a time (${brief(one.reason)})${
        one.rows === null ? ' were not counted: --untimed does' : ''
      }`,
  );
  return [
    `${color.bold(brief(formatTenant(survey.tenant)))}  ${range(survey.range)} ${color.dim('UTC')}  ${color.dim(
      `cluster ${brief(survey.cluster)}, dataset ${brief(survey.dataset)}`,
    )}`,
    table(
      [
        { head: 'table' },
        { head: 'in the target', right: true },
        { head: 'distinct keys', right: true },
        { head: 'should be there', right: true },
      ],
      survey.tables.map((one) => [brief(one.table), count(one.target), count(one.targetKeys), count(one.source)]),
      color,
    ),
    ...(excluded === null ? [] : ['', excluded]),
    ...(options.days === false ? [] : survey.tables.flatMap((one) => ['', days(survey, one.table, color)])),
    ...(untimed.length === 0 ? [] : ['', ...untimed]),
  ].join('\n');
}
