import { kindOf } from '../domain/delete-kind.ts';
import { outcomes } from '../domain/dependents.ts';
import { formatTenant } from '../domain/words.ts';
import { escapeMarkdown as escape, markdownCode } from './escape.ts';
import { count, counted, duration, instant, moment, range } from './format.ts';
import { countsTable, proofsTable } from './run-tables.ts';
import {
  countStates,
  excludedReasons,
  failures,
  tableSummaries,
  type ReportInput,
  type TableSummary,
  deletedWords,
  writtenWords,
  stateWords,
  whyDiffers,
} from './summary.ts';

/** Rows of a table in Markdown; cells are escaped here and nowhere else. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const numeric = head.map((_, at) => at > 0 && rows.every((row) => /^[\d,—.]*( %)?$/u.test(row[at] ?? '')));
  const line = (cells: readonly string[]) => `| ${cells.map(escape).join(' | ')} |`;
  const rule = `| ${numeric.map((right) => (right ? '---:' : '---')).join(' | ')} |`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

function states(records: readonly { readonly state: string }[]): string {
  return Object.entries(countStates(records))
    .map(([state, number]) => `${count(number)} ${state}`)
    .join(', ');
}

function facts(input: ReportInput): string {
  const { run, plan } = input;
  const epoch = run.epoch === null ? 'not set yet' : `${run.epoch} UTC`;
  return table(
    ['what', 'value'],
    [
      ['state', stateWords(run)],
      ['tenant', formatTenant(run.tenant)],
      ['range', `${range(run.range)} (UTC; the end is not part of it)`],
      ['strategy', run.strategy],
      ['dataset', run.dataset],
      ['cluster', run.tenant.cluster],
      ['source database', run.tenant.sourceDatabase],
      ['target database', run.tenant.targetDatabase],
      ['run', run.id],
      ['plan', `${plan.id}, made ${moment(plan.createdAt)} UTC by ${plan.createdBy}`],
      ['fingerprint', plan.fingerprint],
      ['epoch', epoch],
      ['started', `${moment(run.createdAt)} UTC`],
      ['ended', run.finishedAt === null ? 'not yet' : `${moment(run.finishedAt)} UTC`],
      ['time at work', duration(run.seconds)],
      ['rows deleted', deletedWords(run)],
      ['rows written', writtenWords(run)],
      ['differences', count(run.differences)],
      ['windows', states(input.windows)],
      ['deletes', states(input.deletes)],
    ],
  );
}

function counts(tables: readonly TableSummary[], windows: number): string {
  const { head, rows } = countsTable(tables, windows);
  const body = table(head, rows);
  const notes = [
    tables.some((one) => one.after === null)
      ? 'After is known when every window is proven; until then source is what the plan counted.'
      : null,
    tables.some((one) => one.unsettled > 0)
      ? `${count(tables.reduce((sum, one) => sum + one.unsettled, 0))} keys were changed by a live writer at every look: neither equal nor drift, and not proven.`
      : null,
  ].filter((note) => note !== null);
  return [body, ...notes].join('\n\n');
}

function excluded(tables: readonly TableSummary[]): string {
  const reasons = excludedReasons(tables);
  if (reasons.length === 0) return 'Nothing was left out.';
  return table(
    ['reason', ...tables.map((one) => one.table)],
    reasons.map((reason) => [reason, ...tables.map((one) => count(one.excluded[reason]))]),
  );
}

function unproven({ unproven: columns }: ReportInput['plan']): string {
  if (columns.length === 0) return 'None: every column was derived and compared.';
  return table(
    ['table', 'column', 'why'],
    columns.map((one) => [one.table, one.column, one.reason]),
  );
}

function differences(input: ReportInput): string {
  if ((input.run.differences ?? 0) === 0 && input.drift.length === 0) {
    return input.proofs.length === 0 ? 'Nothing was proven yet.' : 'None.';
  }
  const named = input.drift.slice(0, 100);
  const all = Math.max(input.run.differences ?? 0, input.drift.length);
  const rest = all - named.length;
  return [
    table(
      ['table', 'key', 'kind', 'reason', 'time (UTC)'],
      named.map((one) => [one.table, one.key, one.kind, whyDiffers(one), instant(one.time)]),
    ),
    rest > 0 ? `${counted(rest, 'more difference')} of ${count(all)}: all of them are in the ledger.` : '',
  ]
    .filter((part) => part !== '')
    .join('\n\n');
}

function failed(input: ReportInput): string {
  const found = failures(input);
  if (found.length === 0) return 'None.';
  return table(
    ['where', 'code', 'what', 'next step'],
    found.map(({ where, error }) => [where, error.code, error.message, error.hint]),
  );
}

function deletes(input: ReportInput): string {
  const mutations = input.mutations ?? [];
  const rows = input.plan.deletes.flatMap((del) =>
    del.tables.map((planned) => {
      const mutation = mutations.find((one) => one.delete === del.id && one.table === planned.table);
      return [
        String(del.id),
        range(del),
        planned.table,
        kindOf(planned),
        count(planned.rows),
        count(mutation?.rows),
        input.deletes.find(({ id }) => id === del.id)?.state ?? 'pending',
        mutation?.ids.map(({ shard, id }) => `${shard}: ${id}`).join(', ') ?? '',
      ];
    }),
  );
  const [first] = input.plan.deletes.flatMap((del) => del.tables);
  const sql = mutations[0]?.statement ?? first?.sql;
  return [
    table(['delete', 'range', 'table', 'how', 'rows planned', 'rows matched', 'state', 'mutations by shard'], rows),
    ...(sql === undefined ? [] : ['The first statement:', markdownCode(sql)]),
  ].join('\n\n');
}

function dependents({ run, plan }: ReportInput): string {
  const ended = outcomes(plan.dependents, run.state === 'succeeded' || run.state === 'differences');
  if (ended.length === 0) return 'None that the run could harm.';
  return table(
    ['dependent', 'table', 'asked for', 'result'],
    ended.map((one) => [one.name, one.table, one.action, one.state]),
  );
}

/** A run as a Markdown page. */
export function markdownReport(input: ReportInput): string {
  const tables = tableSummaries(input);
  const { run, plan } = input;
  const sections: readonly (readonly [string, string])[] = [
    ['Rows', counts(tables, plan.windows.length)],
    ['Left out on purpose', excluded(tables)],
    ['Columns that are not proven', unproven(plan)],
    ['Differences', differences(input)],
    ['Failures', failed(input)],
    [
      'Warnings',
      plan.warnings.map(({ code, message }) => `- ${escape(code)}: ${escape(message)}`).join('\n') || 'None.',
    ],
    ['Dependents', dependents(input)],
    [
      'Windows',
      table(
        ['window', 'range', 'source rows', 'state', 'attempts', 'ended (UTC)'],
        input.windows.map((one) => [
          String(one.id),
          range(one),
          count(one.sourceRows),
          one.state,
          count(one.attempts),
          moment(one.finishedAt),
        ]),
      ),
    ],
    ['Deletes', deletes(input)],
    [
      'Proofs',
      input.proofs.length === 0 ? 'None yet.' : table(proofsTable(input.proofs).head, proofsTable(input.proofs).rows),
    ],
    [
      'Who did what',
      table(
        ['when (UTC)', 'who', 'what'],
        input.audit.map((one) => [moment(one.at), `${one.actor.user}@${one.actor.host}`, one.action]),
      ),
    ],
  ];
  return (
    [
      `# Refill of ${escape(formatTenant(run.tenant))}, ${range(run.range)}: ${stateWords(run)}`,
      facts(input),
      ...sections.map(([title, body]) => `## ${title}\n\n${body}`),
      '',
    ]
      .join('\n\n')
      .trimEnd() + '\n'
  );
}
