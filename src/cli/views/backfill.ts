import type { BackfillEvent, BackfillPlan, BackfillResult, BackfillTally, CardCounts } from '../../domain/backfill.ts';
import { formatTenant } from '../../domain/words.ts';
import { brief, count, counted, duration, percent, range, visible } from '../../report/format.ts';
import type { Paint } from '../paint.ts';
import { type EventWords, eventView, type ProgressView } from '../progress.ts';
import type { Cli } from '../cli.ts';
import { facts, table } from '../table.ts';

/** What the items of a backfill are called. */
const noun = ({ kind }: BackfillPlan): string => (kind === 'conversations' ? 'conversations' : 'process scorecards');

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
        ['to judge', `${count(plan.items)} ${noun(plan)}`],
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
    ...(error === undefined
      ? []
      : [`${color.red(error.code)}: ${visible(error.message)}\n  ${color.cyan('→')} ${error.hint}`]),
  ].join('\n\n');
}

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
