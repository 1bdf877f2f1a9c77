import type { Explanation, RunResult, VerifyResult } from '../../domain/events.ts';
import type { Plan } from '../../domain/plan.ts';
import { formatTenant } from '../../domain/words.ts';
import { brief, count, counted, duration, range, visible } from '../../report/format.ts';
import type { Paint } from '../paint.ts';
import type { Sample } from '../sample.ts';
import { commandLine, rangeWords } from '../shell.ts';
import { table } from '../table.ts';
import { warningLines } from './plan.ts';
import { nextView } from './result.ts';
import { differences, excludedRows, reasonRows, verifiedTables } from './verified.ts';

/** Kinds and reasons that the demo lists; the rest is small. */
const SHOWN_REASONS = 12;

function indent(text: string): string {
  return text
    .split('\n')
    .map((line) => (line === '' ? '' : ` ${line}`))
    .join('\n');
}

/** What was filled in. */
export function sampleStep(sample: Sample, color: Paint): string {
  return [
    `\n${color.bold('2. Sample data')}  tenant ${brief(formatTenant(sample.tenant))}, ${range(sample.range)}`,
    `   Postgres holds the truth, ClickHouse what an old program made of it: appeals that do not belong,`,
    `   rows that are stale, missing, doubled or orphaned. Filled in ${duration(sample.seconds)}.`,
  ].join('\n');
}

/** What verify found. */
export function verifyStep(result: VerifyResult, color: Paint): string {
  const wrong = differences(result.tables);
  return [
    `   ${result.ok ? color.green('✓ nothing differs') : color.red(`✗ ${counted(wrong, 'row')} ${wrong === 1 ? 'differs' : 'differ'}`)}`,
    indent(verifiedTables(result.tables, color)),
    ...(result.reasons.length === 0 ? [] : ['', indent(reasonRows(result.reasons, color, SHOWN_REASONS))]),
  ].join('\n');
}

/** What the plan says, in words. */
export function planStep(plan: Plan, color: Paint): string {
  const { cost } = plan;
  return [
    `\n${color.bold('4. Plan')}  ${plan.id}, saved before anything is changed`,
    `   Write ${counted(cost.rowsToWrite, 'row')} again in ${counted(plan.windows.length, 'window')}, prove them, then delete the ${count(cost.rowsToDelete)}`,
    `   that are older in ${counted(plan.deletes.length, 'delete')}: whoever reads meanwhile misses no row.`,
    ...warningLines(plan, color, 1).map((line) => ` ${line}`),
  ].join('\n');
}

/** Why one appeal is not there any more. */
export function explainStep(explanation: Explanation, color: Paint): string {
  return [
    `\n${color.bold('7. Explain')}  one of the rows that are gone: ${brief(explanation.id)}`,
    `   ${color.bold(explanation.verdict)}${explanation.reason === null ? '' : ` (${brief(explanation.reason)})`}: ${visible(explanation.why)}`,
  ].join('\n');
}

export interface DemoEnd {
  readonly sample: Sample;
  readonly plan: Plan;
  readonly result: RunResult;
  readonly after: VerifyResult;
  readonly seconds: number;
  /** Where the servers were kept; null where they are gone. */
  readonly keep: string | null;
  /** The configuration, where it is not found by itself. */
  readonly config: string | undefined;
  /** Whether npm has started this, so that `refill` alone may not be known to the shell. */
  readonly npm: boolean;
}

/** Before, after, source and reasons; and what to do next. */
export function demoEnd(end: DemoEnd, color: Paint): string {
  const { plan, result, after, sample } = end;
  const rows = after.tables.map((one) => {
    const before = plan.counts.find((counts) => counts.table === one.table)?.target ?? null;
    return [
      brief(one.table),
      count(before),
      count(one.target),
      count(one.source),
      one.source === one.target && after.ok ? color.green('equal') : color.red('differs'),
    ];
  });
  const excluded = excludedRows(after.tables, color);
  return [
    `\n${color.bold('The result')}  ${result.state}, in ${duration(end.seconds)} all together`,
    table(
      [
        { head: 'table' },
        { head: 'before', right: true },
        { head: 'after', right: true },
        { head: 'source', right: true },
        { head: '' },
      ],
      rows,
      color,
    ),
    ...(excluded === null ? [] : ['', '  Every source row that is not in ClickHouse has a reason:', excluded]),
    nextView(nextSteps(end, sample), color),
    ...(end.npm ? [color.dim('\n  In this directory, `npx refill` is `refill`.')] : []),
  ].join('\n');
}

function nextSteps(end: DemoEnd, sample: Sample): readonly (readonly [string, string])[] {
  if (end.keep === null) {
    return [
      ['refill demo --keep', 'the same, with the servers left running to look around'],
      ['refill up --sample small', 'or step by step: servers, then plan, run, verify'],
      ['refill init', 'a configuration for servers of your own'],
    ];
  }
  const options = { config: end.config };
  return [
    [commandLine(['report', end.result.run, '--output', 'report.html'], options), 'the evidence, as a page'],
    [commandLine(['survey', ...rangeWords(sample.tenant, sample.range)], options), 'both sides by day'],
    [commandLine(['down', ...(end.keep === '.refill' ? [] : ['--dir', end.keep])]), 'stop the servers'],
  ];
}
