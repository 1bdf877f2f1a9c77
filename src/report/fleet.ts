import { formatTenant } from '../domain/words.ts';
import type { FleetReport } from '../refill.ts';
import { clusterTable, unprovenTable, withoutRunning } from './fleet-tables.ts';
import { count, counted, duration, moment, range } from './format.ts';
import type { TablePage } from './page.ts';

/** A fleet as one object for programs. */
export function fleetJson(report: FleetReport): Readonly<Record<string, unknown>> {
  const { fleet, clusters, unproven, members, audit, plan } = report;
  return { fleet, clusters, unproven, members, audit, plan };
}

function sections({ fleet, clusters, unproven, members, audit, plan }: FleetReport): TablePage['sections'] {
  const planned = new Map(plan.members.map((member) => [member.order, member]));
  return [
    { title: 'Results by cluster', table: clusterTable(clusters.map(withoutRunning), fleet.unknown) },
    { title: 'Not proven', table: unprovenTable(unproven, fleet.unknown) },
    {
      title: 'Tenants',
      table: {
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
    },
    {
      title: 'Who did what',
      table: {
        head: ['when (UTC)', 'who', 'what'],
        rows: audit.map((one) => [moment(one.at), `${one.actor.user}@${one.actor.host}`, one.action]),
      },
    },
  ];
}

function facts({ fleet }: FleetReport): TablePage['facts'] {
  const { reach } = fleet;
  return [
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
  ];
}

/** A fleet as a page: the results by cluster, and everybody who is not proven with the reason. */
export function fleetPage(report: FleetReport): TablePage {
  const { id, state, request } = report.fleet;
  return {
    title: `Refill of a fleet, ${range(request.range)}`,
    state,
    tone: state,
    of: `fleet ${id}`,
    facts: facts(report),
    sections: sections(report),
  };
}
