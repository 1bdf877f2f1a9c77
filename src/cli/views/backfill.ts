import type { BackfillEvent, BackfillPlan, BackfillResult, BackfillTally, CardCounts } from '../../domain/backfill.ts';
import type { ErrorRecord } from '../../domain/errors.ts';
import { formatTenant } from '../../domain/words.ts';
import type { BackfillRecord } from '../../ledger/ledger.ts';
import { backfillState, itemsOf } from '../../report/backfill.ts';
import { brief, count, counted, duration, moment, percent, range, visible } from '../../report/format.ts';
import type { Paint } from '../paint.ts';
import { type EventWords, eventView, type ProgressView } from '../progress.ts';
import type { Cli } from '../cli.ts';
import type { ConfigOptions } from '../session.ts';
import { commandLine } from '../shell.ts';
import { facts, table } from '../table.ts';
import { holderWords } from './status.ts';
import { nextView } from './result.ts';

/** What a backfill would do, and the command that does it. */
export function backfillPlanView(plan: BackfillPlan, next: string, color: Paint): string {
  const { template, leftOut, before } = plan;
  const out = [
    leftOut.audience > 0 ? `${count(leftOut.audience)} not in the audience` : null,
    leftOut.dev_user > 0 ? `${count(leftOut.dev_user)} of dev users` : null,
  ].filter((part) => part !== null);
  return [
    `${color.bold(`Backfill ${plan.id}`)}  ${color.dim('planned; nothing was judged or written')}`,
    facts(
      [
        ['tenant', `${brief(formatTenant(plan.tenant))} ${color.dim(`on ${brief(plan.tenant.cluster)}`)}`],
        ['range', `${range(plan.range)} ${color.dim('UTC, the end not included')}`],
        [
          'template',
          `${brief(template.title)} ${color.dim(`${brief(template.id)}, revision ${brief(template.revision)}`)}`,
        ],
        ['scorer', brief(plan.scorer)],
        ['to judge', `${count(plan.items)} ${itemsOf(plan)}`],
        ['left out', out.length === 0 ? 'none' : out.join(', ')],
        ['there now', cards(before)],
        [
          'writes to',
          `director.scorecards, director.scores of ${brief(plan.tenant.sourceDatabase)} ${color.dim('(Postgres)')}`,
        ],
        ['re-index', plan.reindex ? 'what was touched, by a plan of its own' : 'no'],
      ],
      color,
    ),
    `${color.cyan('→')} ${next}`,
  ].join('\n\n');
}

const cards = ({ scorecards, scores }: CardCounts): string =>
  `${counted(scorecards, 'scorecard')}, ${counted(scores, 'score')}`;

/** What was written, or would be. */
export function tallyView(tally: BackfillTally, color: Paint): string {
  return table(
    [
      { head: '' },
      { head: 'created', right: true },
      { head: 'changed', right: true },
      { head: 'left as they are', right: true },
    ],
    [
      ['scorecards', count(tally.scorecardsCreated), count(tally.scorecardsChanged), count(tally.scorecardsUnchanged)],
      ['scores', count(tally.scoresCreated), count(tally.scoresChanged), `${count(tally.scoresKept)} of people`],
    ],
    color,
  );
}

/** How a backfill ended, with what there was before and after, and who could not be judged. */
export function backfillResultView(result: BackfillResult, color: Paint): string {
  const { state, tally, before, after, unjudged, run, error } = result;
  const tone = state === 'succeeded' ? color.green : state === 'failed' ? color.red : color.yellow;
  const named = unjudged.map(({ id, code, message }) => `  ${color.red(brief(id))} ${code}: ${visible(message)}`);
  return [
    `${color.bold(`Backfill ${result.backfill}`)}  ${tone(state)} ${color.dim(`in ${duration(result.seconds)}`)}`,
    tallyView(tally, color),
    facts(
      [
        ['judged', count(tally.judged)],
        ['not judged', count(tally.unjudged)],
        ['before', cards(before)],
        ['after', after === null ? '—' : cards(after)],
        ['re-indexed', run === null ? 'no' : `run ${run}`],
      ],
      color,
    ),
    ...(named.length === 0 ? [] : [named.join('\n')]),
    ...(error === undefined ? [] : [errorView(error, color)]),
  ].join('\n\n');
}

function tone({ state, holder }: BackfillRecord, color: Paint): (text: string) => string {
  if (state === 'succeeded') return color.green;
  if (state === 'failed') return color.red;
  return state === 'running' && holder !== null ? color.cyan : color.yellow;
}

const judged = ({ plan, tally }: BackfillRecord): string =>
  `${count(tally.judged + tally.unjudged)} of ${count(plan.items)}`;

function nextSteps(
  { id, state, holder }: BackfillRecord,
  options: ConfigOptions,
): readonly (readonly [string, string])[] {
  const step = (verb: string, what: string) => [commandLine([verb, id], options), what] as const;
  switch (state) {
    case 'planned':
      return [[commandLine(['backfill', id, '--execute'], options), 'do it']];
    case 'running':
      return holder === null
        ? [step('resume', 'go on where it was interrupted'), step('cancel', 'end it')]
        : [step('pause', 'let it finish what it has begun, and stop'), step('cancel', 'end it')];
    case 'paused':
      return [step('resume', 'go on'), step('cancel', 'end it')];
    case 'failed':
    case 'cancelled':
      return [[commandLine(['retry', id, '--execute'], options), 'continue where it stopped']];
    case 'incomplete':
    case 'succeeded':
      return [step('report', 'the evidence')];
    default:
      return [];
  }
}

/** Where a backfill is, and what can be done. */
export function backfillStatusView(record: BackfillRecord, color: Paint, options: ConfigOptions): string {
  const { id, plan, tally, run, error, seconds, finishedAt, holder } = record;
  const next = nextSteps(record, options);
  return [
    `${color.bold(`Backfill ${id}`)}  ${tone(record, color)(backfillState(record))}`,
    facts(
      [
        ['tenant', `${brief(formatTenant(plan.tenant))} ${color.dim(`on ${brief(plan.tenant.cluster)}`)}`],
        ['range', `${range(plan.range)} ${color.dim('UTC, the end not included')}`],
        ['template', `${brief(plan.template.id)}, revision ${brief(plan.template.revision)}`],
        ['scorer', brief(plan.scorer)],
        ['judged', `${judged(record)} ${itemsOf(plan)} ${color.dim(`${count(tally.unjudged)} not judged`)}`],
        ['re-index', run === null ? (plan.reindex ? 'not begun' : 'no') : `run ${run}`],
        ['ended', finishedAt === null ? 'not yet' : `${moment(finishedAt)} UTC`],
        ['time at work', duration(seconds)],
        ['at work', holderWords(holder)],
      ],
      color,
    ),
    tallyView(tally, color),
    ...(error === null ? [] : [errorView(error, color)]),
    ...(next.length === 0 ? [] : [nextView(next, color)]),
  ].join('\n\n');
}

/** A backfill in lists and answers: its record, with its id as `backfill`. */
export function backfillJson(record: BackfillRecord): Readonly<Record<string, unknown>> {
  return { backfill: record.id, ...record };
}

/** The ledger's backfills, newest first. */
export function backfillsView(records: readonly BackfillRecord[], color: Paint): string {
  if (records.length === 0) return 'No backfills yet. `refill backfill CUSTOMER/PROFILE …` plans one.';
  return table(
    [
      { head: 'backfill' },
      { head: 'state' },
      { head: 'tenant' },
      { head: 'range (UTC)' },
      { head: 'template' },
      { head: 'judged', right: true },
      { head: 'run' },
      { head: 'made (UTC)' },
    ],
    records.map((record) => [
      record.id,
      tone(record, color)(backfillState(record)),
      brief(formatTenant(record.plan.tenant)),
      range(record.plan.range),
      brief(record.plan.template.id),
      judged(record),
      record.run ?? '—',
      moment(record.createdAt),
    ]),
    color,
  );
}

const errorView = ({ code, message, hint }: ErrorRecord, color: Paint): string =>
  `${color.red(code)}: ${visible(message)}\n  ${color.cyan('→')} ${hint}`;

const WORDS: EventWords<BackfillEvent> = {
  status: (event) => {
    if (event.type !== 'backfill-progress') return null;
    const done = event.tally.judged + event.tally.unjudged;
    return `${percent(done, event.items)} judged: ${count(done)} of ${count(event.items)}, ${count(event.tally.unjudged)} not judged`;
  },
  change: (event) => (event.type === 'notice' ? visible(event.message) : null),
  scrolls: () => true,
};

export const backfillProgressView = (cli: Cli): ProgressView<BackfillEvent> => eventView(cli, WORDS);
