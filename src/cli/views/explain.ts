import type { Explanation } from '../../domain/events.ts';
import { formatTenant } from '../../domain/words.ts';
import { brief, instant, visible } from '../../report/format.ts';
import type { Paint } from '../paint.ts';
import { facts } from '../table.ts';

function one(explanation: Explanation, color: Paint): string {
  const { verdict, source, target } = explanation;
  const tone = verdict === 'present' ? color.green : verdict === 'excluded' ? color.yellow : color.red;
  const at = (time: string | null) => (time === null ? '' : `, at ${instant(time)} UTC`);
  const inSource = source.present
    ? `${source.excluded === null ? 'there, and belongs in the target' : `there, left out on purpose (${brief(source.excluded)})`}${at(source.time)}`
    : 'not there';
  const rows = target.map(
    (row) =>
      `${row.equal ? color.green('equal') : color.red('differs')}${row.columns.length > 0 ? ` in ${row.columns.map((column) => brief(column)).join(', ')}` : ''}${at(row.time)}${
        row.version === null ? '' : color.dim(`, written ${visible(row.version)}`)
      }`,
  );
  return [
    `${color.bold(brief(explanation.table))}  ${tone(color.bold(verdict))}${explanation.reason === null ? '' : ` ${color.dim(brief(explanation.reason))}`}`,
    `  ${visible(explanation.why)}`,
    facts(
      [
        ['source', inSource],
        ['target', rows.length === 0 ? 'not there' : (rows[0] ?? '')],
        ...rows.slice(1).map((row) => ['', row] as const),
      ],
      color,
    ),
  ].join('\n');
}

/** Where an id is, where it should be, and why; one part for each table that knows it. */
export function explainView(explanations: readonly Explanation[], color: Paint): string {
  const [first] = explanations;
  const title = first === undefined ? '' : `${brief(first.id)} ${color.dim(`of ${brief(formatTenant(first.tenant))}`)}`;
  return [title, ...explanations.map((explanation) => one(explanation, color))].join('\n\n');
}

/** The first as one object; the others, where the id is known in several tables, under `also`. */
export function explainJson(explanations: readonly Explanation[]): Readonly<Record<string, unknown>> {
  const [first, ...also] = explanations;
  return { ...first, ...(also.length === 0 ? {} : { also }) };
}
