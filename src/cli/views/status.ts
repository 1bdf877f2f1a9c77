import type { Plan } from '../../domain/plan.ts';
import { formatTenant } from '../../domain/words.ts';
import type { RunRecord } from '../../ledger/ledger.ts';
import type { RunDetails } from '../../refill.ts';
import { brief, count, counted, duration, moment, percent, range, visible } from '../../report/format.ts';
import { countStates, deletedWords, failures, mergedAway, stateWords, writtenWords } from '../../report/summary.ts';
import type { Paint } from '../paint.ts';
import type { ConfigOptions } from '../session.ts';
import { commandLine } from '../shell.ts';
import { facts, table } from '../table.ts';
import { gapView, nextView } from './result.ts';

/** Failures that a terminal lists; `--json` has all. */
const SHOWN_FAILURES = 10;

function tone(run: RunRecord, color: Paint): (text: string) => string {
  if (run.state === 'succeeded') return color.green;
  if (run.state === 'running' && isAtWork(run)) return color.cyan;
  return run.state === 'failed' || run.state === 'differences' ? color.red : color.yellow;
}

/** A workflow that has ended without its run is found out when the status is read, and the run is failed then. */
function isAtWork(run: RunRecord): boolean {
  return run.holder !== null || run.executor === 'temporal';
}

/** Who is at work on a run, a fleet or a backfill. */
export function holderWords(holder: RunRecord['holder']): string {
  if (holder === null) return 'nobody';
  const { user, host, pid, since } = holder;
  return `${visible(user)}@${visible(host)}, process ${pid}, since ${moment(since)} UTC`;
}

/** Likewise, where it is a workflow. */
export const workflowWords = (workflow: string): string => `Temporal, workflow ${visible(workflow)}`;

function states(records: readonly { readonly state: string }[]): string {
  const parts = Object.entries(countStates(records)).map(([state, number]) => `${count(number)} ${state}`);
  return parts.length === 0 ? 'none' : parts.join(', ');
}

function steps(run: RunRecord, options: ConfigOptions): readonly (readonly [string, string])[] {
  const step = (verb: string, what: string) =>
    [commandLine([verb, run.id, ...(verb === 'retry' ? ['--execute'] : [])], options), what] as const;
  switch (run.state) {
    case 'running':
      return !isAtWork(run)
        ? [step('resume', 'go on where it was interrupted'), step('cancel', 'end it')]
        : [step('pause', 'let it finish what it has begun, and stop'), step('cancel', 'end it')];
    case 'paused':
      return [step('resume', 'go on'), step('cancel', 'end it')];
    case 'failed':
    case 'cancelled':
    case 'differences':
      return [step('retry', 'go on with what is not done'), step('report', 'everything that is known of it')];
    case 'succeeded':
      return [step('report', 'everything that is known of it')];
    default:
      return [];
  }
}

/** How far a purge is with what comes before its deletes. */
function rehearsalFact({ run, windows, deletes }: RunDetails, color: Paint): readonly (readonly [string, string])[] {
  const pending = new Set(deletes.flatMap(({ id, state }) => (state === 'pending' ? [id] : [])));
  if (run.strategy !== 'purge' || pending.size === 0) return [];
  const due = windows.filter((window) => pending.has(window.delete));
  const rehearsed = due.filter((window) => window.rehearsed).length;
  const why = color.dim('before the deletes that are pending');
  return [['rehearsed', `${count(rehearsed)} of ${counted(due.length, 'window')} ${why}`]];
}

/** Where a run is, what failed, and what can be done. */
export function statusView(details: RunDetails, color: Paint, options: ConfigOptions): string {
  const { run, plan, fleet, windows, deletes } = details;
  const failed = failures(details);
  const gap = gapView(run, run.strategy, color);
  const done = windows.filter(({ state }) => state === 'done').length;
  const lines = failed
    .slice(0, SHOWN_FAILURES)
    .flatMap(({ where, error }) => [
      `  ${color.red(`${where}: ${error.code}`)} ${visible(error.message)}`,
      `    ${color.cyan('→')} ${visible(error.hint)}`,
    ]);
  const rest = failed.length - SHOWN_FAILURES;
  return [
    `${color.bold(`Run ${run.id}`)}  ${tone(run, color)(stateWords(run))}`,
    facts(
      [
        ['tenant', `${brief(formatTenant(run.tenant))} ${color.dim(`on ${brief(run.tenant.cluster)}`)}`],
        ...(fleet === null
          ? []
          : [['fleet', `${fleet} ${color.dim(commandLine(['status', fleet], options))}`] as const]),
        ['range', `${range(run.range)} ${color.dim('UTC, the end not included')}`],
        ['strategy', `${run.strategy} ${color.dim(`plan ${run.plan}`)}`],
        [
          'windows',
          `${count(done)} of ${count(windows.length)} done, ${percent(done, windows.length)}  ${color.dim(states(windows))}`,
        ],
        ...rehearsalFact(details, color),
        ['deletes', states(deletes)],
        ['written', writtenWords(run, plan.cost.rowsToWrite)],
        ['deleted', `${deletedWords(run, plan.cost.rowsToDelete)}${mergedAway(run, plan.cost.rowsToDelete)}`],
        ['differences', count(run.differences)],
        ['started', `${moment(run.createdAt)} UTC`],
        ['ended', run.finishedAt === null ? 'not yet' : `${moment(run.finishedAt)} UTC`],
        ['time at work', duration(run.seconds)],
        [
          'at work',
          run.workflow !== null && run.state === 'running' ? workflowWords(run.workflow) : holderWords(run.holder),
        ],
      ],
      color,
    ),
    ...(gap === null ? [] : [gap]),
    ...(lines.length === 0 ? [] : [`\n${color.bold('Failures')}`, ...lines]),
    ...(rest > 0 ? [`  ${color.dim(`… and ${count(rest)} more, with --json`)}`] : []),
    nextView(steps(run, options), color),
  ].join('\n');
}

/** A run as `--json` prints it: the run with its windows, deletes and failures. */
export function statusJson(details: RunDetails): Readonly<Record<string, unknown>> {
  const { run, fleet, windows, deletes } = details;
  return {
    ...runJson(run),
    fleet,
    rowsToWrite: details.plan.cost.rowsToWrite,
    rowsToDelete: details.plan.cost.rowsToDelete,
    windowStates: countStates(windows),
    deleteStates: countStates(deletes),
    failures: failures(details),
    windows,
    deletes,
  };
}

/** A run in lists and answers: its record, with its id as `run`. */
export function runJson(run: RunRecord): Readonly<Record<string, unknown>> {
  return { run: run.id, ...run };
}

/** The ledger's runs, newest first. */
export function runsView(runs: readonly RunRecord[], color: Paint): string {
  if (runs.length === 0) return 'No runs yet. `refill plan CUSTOMER/PROFILE --from … --to …` begins one.';
  return table(
    [
      { head: 'run' },
      { head: 'state' },
      { head: 'tenant' },
      { head: 'range (UTC)' },
      { head: 'strategy' },
      { head: 'written', right: true },
      { head: 'deleted', right: true },
      { head: 'differences', right: true },
      { head: 'started (UTC)' },
    ],
    runs.map((run) => [
      run.id,
      tone(run, color)(stateWords(run)),
      brief(formatTenant(run.tenant)),
      range(run.range),
      run.strategy,
      count(run.rowsWritten),
      count(run.rowsDeleted),
      count(run.differences),
      moment(run.createdAt),
    ]),
    color,
  );
}

/** What the ledger lists of a plan. */
export type PlanHead = Pick<
  Plan,
  'id' | 'createdAt' | 'createdBy' | 'tenant' | 'dataset' | 'strategy' | 'range' | 'cost'
>;

/** The ledger's plans, newest first. */
export function plansView(plans: readonly PlanHead[], color: Paint): string {
  if (plans.length === 0) return 'No plans yet. `refill plan CUSTOMER/PROFILE --from … --to …` makes one.';
  return table(
    [
      { head: 'plan' },
      { head: 'tenant' },
      { head: 'range (UTC)' },
      { head: 'strategy' },
      { head: 'to write', right: true },
      { head: 'to delete', right: true },
      { head: 'made (UTC)' },
      { head: 'by' },
    ],
    plans.map((plan) => [
      plan.id,
      brief(formatTenant(plan.tenant)),
      range(plan.range),
      plan.strategy,
      count(plan.cost.rowsToWrite),
      count(plan.cost.rowsToDelete),
      moment(plan.createdAt),
      brief(plan.createdBy),
    ]),
    color,
  );
}
