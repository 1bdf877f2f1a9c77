import type { Audience, BackfillPlan } from '../domain/backfill.ts';
import { formatTenant } from '../domain/words.ts';
import type { AuditEntry, BackfillRecord } from '../ledger/ledger.ts';
import type { BackfillReport } from '../refill.ts';
import { count, duration, instant, moment, range } from './format.ts';
import { jsonReport } from './json.ts';
import type { TablePage } from './page.ts';
import { countsTable, proofsTable } from './run-tables.ts';
import { type Failure, failures, type ReportInput, stateWords, tableSummaries } from './summary.ts';
import type { TextTable } from './text-table.ts';

/** What a report of a backfill is made of. */
export interface BackfillInput extends Omit<BackfillReport, 'reindex'> {
  /** With the run's mutations, where they were read from the ledger. */
  readonly reindex: ReportInput | null;
}

/** A backfill as one object for programs. */
export function backfillJson(input: BackfillInput): Readonly<Record<string, unknown>> {
  const { backfill, unjudged, reindex, audit } = input;
  return {
    backfill,
    failures: failed(input),
    unjudged,
    reindex: reindex === null ? null : jsonReport(reindex),
    audit,
  };
}

/** What the items of a backfill are called. */
export const itemsOf = ({ kind }: BackfillPlan): string =>
  kind === 'conversations' ? 'conversations' : 'process scorecards';

/** A backfill's state as a person understands it: one that nobody is at work on was interrupted. */
export const backfillState = ({ state, holder }: BackfillRecord): string =>
  state === 'running' && holder === null ? 'interrupted' : state;

/** A backfill as a page: what was judged and written, and the proof of its re-indexing. */
export function backfillPage(input: BackfillInput): TablePage {
  const { backfill, unjudged, reindex } = input;
  const { plan, tally } = backfill;
  const more = tally.unjudged - unjudged.length;
  return {
    title: `Backfill of ${formatTenant(plan.tenant)}, ${range(plan.range)}`,
    state: backfillState(backfill),
    tone: backfill.state,
    of: `backfill ${backfill.id}`,
    facts: facts(input),
    sections: [
      { title: 'In Postgres', table: written(backfill) },
      {
        title: 'Not judged',
        table: {
          head: ['item', 'code', 'why'],
          rows: unjudged.map(({ id, code, message }) => [id, code, message]),
        },
        note: more > 0 ? `${count(more)} more of ${count(tally.unjudged)}: all of them are in the ledger.` : null,
      },
      {
        title: 'In ClickHouse',
        table: reindex === null ? NOTHING : countsTable(tableSummaries(reindex), reindex.plan.windows.length),
        none: notReindexed(backfill),
      },
      { title: 'Proofs', table: proofsTable(reindex?.proofs ?? []) },
      {
        title: 'Failures',
        table: {
          head: ['where', 'code', 'what', 'next step'],
          rows: failed(input).map(({ where, error }) => [where, error.code, error.message, error.hint]),
        },
      },
      {
        title: 'Who did what',
        table: {
          head: ['when (UTC)', 'who', 'what', 'details'],
          rows: input.audit.map((one) => [
            moment(one.at),
            `${one.actor.user}@${one.actor.host}`,
            one.action,
            detailsOf(one),
          ]),
        },
        note: 'Each transaction in Postgres is an entry, the newest first; the ledger has all of them.',
      },
    ],
  };
}

const NOTHING: TextTable = { head: [], rows: [] };

function facts({ backfill, reindex }: BackfillInput): TablePage['facts'] {
  const { id, plan, tally, touched, pending, seconds, finishedAt } = backfill;
  const { template, leftOut, tenant } = plan;
  return [
    ['state', backfillState(backfill)],
    ['backfill', `${id}, made ${moment(plan.createdAt)} UTC by ${plan.createdBy}`],
    ['tenant', formatTenant(tenant)],
    ['cluster', tenant.cluster],
    ['source database', tenant.sourceDatabase],
    ['range', `${range(plan.range)} (UTC; the end is not part of it)`],
    ['template', `${template.title} (${template.id}), revision ${template.revision}`],
    ['scorer', plan.scorer],
    ['audience', plan.audiences.map(audienceWords).filter(Boolean).join(', and ') || 'everybody'],
    ['dev users', plan.includeDevUsers ? 'included' : 'left out'],
    ['fingerprint', plan.fingerprint],
    ...(plan.sourceJob === null ? [] : [['source job', plan.sourceJob] as const]),
    ['found when planned', `${count(plan.items)} ${itemsOf(plan)}`],
    ['left out', `${count(leftOut.audience)} not in the audience, ${count(leftOut.dev_user)} of dev users`],
    ['judged', count(tally.judged)],
    ['not judged', count(tally.unjudged)],
    ['times written', touched === null ? 'none' : `${instant(touched.first)} to ${instant(touched.last)} (UTC)`],
    ...(pending === null
      ? []
      : [['not known yet', `transaction ${pending.transaction}: Postgres is asked when it goes on`] as const]),
    ['re-indexed', reindex === null ? notReindexed(backfill) : `run ${reindex.run.id}: ${stateWords(reindex.run)}`],
    ['ended', finishedAt === null ? 'not yet' : `${moment(finishedAt)} UTC`],
    ['time at work', duration(seconds)],
  ];
}

/** Empty where it means everybody. */
function audienceWords({ languages = [], agentUserIds = [] }: Audience): string {
  const parts = [
    languages.length === 0 ? null : `languages ${languages.join(', ')}`,
    agentUserIds.length === 0 ? null : `agents ${agentUserIds.join(', ')}`,
  ].filter((part) => part !== null);
  return parts.join(' and ');
}

/** Of the template revision and the items: what was there, what was written, and what is there, as counted. */
function written({ plan, tally, after }: BackfillRecord): TextTable {
  return {
    head: ['rows', 'before', 'created', 'changed', 'left as they are', 'after'],
    rows: [
      [
        'scorecards',
        count(plan.before.scorecards),
        count(tally.scorecardsCreated),
        count(tally.scorecardsChanged),
        count(tally.scorecardsUnchanged),
        count(after?.scorecards),
      ],
      [
        'scores',
        count(plan.before.scores),
        count(tally.scoresCreated),
        count(tally.scoresChanged),
        `${count(tally.scoresKept)} of people`,
        count(after?.scores),
      ],
    ],
  };
}

/** Why there is no run. */
function notReindexed({ plan, touched, state }: BackfillRecord): string {
  if (!plan.reindex) return 'no: it was not asked for';
  const ended = state === 'succeeded' || state === 'incomplete';
  return ended && touched === null ? 'no: nothing was written' : 'not begun';
}

/** The backfill itself first, then its run. */
function failed({ backfill, reindex }: BackfillInput): readonly Failure[] {
  const own = backfill.error === null ? [] : [{ where: 'the backfill', error: backfill.error }];
  return [...own, ...(reindex === null ? [] : failures(reindex))];
}

/** Of a transaction: its number and what it wrote. Of a change of state: from what to what. */
function detailsOf({ action, details }: AuditEntry): string {
  const number = (key: string) => count(Number(details[key]));
  if (action === 'backfill.write')
    return `transaction ${String(details['transaction'])}: ${number('scorecardsCreated')} scorecards created, ${number('scorecardsChanged')} changed; ${number('scoresCreated')} scores created, ${number('scoresChanged')} changed`;
  if (action === 'backfill.state') return `${String(details['from'])} to ${String(details['to'])}`;
  return action === 'backfill.request' ? String(details['wanted']) : '';
}
