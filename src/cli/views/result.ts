import type { RunResult, VerifyResult } from '../../domain/events.ts';
import { formatTenant, type Strategy } from '../../domain/words.ts';
import { brief, count, counted, duration, moment, range, visible } from '../../report/format.ts';
import { deletedWords, writtenWords } from '../../report/summary.ts';
import type { Followed } from '../follow.ts';
import type { Paint } from '../paint.ts';
import { commandLine, rangeWords } from '../shell.ts';
import type { ConfigOptions } from '../session.ts';
import { facts } from '../table.ts';
import { differences, excludedRows, namedKeys, reasonRows, unprovenRows, verifiedTables } from './verified.ts';

const HEADLINES: Readonly<Record<RunResult['state'], string>> = {
  succeeded: 'Succeeded: everything is proven, nothing differs',
  differences: 'Done, and rows that differ are left',
  failed: 'Failed',
  paused: 'Paused: what is done stays done',
  cancelled: 'Cancelled: what is done stays done',
};

/** A purge that stops on the way leaves what no other end of a run does; null where nothing was sent. */
export function gapView(run: Pick<RunResult, 'rowsSent'>, strategy: Strategy | null, color: Paint): string | null {
  if (strategy !== 'purge' || run.rowsSent === 0) return null;
  return `\n  ${color.yellow('! Readers miss the rows that were deleted and are not written yet.')}`;
}

function nextSteps(result: RunResult, options: ConfigOptions): readonly (readonly [string, string])[] {
  const command = (verb: string, ...more: string[]) => commandLine([verb, result.run, ...more], options);
  const report = [
    commandLine(['report', result.run, '--format', 'html', '--output', 'report.html'], options),
    'keep the evidence',
  ] as const;
  switch (result.state) {
    case 'succeeded':
      return [report];
    case 'differences':
      return [
        [command('report'), 'every row that differs, with its reason'],
        [command('retry', '--execute'), 'try to make them equal'],
      ];
    case 'failed':
      return [
        [command('status'), 'what failed, and where'],
        [command('retry', '--execute'), 'continue where it stopped'],
      ];
    case 'paused':
      return [[command('resume'), 'go on']];
    case 'cancelled':
      return [
        [command('status'), 'what was done'],
        [command('retry', '--execute'), 'continue after all'],
      ];
    default:
      return [];
  }
}

/** What stands behind a command line is aligned, unless the command is longer. */
const LONG_COMMAND = 66;

/** Command lines and what they are for, as the end of a text. */
export function nextView(steps: readonly (readonly [command: string, what: string])[], color: Paint): string {
  const width = Math.min(LONG_COMMAND, Math.max(0, ...steps.map(([command]) => command.length)));
  const lines = steps.map(([command, what]) => `  ${color.cyan(command.padEnd(width))}  ${color.dim(what)}`);
  return [`\n${color.bold('Next')}`, ...lines].join('\n');
}

const DEPENDENT_WORDS = {
  left: 'left: it counts re-derived rows again',
  bypassed: 'bypassed: the run’s rows did not reach it',
  rebuilt: 'rebuilt and proven',
  pending: 'not rebuilt yet: it counts re-derived rows again',
} as const;

/** What became of each dependent that the run could harm. */
function dependentLines({ dependents }: RunResult, color: Paint): readonly string[] {
  return dependents.map(({ name, state }) => {
    const words = `${visible(name)} ${DEPENDENT_WORDS[state]}`;
    return `  ${state === 'left' || state === 'pending' ? color.yellow(`! ${words}`) : words}`;
  });
}

/** How a run ended. */
export function resultView({ result, strategy }: Followed, color: Paint, options: ConfigOptions): string {
  const tone = result.state === 'succeeded' ? color.green : result.state === 'paused' ? color.yellow : color.red;
  const mark = result.state === 'succeeded' ? '✓' : result.state === 'paused' ? '‖' : '✗';
  const excluded = excludedRows(result.tables, color);
  const unproven = unprovenRows(result.unproven, color);
  const keys = namedKeys(result.tables, color);
  const gap = gapView(result, strategy, color);
  const { error } = result;
  return [
    tone(color.bold(`${mark} ${HEADLINES[result.state]}`)),
    facts(
      [
        ['run', result.run],
        ['deleted', deletedWords(result)],
        ['written', writtenWords(result)],
        ['differences', count(result.differences)],
        ['time', duration(result.seconds)],
      ],
      color,
    ),
    ...(gap === null ? [] : [gap]),
    ...(error === undefined
      ? []
      : [`\n  ${color.red(error.code)}: ${visible(error.message)}`, `  ${color.cyan('→')} ${visible(error.hint)}`]),
    ...(result.tables.length === 0 ? [] : ['', verifiedTables(result.tables, color)]),
    ...(excluded === null ? [] : ['', excluded]),
    ...(result.dependents.length === 0 ? [] : ['', ...dependentLines(result, color)]),
    ...(unproven === null ? [] : ['', unproven]),
    ...(keys === null ? [] : ['', keys]),
    nextView(nextSteps(result, options), color),
  ].join('\n');
}

/** What `refill verify` found. */
export function verifyView(result: VerifyResult, color: Paint, options: ConfigOptions): string {
  const wrong = differences(result.tables);
  const excluded = excludedRows(result.tables, color);
  const unproven = unprovenRows(result.unproven, color);
  const keys = namedKeys(result.tables, color);
  const tenant = formatTenant(result.tenant);
  const words = ['plan', ...rangeWords(result.tenant, result.range)];
  return [
    result.ok
      ? color.green(color.bold('✓ Equal: every row that should be there is there, and nothing else'))
      : color.red(color.bold(`✗ ${counted(wrong, 'row')} ${wrong === 1 ? 'differs' : 'differ'}`)),
    facts(
      [
        ['tenant', brief(tenant)],
        ['range', `${range(result.range)} ${color.dim('UTC, the end not included')}`],
        ['snapshot', `${moment(result.snapshot)} ${color.dim('UTC: the source as it was then')}`],
      ],
      color,
    ),
    '',
    verifiedTables(result.tables, color),
    ...(excluded === null ? [] : ['', excluded]),
    ...(unproven === null ? [] : ['', unproven]),
    ...(result.reasons.length === 0 ? [] : ['', reasonRows(result.reasons, color)]),
    ...(keys === null ? [] : ['', keys]),
    ...(result.ok ? [] : [nextView([[commandLine(words, options), 'what it takes to make them equal']], color)]),
  ].join('\n');
}
