import { amount } from '../../domain/amounts.ts';
import { kindOf } from '../../domain/delete-kind.ts';
import type { Plan } from '../../domain/plan.ts';
import { formatTenant } from '../../domain/words.ts';
import { brief, count, counted, duration, percent, range, visible } from '../../report/format.ts';
import type { Paint } from '../paint.ts';
import { facts, table } from '../table.ts';
import { excludedRows, unprovenRows } from './verified.ts';

/** Windows that a terminal lists; `--json` has all. */
const SHOWN_WINDOWS = 12;
/** Warnings of one kind that a plan lists in a terminal. */
const SHOWN_WARNINGS = 6;

function indent(text: string, by = '    '): string {
  return text
    .split('\n')
    .map((line) => `${by}${visible(line)}`)
    .join('\n');
}

function head(plan: Plan, color: Paint): string {
  const what =
    plan.strategy === 'replace'
      ? 'write the range again, prove it, then delete what is older, prove again'
      : 'delete the range, then write it again, prove it';
  return facts(
    [
      ['tenant', brief(formatTenant(plan.tenant))],
      ['range', `${range(plan.range)} ${color.dim('UTC, the end not included')}`],
      ['strategy', `${color.bold(plan.strategy)}: ${what}`],
      ['dataset', `${brief(plan.dataset)} (${plan.tables.map((name) => brief(name)).join(', ')})`],
      ['cluster', brief(plan.tenant.cluster)],
      ['databases', `${brief(plan.tenant.sourceDatabase)} (source), ${brief(plan.tenant.targetDatabase)} (target)`],
    ],
    color,
  );
}

function counts(plan: Plan, color: Paint): string {
  return table(
    [
      { head: 'table' },
      { head: 'in the target', right: true },
      { head: 'distinct keys', right: true },
      { head: 'should be there', right: true },
    ],
    plan.counts.map((one) => [brief(one.table), count(one.target), count(one.targetKeys), count(one.source)]),
    color,
  );
}

function windows(plan: Plan, color: Paint): string {
  const shown = plan.windows.length <= SHOWN_WINDOWS ? plan.windows : plan.windows.slice(0, SHOWN_WINDOWS - 1);
  const rest = plan.windows.length - shown.length;
  const listed = table(
    [{ head: 'window', right: true }, { head: 'range' }, { head: 'rows to write', right: true }],
    shown.map((one) => [String(one.id), range(one), count(one.sourceRows)]),
    color,
  );
  return rest > 0 ? `${listed}\n  ${color.dim(`… and ${count(rest)} more`)}` : listed;
}

function deletes(plan: Plan, color: Paint): string {
  return table(
    [
      { head: 'delete', right: true },
      { head: 'range' },
      { head: 'table' },
      { head: 'rows', right: true },
      { head: 'of its partition', right: true },
      { head: 'how' },
    ],
    plan.deletes.flatMap((one) =>
      one.tables.map((del) => [
        String(one.id),
        range(one),
        brief(del.table),
        count(del.rows),
        del.share == null ? '—' : percent(del.share, 1),
        kindOf(del),
      ]),
    ),
    color,
  );
}

function sql(plan: Plan, all: boolean, color: Paint): string {
  const [first] = plan.deletes;
  if (first === undefined) return `  ${color.dim('nothing is deleted')}`;
  if (!all) {
    const shown = first.tables.map((one) => indent(one.sql)).join('\n');
    return `${shown}\n  ${color.dim(
      plan.deletes.length === 1
        ? '--sql shows what reads and writes, too'
        : `delete 1; the others differ in their times only. --sql shows every statement, and what reads and writes`,
    )}`;
  }
  const every = plan.deletes.flatMap((one) =>
    one.tables.map((del) => `  ${color.dim(`delete ${one.id}, ${brief(del.table)}`)}\n${indent(del.sql)}`),
  );
  const moved = Object.entries(plan.sql).flatMap(([name, { read, write }]) => [
    `  ${color.dim(`read ${brief(name)}, for each window`)}\n${indent(read)}`,
    `  ${color.dim(`write ${brief(name)}, for each window`)}\n${indent(write)}`,
  ]);
  return [...every, ...moved].join('\n');
}

function cost(plan: Plan, color: Paint): string {
  const { cost } = plan;
  const time =
    cost.seconds === null
      ? color.dim('unknown: nothing was measured on this cluster yet')
      : `about ${duration(cost.seconds)}${cost.rowsPerSecond === null ? '' : ` at ${count(Math.round(cost.rowsPerSecond))} rows/s`}`;
  return facts(
    [
      ['to delete', counted(cost.rowsToDelete, 'row')],
      ['to write', counted(cost.rowsToWrite, 'row')],
      ['rewritten', rewritten(cost)],
      ['time', time],
    ],
    color,
  );
}

function rewritten({ rowsToRewrite, bytesToRewrite }: Plan['cost']): string {
  const size = bytesToRewrite === undefined ? '' : ` (${amount(bytesToRewrite, 'bytes')})`;
  return `${counted(rowsToRewrite, 'row')}${size} of the partitions that deletes rewrite`;
}

/** What depends on the tables: what the run would harm first, with what is done about it. */
function dependents(plan: Plan, color: Paint): readonly string[] {
  return plan.dependents.map((one) => {
    const what = one.action === null ? color.dim('safe') : color.yellow(one.action);
    return `  ${what}  ${visible(one.name)} ${color.dim(`${one.kind} on ${one.table}: ${visible(one.why)}`)}`;
  });
}

/** Warnings, so many of each kind at most. */
export function warningLines(plan: Plan, color: Paint, most: number): readonly string[] {
  const codes = [...new Set(plan.warnings.map(({ code }) => code))];
  return codes.flatMap((code) => {
    const all = plan.warnings.filter((one) => one.code === code);
    const lines = all.slice(0, most).map((one) => `  ${color.yellow(`! ${code}`)} ${visible(one.message)}`);
    const rest = all.length - lines.length;
    return rest > 0 ? [...lines, `    ${color.dim(`… and ${count(rest)} more of this kind`)}`] : lines;
  });
}

/** A plan as a person approves it. `next` is the exact command that executes it. */
export function planView(plan: Plan, next: string, color: Paint, options: { readonly sql?: boolean } = {}): string {
  const title = (text: string) => `\n${color.bold(text)}`;
  const excluded = excludedRows(plan.counts, color);
  const unproven = unprovenRows(plan.unproven, color);
  const warnings = warningLines(plan, color, SHOWN_WARNINGS);
  return [
    `${color.bold(`Plan ${plan.id}`)}  ${color.dim('saved; nothing was changed')}`,
    head(plan, color),
    title('Rows'),
    counts(plan, color),
    ...(excluded === null ? [] : ['', excluded]),
    ...(unproven === null ? [] : ['', unproven]),
    title(`Windows (${count(plan.windows.length)})`),
    windows(plan, color),
    title(`Deletes (${count(plan.deletes.length)})`),
    deletes(plan, color),
    sql(plan, options.sql === true, color),
    title('Cost'),
    cost(plan, color),
    ...(plan.dependents.length === 0
      ? []
      : [title(`Dependents (${count(plan.dependents.length)})`), ...dependents(plan, color)]),
    ...(warnings.length === 0 ? [] : [title('Warnings'), ...warnings]),
    title('Next'),
    `  ${color.cyan(next)}`,
  ].join('\n');
}

/** A plan in two lines and its warnings, for whoever has approved it already. */
export function planLines(plan: Plan, color: Paint): string {
  return [
    `${color.bold(plan.strategy)} ${brief(formatTenant(plan.tenant))}, ${range(plan.range)} UTC ${color.dim(`plan ${plan.id}`)}`,
    `  ${counted(plan.cost.rowsToWrite, 'row')} to write in ${counted(plan.windows.length, 'window')}, ${count(plan.cost.rowsToDelete)} to delete`,
    ...warningLines(plan, color, 1),
  ].join('\n');
}

/** A plan as `--json` prints it: the whole of it, with its id as `plan`. */
export function planJson(plan: Plan): Readonly<Record<string, unknown>> {
  return { plan: plan.id, ...plan };
}
