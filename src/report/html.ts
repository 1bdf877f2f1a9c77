import { kindOf } from '../domain/delete-kind.ts';
import { outcomes } from '../domain/dependents.ts';
import { DRIFT_KINDS, formatTenant } from '../domain/words.ts';
import { chart } from './chart.ts';
import { count, counted, duration, instant, moment, range } from './format.ts';
import { markup, Markup, type Content } from './markup.ts';
import { series } from './series.ts';
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

/** Rows that a long list shows in the page; the JSON has all of them. */
const MOST_ROWS = 2000;

export const STYLE = new Markup(`
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5d6b7d; --line: #d9dfe7; --page: #fff; --card: #f6f8fa;
  --before: #b9c3d0; --source: #2f6fde; --after: #1f9d63; --bad: #c62f3b; --warn: #a86400; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9f0; --soft: #93a1b3; --line: #2f3947; --page: #12171e;
  --card: #1a212b; --before: #566375; --source: #6aa0ff; --after: #43c589; --bad: #ff7a80; --warn: #f0b04f; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1040px; padding: 2rem 1.25rem 4rem; color: var(--ink); background: var(--page);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2.25rem 0 .6rem; }
h3 { font-size: .95rem; margin: 1.25rem 0 .3rem; } p.sub { margin: 0 0 1.25rem; color: var(--soft); }
.state { border: 1px solid currentColor; border-radius: 99px; padding: .05rem .6rem; font-size: .85rem; vertical-align: middle; }
.succeeded, .ok { color: var(--after); } .failed, .differences, .bad { color: var(--bad); }
.running, .paused, .cancelled, .incomplete, .warn { color: var(--warn); }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; padding: .32rem .7rem .32rem 0; border-bottom: 1px solid var(--line); vertical-align: top; overflow-wrap: anywhere; }
th { color: var(--soft); font-weight: 600; overflow-wrap: normal; } .n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
.tiles { display: grid; gap: .75rem; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); }
.tile { background: var(--card); border-radius: 8px; padding: .7rem .9rem; } .tile b { display: block; font-size: 1.3rem; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: .85rem; } summary { cursor: pointer; color: var(--soft); }
pre { background: var(--card); border-radius: 8px; padding: .8rem; overflow-x: auto; white-space: pre-wrap; }
svg { width: 100%; height: auto; display: block; } .grid { stroke: var(--line); } .axis { fill: var(--soft); font-size: 11px; }
path.before { fill: var(--before); } path.after { fill: var(--after); fill-opacity: .75; }
path.source { fill: none; stroke: var(--source); stroke-width: 1.6; } i.before { background: var(--before); }
i.after { background: var(--after); } i.source { background: var(--source); }
rect.hit { fill: transparent; } rect.hit:hover { fill: var(--ink); fill-opacity: .08; }
.key { color: var(--soft); font-size: .85rem; } .key i { display: inline-block; width: .75em; height: .75em; border-radius: 2px; margin: 0 .35em 0 1em; }
`);

interface Column<Row> {
  readonly head: string;
  readonly numeric?: boolean;
  readonly of: (row: Row) => Content;
}

function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): Markup {
  const cls = (column: Column<Row>) => (column.numeric === true ? 'n' : '');
  const shown = rows.slice(0, MOST_ROWS);
  const rest = rows.length - shown.length;
  return markup`<div class="scroll"><table><thead><tr>${columns.map((one) => markup`<th class="${cls(one)}">${one.head}</th>`)}</tr></thead><tbody>${shown.map(
    (row) => markup`<tr>${columns.map((one) => markup`<td class="${cls(one)}">${one.of(row)}</td>`)}</tr>\n`,
  )}</tbody></table></div>${rest > 0 ? markup`<p class="key">… and ${count(rest)} more, in the JSON report.</p>` : null}`;
}

function tiles(input: ReportInput): Markup {
  const { run } = input;
  const facts: readonly (readonly [string, string])[] = [
    ['rows deleted', deletedWords(run)],
    ['rows written', writtenWords(run)],
    ['differences', count(run.differences)],
    ['time at work', duration(run.seconds)],
    ['windows', `${count(countStates(input.windows)['done'] ?? 0)} of ${count(input.windows.length)}`],
  ];
  return markup`<div class="tiles">${facts.map(([name, value]) => markup`<div class="tile"><b>${value}</b><span>${name}</span></div>`)}</div>`;
}

function identity(input: ReportInput): Markup {
  const { run, plan } = input;
  const facts: readonly (readonly [string, string])[] = [
    ['tenant', formatTenant(run.tenant)],
    ['range', `${range(run.range)} (UTC; the end is not part of it)`],
    ['strategy', run.strategy],
    ['dataset', run.dataset],
    ['cluster', run.tenant.cluster],
    ['databases', `${run.tenant.sourceDatabase} (source), ${run.tenant.targetDatabase} (target)`],
    ['plan', `${plan.id}, made ${moment(plan.createdAt)} UTC by ${plan.createdBy}`],
    ['fingerprint', plan.fingerprint],
    ['epoch', run.epoch === null ? 'not set yet' : `${run.epoch} UTC`],
    ['started', `${moment(run.createdAt)} UTC`],
    ['ended', run.finishedAt === null ? 'not yet' : `${moment(run.finishedAt)} UTC`],
  ];
  return markup`<table><tbody>${facts.map(
    ([name, value]) => markup`<tr><th>${name}</th><td>${value}</td></tr>`,
  )}</tbody></table>`;
}

function counts(tables: readonly TableSummary[], windows: number): Markup {
  const wrong = (rows: number, one: TableSummary) =>
    one.windowsProven === 0 ? '—' : rows === 0 ? '0' : markup`<span class="bad">${count(rows)}</span>`;
  return table(tables, [
    { head: 'table', of: (one) => one.table },
    { head: 'before', numeric: true, of: (one) => count(one.before) },
    { head: 'after', numeric: true, of: (one) => count(one.after) },
    { head: 'source', numeric: true, of: (one) => count(one.source) },
    ...DRIFT_KINDS.map((kind) => ({ head: kind, numeric: true, of: (one: TableSummary) => wrong(one[kind], one) })),
    { head: 'proven windows', numeric: true, of: (one) => `${count(one.windowsProven)} of ${count(windows)}` },
  ]);
}

function charts(input: ReportInput): Content {
  const key = markup`<p class="key">Rows a day:<i class="before"></i>before<i class="after"></i>after, as proven<i class="source"></i>source: what should be there</p>`;
  return [
    key,
    ...input.plan.tables.map(
      (name) =>
        markup`<h3>${name}</h3>${chart(series(input, name), input.plan.range, `Rows of ${name} a day: before, after and source`)}`,
    ),
  ];
}

function excluded(tables: readonly TableSummary[]): Markup {
  const reasons = excludedReasons(tables);
  if (reasons.length === 0) return markup`<p>Nothing was left out.</p>`;
  return table(reasons, [
    { head: 'reason', of: (reason) => reason },
    ...tables.map((one) => ({
      head: one.table,
      numeric: true,
      of: (reason: string) => count(one.excluded[reason]),
    })),
  ]);
}

function unproven({ unproven: columns }: ReportInput['plan']): Markup {
  if (columns.length === 0) return markup`<p>None: every column was derived and compared.</p>`;
  return table(columns, [
    { head: 'table', of: (one) => one.table },
    { head: 'column', of: (one) => one.column },
    { head: 'why', of: (one) => one.reason },
  ]);
}

function differences(input: ReportInput): Markup {
  const all = Math.max(input.run.differences ?? 0, input.drift.length);
  if (all === 0) return markup`<p>${input.proofs.length === 0 ? 'Nothing was proven yet.' : 'None.'}</p>`;
  const named = input.drift.slice(0, 100);
  const rest = all - named.length;
  return markup`${table(named, [
    { head: 'table', of: (one) => one.table },
    { head: 'key', of: (one) => one.key },
    { head: 'kind', of: (one) => one.kind },
    { head: 'reason', of: (one) => whyDiffers(one) },
    { head: 'time (UTC)', of: (one) => instant(one.time) },
  ])}${rest > 0 ? markup`<p class="key">${counted(rest, 'more difference')} of ${count(all)}: all of them are in the ledger.</p>` : null}`;
}

function failed(input: ReportInput): Markup {
  const found = failures(input);
  if (found.length === 0) return markup`<p>None.</p>`;
  return table(found, [
    { head: 'where', of: (one) => one.where },
    { head: 'code', of: (one) => markup`<span class="bad">${one.error.code}</span>` },
    { head: 'what', of: (one) => one.error.message },
    { head: 'next step', of: (one) => one.error.hint },
  ]);
}

function deletes(input: ReportInput): Markup {
  const rows = input.plan.deletes.flatMap((del) => del.tables.map((planned) => ({ del, planned })));
  const mutation = (del: number, name: string) =>
    input.mutations?.find((one) => one.delete === del && one.table === name);
  return table(rows, [
    { head: 'delete', numeric: true, of: ({ del }) => del.id },
    { head: 'range', of: ({ del }) => range(del) },
    { head: 'table', of: ({ planned }) => planned.table },
    { head: 'how', of: ({ planned }) => kindOf(planned) },
    { head: 'rows planned', numeric: true, of: ({ planned }) => count(planned.rows) },
    { head: 'rows matched', numeric: true, of: ({ del, planned }) => count(mutation(del.id, planned.table)?.rows) },
    { head: 'state', of: ({ del }) => input.deletes.find(({ id }) => id === del.id)?.state ?? 'pending' },
    {
      head: 'mutations by shard',
      of: ({ del, planned }) =>
        mutation(del.id, planned.table)
          ?.ids.map(({ shard, id }) => `${shard}: ${id}`)
          .join(', ') ?? '',
    },
    {
      head: 'statement',
      of: ({ del, planned }) =>
        markup`<details><summary>SQL</summary><pre>${lines(mutation(del.id, planned.table)?.statement ?? planned.sql)}</pre></details>`,
    },
  ]);
}

/** SQL keeps its lines; everything else that is no visible text is escaped. */
function lines(sql: string): Content {
  return sql.split('\n').map((line, at) => (at === 0 ? line : markup`\n${line}`));
}

function record(input: ReportInput): Content {
  const windows = table(input.windows, [
    { head: 'window', numeric: true, of: (one) => one.id },
    { head: 'range', of: (one) => range(one) },
    { head: 'source rows', numeric: true, of: (one) => count(one.sourceRows) },
    { head: 'state', of: (one) => one.state },
    { head: 'attempts', numeric: true, of: (one) => one.attempts },
    { head: 'ended (UTC)', of: (one) => moment(one.finishedAt) },
  ]);
  const proofs = table(input.proofs, [
    { head: 'table', of: (one) => one.table },
    { head: 'range', of: (one) => range(one) },
    { head: 'snapshot (UTC)', of: (one) => moment(one.snapshot) },
    { head: 'source', numeric: true, of: (one) => count(one.source) },
    { head: 'target', numeric: true, of: (one) => count(one.target) },
    { head: 'source sum', numeric: true, of: (one) => one.sourceSum },
    { head: 'target sum', numeric: true, of: (one) => one.targetSum },
  ]);
  const audit = table(input.audit, [
    { head: 'when (UTC)', of: (one) => moment(one.at) },
    { head: 'who', of: (one) => `${one.actor.user}@${one.actor.host}` },
    { head: 'what', of: (one) => one.action },
  ]);
  return markup`<h2>Deletes</h2>${deletes(input)}
<h2>Windows</h2>${windows}
<h2>Proofs</h2><p class="key">Equal sums of the hashes over every column that is derived are what proves a window.</p>${proofs}
<h2>Who did what</h2>${audit}`;
}

/** What became of what depends on the tables. */
function dependents({ run, plan }: ReportInput) {
  const ended = outcomes(plan.dependents, run.state === 'succeeded' || run.state === 'differences');
  if (ended.length === 0) return markup`<p>None that the run could harm.</p>`;
  return table(ended, [
    { head: 'dependent', of: (one) => one.name },
    { head: 'table', of: (one) => one.table },
    { head: 'asked for', of: (one) => one.action },
    { head: 'result', of: (one) => one.state },
  ]);
}

/** A run as one HTML file: nothing is loaded from elsewhere, and it reads on light and dark. */
export function htmlReport(input: ReportInput): string {
  const { run, plan } = input;
  const tables = tableSummaries(input);
  const title = `Refill of ${formatTenant(run.tenant)}`;
  const warnings =
    plan.warnings.length === 0
      ? markup`<p>None.</p>`
      : markup`<ul>${plan.warnings.map((one) => markup`<li><span class="warn">${one.code}</span> ${one.message}</li>`)}</ul>`;
  return markup`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}: ${stateWords(run)}</title><style>${STYLE}</style></head><body>
<h1>${title} <span class="state ${run.state}">${stateWords(run)}</span></h1>
<p class="sub">${range(run.range)} (UTC) · ${run.strategy} · run ${run.id}</p>
${tiles(input)}
<h2>Rows</h2>${counts(tables, plan.windows.length)}${charts(input)}
<h2>Left out on purpose</h2>${excluded(tables)}
<h2>Columns that are not proven</h2>${unproven(plan)}
<h2>Differences</h2>${differences(input)}
<h2>Failures</h2>${failed(input)}
<h2>Warnings</h2>${warnings}
<h2>Dependents</h2>${dependents(input)}
<h2>The run</h2>${identity(input)}
${record(input)}
</body></html>
`.text;
}
