import type { EmbeddedInfo } from '../../embedded/info.ts';
import { formatTenant } from '../../domain/words.ts';
import { brief, duration, range } from '../../report/format.ts';
import type { Paint } from '../paint.ts';
import type { Sample } from '../sample.ts';
import { commandLine, rangeWords } from '../shell.ts';
import { facts } from '../table.ts';
import { nextView } from './result.ts';

/** What was filled in, in a line. */
export function sampleLine(sample: Sample, color: Paint): string {
  return `${brief(formatTenant(sample.tenant))}, ${range(sample.range)} ${color.dim(`sample ${sample.size}, in ${duration(sample.seconds)}`)}`;
}

/** What to try first on a sample. */
export function sampleSteps(sample: Sample, config: string | undefined): readonly (readonly [string, string])[] {
  const options = { config };
  return [
    [commandLine(['verify', ...rangeWords(sample.tenant, sample.range)], options), 'what is wrong with it'],
    [commandLine(['plan', ...rangeWords(sample.tenant, sample.range)], options), 'what it takes to put it right'],
  ];
}

/** Servers that are up, and how to reach them; without the password, which is in a file. */
export function upView(info: EmbeddedInfo, sample: Sample | null, dir: string, color: Paint): string {
  // In .refill/ the configuration is found by itself.
  const config = dir === '.refill' ? undefined : info.config;
  const { host, port, user } = info.postgres;
  const dirWords = dir === '.refill' ? [] : ['--dir', dir];
  return [
    color.green(color.bold('✓ Postgres and ClickHouse are up')),
    facts(
      [
        ['postgres', `${host}:${port}, user ${user} ${color.dim('(password: refill up --json)')}`],
        [
          'clickhouse',
          `${info.clickhouse.http}, user ${info.clickhouse.user} ${color.dim('(password: refill up --json)')}`,
        ],
        ['config', info.config],
        ...(sample === null ? [] : [['sample', sampleLine(sample, color)] as const]),
      ],
      color,
    ),
    nextView(
      [
        ...(sample === null
          ? [
              [
                commandLine(['sample', 'small', ...dirWords]),
                'fill them with sample data; a sample that is there is replaced',
              ] as const,
            ]
          : sampleSteps(sample, config)),
        [commandLine(['down', ...dirWords]), 'stop them; their data stays'],
      ],
      color,
    ),
  ].join('\n');
}

/** A Temporal server that is up, and how to run over it. */
export function temporalView(address: string, config: string | undefined, color: Paint): string {
  const options = { config };
  return [
    `Temporal is at ${address}, which the configuration names. To run over it:`,
    `  ${color.cyan(commandLine(['worker'], options))}`,
    `  ${color.cyan(commandLine(['run', 'CUSTOMER/PROFILE', '--from', 'DAY', '--to', 'DAY', '--executor', 'temporal'], options))}`,
    `For the temporal command line: ${color.cyan(`export TEMPORAL_ADDRESS=${address}`)}`,
  ].join('\n');
}
