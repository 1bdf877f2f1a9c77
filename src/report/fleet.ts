import { formatTenant } from '../domain/words.ts';
import type { FleetReport } from '../refill.ts';
import { escapeMarkdown } from './escape.ts';
import { clusterTable, type TextTable, unprovenTable, withoutRunning } from './fleet-tables.ts';
import { count, counted, duration, moment, range } from './format.ts';
import { STYLE } from './html.ts';
import { table } from './markdown.ts';
import { markup } from './markup.ts';

/** A fleet as one object for programs. */
export function fleetJson(report: FleetReport): Readonly<Record<string, unknown>> {
  const { fleet, clusters, unproven, members, audit, plan } = report;
  return { fleet, clusters, unproven, members, audit, plan };
}

function sections({
  fleet,
  clusters,
  unproven,
  members,
  audit,
  plan,
}: FleetReport): readonly (readonly [title: string, table: TextTable])[] {
  const planned = new Map(plan.members.map((member) => [member.order, member]));
  return [
    ['Results by cluster', clusterTable(clusters.map(withoutRunning), fleet.unknown)],
    ['Not proven', unprovenTable(unproven, fleet.unknown)],
    [
      'Tenants',
      {
        head: ['order', 'cluster', 'tenant', 'state', 'rows before', 'to delete', 'to write', 'written', 'run', 'plan'],
        rows: members.map((one) => [
          String(one.order),
          one.cluster,
          formatTenant(one),
          one.state,
          count(planned.get(one.order)?.rowsBefore),
          count(planned.get(one.order)?.rowsToDelete),
          count(one.rowsToWrite),
          count(one.rowsWritten),
          one.run ?? '—',
          one.plan ?? '—',
        ]),
      },
    ],
    [
      'Who did what',
      {
        head: ['when (UTC)', 'who', 'what'],
        rows: audit.map((one) => [moment(one.at), `${one.actor.user}@${one.actor.host}`, one.action]),
      },
    ],
  ];
}

function facts({ fleet }: FleetReport): TextTable {
  const { reach } = fleet;
  return {
    head: ['what', 'value'],
    rows: [
      ['state', fleet.state],
      ['fleet', `${fleet.id}, made ${moment(fleet.createdAt)} UTC by ${fleet.createdBy}`],
      ['range', `${range(fleet.request.range)} (UTC; the end is not part of it)`],
      ['dataset', fleet.dataset],
      ['touches at most', `${counted(reach.tenants, 'tenant')} on ${counted(reach.clusters, 'cluster')}`],
      ['rows to delete', count(reach.rowsToDelete)],
      ['rows to write', count(reach.rowsToWrite)],
      ['rows rewritten', count(reach.rowsToRewrite)],
      ['begun', fleet.begunAt === null ? 'not yet' : `${moment(fleet.begunAt)} UTC`],
      ['ended', fleet.finishedAt === null ? 'not yet' : `${moment(fleet.finishedAt)} UTC`],
      ['time at work', duration(fleet.seconds)],
    ],
  };
}

const title = ({ fleet }: FleetReport) => `Refill of a fleet, ${range(fleet.request.range)}`;

/** A fleet as a Markdown page: the results by cluster, and everybody who is not proven with the reason. */
export function fleetMarkdown(report: FleetReport): string {
  return `${[
    `# ${escapeMarkdown(title(report))}: ${report.fleet.state}`,
    table(facts(report).head, facts(report).rows),
    ...sections(report).map(
      ([name, { head, rows }]) => `## ${name}\n\n${rows.length === 0 ? 'None.' : table(head, rows)}`,
    ),
  ].join('\n\n')}\n`;
}

/** The same as one HTML file. */
export function fleetHtml(report: FleetReport): string {
  const { state } = report.fleet;
  const htmlTable = ({ head, rows }: TextTable) =>
    rows.length === 0
      ? markup`<p>None.</p>`
      : markup`<div class="scroll"><table><thead><tr>${head.map((name) => markup`<th>${name}</th>`)}</tr></thead><tbody>${rows.map(
          (row) =>
            markup`<tr>${row.map((cell) => markup`<td class="${/^[\d,—]+$/u.test(cell) ? 'n' : ''}">${cell}</td>`)}</tr>\n`,
        )}</tbody></table></div>`;
  return markup`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title(report)}: ${state}</title><style>${STYLE}</style></head><body>
<h1>${title(report)} <span class="state ${state}">${state}</span></h1>
<p class="sub">fleet ${report.fleet.id}</p>
${sections(report).map(([name, one]) => markup`<h2>${name}</h2>${htmlTable(one)}\n`)}
<h2>The fleet</h2>${htmlTable(facts(report))}
</body></html>
`.text;
}
