import type { FleetEvent, FleetProgress, FleetResult } from '../../domain/fleet-events.ts';
import type { FleetState } from '../../domain/fleet.ts';
import { formatTenant } from '../../domain/words.ts';
import type { FleetRecord } from '../../ledger/ledger.ts';
import type { FleetStatus } from '../../refill.ts';
import { clusterTable, unprovenTable, withoutRunning } from '../../report/fleet-tables.ts';
import { brief, count, counted, duration, moment, percent, range, visible } from '../../report/format.ts';
import { writtenWords } from '../../report/summary.ts';
import type { TextTable } from '../../report/text-table.ts';
import type { Cli } from '../cli.ts';
import type { Paint } from '../paint.ts';
import { changeLine, eventView, progressBar, type ProgressView } from '../progress.ts';
import type { ConfigOptions } from '../session.ts';
import { commandLine } from '../shell.ts';
import { facts, table } from '../table.ts';
import { holderWords, workflowWords } from './status.ts';
import { nextView } from './result.ts';

const WIDE = 110;
/** Tenants that are not proven which a terminal lists; `--json` has all. */
const SHOWN_UNPROVEN = 50;

/** One snapshot of a fleet in one line: how far, how fast, how long, and what it does or waits for. */
export function fleetLine(progress: FleetProgress, color: Paint, width = WIDE): string {
  const { tenants, rowsWritten, rowsTotal, left } = progress;
  const ended = tenants.proven + tenants.differences + tenants.failed;
  // Written is not done: deletes and proofs follow, so nothing is whole before the last tenant is.
  const written = ended === tenants.total ? rowsTotal : Math.min(rowsWritten, Math.floor(rowsTotal * 0.99));
  const parts = [
    `${ended}/${tenants.total} tenants`,
    tenants.running > 0 ? `${tenants.running} running` : null,
    tenants.failed > 0 ? color.red(`${tenants.failed} failed`) : null,
    width >= WIDE && progress.rowsPerSecond > 0 ? `${count(progress.rowsPerSecond)} rows/s` : null,
    left === null || left.seconds === 0
      ? null
      : `${duration(left.seconds)} left (${duration(left.low)} to ${duration(left.high)})`,
    visible(progress.doing),
  ].filter((part) => part !== null);
  const share = rowsTotal === 0 ? 0 : written / rowsTotal;
  return `${progressBar(share, color)} ${rowsTotal === 0 ? '' : `${percent(written, rowsTotal)}  `}${parts.join(' · ')}`;
}

/** A change in one line, with the tenant that it is about. */
function fleetChange(event: FleetEvent, color: Paint): string | null {
  switch (event.type) {
    case 'fleet-started':
      return `fleet ${color.bold(event.fleet)} ${event.resumed ? 'goes on' : 'begins'}: ${counted(event.reach.tenants, 'tenant')} on ${counted(event.reach.clusters, 'cluster')}, ${range(event.range)} UTC`;
    case 'fleet-notice':
      return visible(event.message);
    case 'tenant-failed':
      return `${color.red(`${tenantOf(event)} failed`)}: ${event.error.code}: ${visible(event.error.message)}`;
    case 'result': {
      const tone = event.state === 'succeeded' ? color.green : event.state === 'paused' ? color.yellow : color.red;
      const words = event.state === 'succeeded' ? 'proven' : event.state;
      const why = event.error === undefined ? '' : `: ${event.error.code}: ${visible(event.error.message)}`;
      return `${tone(`${tenantOf(event)} ${words}`)} in ${duration(event.seconds)}, ${counted(event.rowsWritten, 'row')} written${why}`;
    }
    case 'window':
    case 'delete':
    case 'notice': {
      const line = changeLine(event, color);
      return line === null ? null : `${tenantOf(event)}: ${line}`;
    }
    case 'started':
    case 'fleet-progress':
    case 'fleet-result':
      return null;
    default:
      return null;
  }
}

const tenantOf = (event: { readonly tenant: { readonly customer: string; readonly profile: string } }) =>
  brief(formatTenant(event.tenant));

/** How a fleet is shown while it goes on. */
export function fleetProgressView(cli: Cli): ProgressView<FleetEvent> {
  return eventView(cli, {
    status: (event, color, width) => (event.type === 'fleet-progress' ? fleetLine(event, color, width) : null),
    change: (event, color) => (event.type === 'window' && event.state !== 'failed' ? null : fleetChange(event, color)),
    scrolls: (event) => event.type !== 'delete' || event.state === 'failed',
  });
}

function textTable({ head, rows }: TextTable, color: Paint): string {
  const right = (at: number) => at > 0 && rows.every((row) => /^([\d,—]*|unknown)$/u.test(row[at] ?? ''));
  return table(
    head.map((name, at) => ({ head: name, right: right(at) })),
    rows.map((row) => row.map((cell) => brief(cell, 200))),
    color,
  );
}

const HEADLINES: Readonly<Record<FleetResult['state'], string>> = {
  succeeded: 'Succeeded: every tenant is proven, nothing differs',
  differences: 'Done, and rows that differ are left',
  failed: 'Failed: not every tenant is proven',
  paused: 'Paused: what is done stays done',
  cancelled: 'Cancelled: what is done stays done',
};

function notProven(
  unproven: FleetResult['unproven'],
  unknown: FleetResult['unknown'],
  color: Paint,
): readonly string[] {
  if (unproven.length + unknown.length === 0) return [];
  const rest = unproven.length - SHOWN_UNPROVEN;
  return [
    `\n${color.bold('Not proven')}`,
    textTable(unprovenTable(unproven.slice(0, SHOWN_UNPROVEN), unknown), color),
    ...(rest > 0 ? [`  ${color.dim(`… and ${count(rest)} more, with --json`)}`] : []),
  ];
}

type Step = readonly [command: string, what: string];

function nextSteps(fleet: string, state: FleetState, atWork: boolean, options: ConfigOptions): readonly Step[] {
  const step = (verb: string, what: string, ...more: string[]): Step => [
    commandLine([verb, fleet, ...more], options),
    what,
  ];
  switch (state) {
    case 'planned':
      return [step('run', 'do it', '--execute')];
    case 'running':
      return atWork
        ? [step('pause', 'let it finish what it has begun, and stop'), step('cancel', 'end it')]
        : [step('resume', 'go on where it was interrupted'), step('cancel', 'end it')];
    case 'paused':
      return [step('resume', 'go on'), step('cancel', 'end it')];
    case 'succeeded':
      return [step('report', 'keep the evidence', '--output', 'fleet.html')];
    case 'failed':
    case 'differences':
    case 'cancelled':
      return [
        step('retry', 'continue every tenant that is not proven', '--execute'),
        step('report', 'everything that is known'),
      ];
    default:
      return [];
  }
}

/** How a fleet ended: by cluster, and everybody who is not proven with the reason. */
export function fleetResultView(result: FleetResult, color: Paint, options: ConfigOptions): string {
  const { tenants, error } = result;
  const tone = result.state === 'succeeded' ? color.green : result.state === 'paused' ? color.yellow : color.red;
  const mark = result.state === 'succeeded' ? '✓' : result.state === 'paused' ? '‖' : '✗';
  return [
    tone(color.bold(`${mark} ${HEADLINES[result.state]}`)),
    facts(
      [
        ['fleet', result.fleet],
        [
          'tenants',
          `${count(tenants.total)}: ${count(tenants.proven)} proven, ${count(tenants.differences)} with differences, ${count(tenants.failed)} failed, ${count(tenants.left)} left`,
        ],
        ['time', duration(result.seconds)],
      ],
      color,
    ),
    ...(error === undefined
      ? []
      : [`\n  ${color.red(error.code)}: ${visible(error.message)}`, `  ${color.cyan('→')} ${visible(error.hint)}`]),
    '',
    textTable(clusterTable(result.clusters, result.unknown), color),
    ...notProven(result.unproven, result.unknown, color),
    nextView(nextSteps(result.fleet, result.state, false, options), color),
  ].join('\n');
}

/** A fleet's state as a person understands it: one that nobody is at work on was interrupted. */
function stateWords(fleet: FleetRecord): string {
  if (fleet.state !== 'running') return fleet.state;
  if (fleet.holder === null && fleet.executor === 'local') return 'interrupted';
  if (fleet.wanted === 'run') return 'running';
  return fleet.wanted === 'pause' ? 'running, pause asked for' : 'running, cancel asked for';
}

/** Where a fleet is, by cluster. */
export function fleetStatusView(
  { fleet, clusters, unproven }: FleetStatus,
  color: Paint,
  options: ConfigOptions,
): string {
  const { holder, reach, workflow } = fleet;
  const atTemporal = fleet.state === 'running' && workflow !== null;
  const running = clusters.reduce((n, one) => n + one.running, 0);
  const written = clusters.reduce((n, one) => n + one.rowsWritten, 0);
  // What is left or at work needs no reason as long as the fleet goes on.
  const told = unproven.filter((one) => one.state === 'failed' || one.state === 'differences');
  return [
    `${color.bold(`Fleet ${fleet.id}`)}  ${stateWords(fleet)}`,
    facts(
      [
        ['range', `${range(fleet.request.range)} ${color.dim('UTC, the end not included')}`],
        ['tenants', `${count(clusters.reduce((n, one) => n + one.tenants, 0))}, ${count(running)} at work`],
        ['written', writtenWords({ rowsWritten: written, rowsWrittenAgain: 0 }, reach.rowsToWrite)],
        ['begun', fleet.begunAt === null ? 'not yet' : `${moment(fleet.begunAt)} UTC`],
        ['ended', fleet.finishedAt === null ? 'not yet' : `${moment(fleet.finishedAt)} UTC`],
        ['time at work', duration(fleet.seconds)],
        ['at work', atTemporal ? workflowWords(workflow) : holderWords(holder)],
      ],
      color,
    ),
    '',
    textTable(clusterTable(clusters.map(withoutRunning), fleet.unknown), color),
    ...notProven(told, fleet.unknown, color),
    nextView(nextSteps(fleet.id, fleet.state, holder !== null || atTemporal, options), color),
  ].join('\n');
}

/** A fleet as `--json` prints it: its record with its id as `fleet`, and how its clusters stand. */
export function fleetStatusJson({ fleet, clusters, unproven }: FleetStatus): Readonly<Record<string, unknown>> {
  return { fleet: fleet.id, ...fleet, clusters, unproven };
}

/** The ledger's fleets, newest first. */
export function fleetsView(fleets: readonly FleetRecord[], color: Paint): string {
  if (fleets.length === 0) return 'No fleets yet. `refill plan --all --from … --to …` makes one.';
  return table(
    [
      { head: 'fleet' },
      { head: 'state' },
      { head: 'range (UTC)' },
      { head: 'tenants', right: true },
      { head: 'to delete', right: true },
      { head: 'to write', right: true },
      { head: 'made (UTC)' },
      { head: 'by' },
    ],
    fleets.map((fleet) => [
      fleet.id,
      stateWords(fleet),
      range(fleet.request.range),
      count(fleet.reach.tenants),
      count(fleet.reach.rowsToDelete),
      count(fleet.reach.rowsToWrite),
      moment(fleet.createdAt),
      brief(fleet.createdBy),
    ]),
    color,
  );
}
