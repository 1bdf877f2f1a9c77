import { formatTenant } from '../../domain/words.ts';
import type { FleetInfo } from '../../embedded/fleet.ts';
import { brief, count, counted, duration, range } from '../../report/format.ts';
import type { FleetSample } from '../fleet-box.ts';
import type { Paint } from '../paint.ts';
import { commandLine, rangeWords } from '../shell.ts';
import { facts, table, type TableColumn } from '../table.ts';
import { nextView } from './result.ts';

/** A fleet that is up, and how to reach it; without the passwords, which are in files. */
export function fleetView(fleet: FleetInfo, sample: FleetSample | null, dir: string, color: Paint): string {
  const { host, port, user } = fleet.ledger;
  const engines = new Set(fleet.clusters.map(({ engine }) => engine)).size;
  const shared = engines < fleet.clusters.length;
  const dirWords = dir === '.refill' ? [] : ['--dir', dir];
  return [
    color.green(color.bold(`✓ A fleet of ${counted(fleet.clusters.length, 'cluster')} is up`)),
    facts(
      [
        ['ledger', `${host}:${port}, user ${user} ${color.dim('(passwords: refill up --fleet --json)')}`],
        ['config', fleet.config],
        ...(shared ? [['engines', `${engines}, as memory is short: some clusters share one`] as const] : []),
      ],
      color,
    ),
    clusterTable(fleet, sample, color),
    ...(sample === null ? [] : [sampleFacts(sample, color)]),
    nextView(
      [
        ...(sample === null
          ? [
              [
                commandLine(['sample', 'fleet', ...dirWords]),
                'fill them with sample data; a sample that is there is replaced',
              ] as const,
            ]
          : steps(fleet, sample, dir)),
        [commandLine(['down', ...dirWords]), 'stop them; their data stays'],
      ],
      color,
    ),
  ].join('\n');
}

/** A fleet that was filled. */
export function fleetSampleView(fleet: FleetInfo, sample: FleetSample, dir: string, color: Paint): string {
  const tenants = sample.clusters.reduce((sum, cluster) => sum + cluster.tenants, 0);
  return [
    `${color.green('✓')} ${counted(tenants, 'tenant')} ${color.dim(`sample ${sample.size}, in ${duration(sample.seconds)}`)}`,
    clusterTable(fleet, sample, color),
    sampleFacts(sample, color),
    nextView(steps(fleet, sample, dir), color),
  ].join('\n');
}

function sampleFacts({ range: of, largest, smallest }: FleetSample, color: Paint): string {
  const words = (tenant: FleetSample['largest']) =>
    `${brief(formatTenant(tenant))} on ${tenant.cluster} ${color.dim(counted(tenant.scores, 'score'))}`;
  return facts(
    [
      ['range', range(of)],
      ['largest', words(largest)],
      ['smallest', words(smallest)],
    ],
    color,
  );
}

function clusterTable(fleet: FleetInfo, sample: FleetSample | null, color: Paint): string {
  const columns: readonly TableColumn[] = [
    { head: 'cluster' },
    { head: 'postgres', right: true },
    { head: 'clickhouse' },
    ...(sample === null ? [] : ['tenants', 'scorecards', 'scores'].map((head) => ({ head, right: true }))),
  ];
  const rows = fleet.clusters.map(({ name, postgres, clickhouse }) => {
    const own = sample?.clusters.find(({ cluster }) => cluster === name);
    const counts = own === undefined ? [] : [own.tenants, own.scorecards, own.scores].map((n) => count(n));
    return [name, `${postgres.host}:${postgres.port}`, clickhouse.http, ...counts];
  });
  return table(columns, rows, color);
}

function steps(fleet: FleetInfo, sample: FleetSample, dir: string): readonly (readonly [string, string])[] {
  const options = { config: dir === '.refill' ? undefined : fleet.config };
  const [, ...rangeOnly] = rangeWords(sample.smallest, sample.range);
  return [
    [commandLine(['survey'], options), 'which tenants are there?'],
    [commandLine(['verify', ...rangeWords(sample.smallest, sample.range)], options), 'what is wrong with the smallest'],
    [commandLine(['run', '--all', ...rangeOnly], options), 'what it takes to put all of them right'],
  ];
}
