import { escapeMarkdown } from './escape.ts';
import { STYLE } from './html.ts';
import { table } from './markdown.ts';
import { markup } from './markup.ts';
import type { TextTable } from './text-table.ts';

interface Section {
  readonly title: string;
  readonly table: TextTable;
  /** What stands there where the table has no rows. Default: `None.` */
  readonly none?: string;
  /** What a reader has to know of the table. */
  readonly note?: string | null;
}

/** A report that is made of tables alone. */
export interface TablePage {
  readonly title: string;
  /** As a person understands it. */
  readonly state: string;
  /** As the ledger has it: it gives the colour. */
  readonly tone: string;
  /** What it is a report of, with its id: `fleet f-…`. */
  readonly of: string;
  /** What is known of it as a whole: names and values. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly sections: readonly Section[];
}

export function markdownPage({ title, state, facts, sections }: TablePage): string {
  const parts = sections.map(({ title: name, table: { head, rows }, none = 'None.', note }) => {
    const body = rows.length === 0 ? escapeMarkdown(none) : table(head, rows);
    return [`## ${name}`, body, ...(note ? [escapeMarkdown(note)] : [])].join('\n\n');
  });
  return `${[`# ${escapeMarkdown(title)}: ${state}`, table(['what', 'value'], facts), ...parts].join('\n\n')}\n`;
}

/** The same as one HTML file. */
export function htmlPage({ title, state, tone, of, facts, sections }: TablePage): string {
  const htmlTable = ({ head, rows }: TextTable) =>
    markup`<div class="scroll"><table><thead><tr>${head.map((name) => markup`<th>${name}</th>`)}</tr></thead><tbody>${rows.map(
      (row) =>
        markup`<tr>${row.map((cell) => markup`<td class="${/^[\d,—]+$/u.test(cell) ? 'n' : ''}">${cell}</td>`)}</tr>\n`,
    )}</tbody></table></div>`;
  const parts = sections.map(
    ({ title: name, table: rows, none = 'None.', note }) =>
      markup`<h2>${name}</h2>${rows.rows.length === 0 ? markup`<p>${none}</p>` : htmlTable(rows)}${note ? markup`<p class="key">${note}</p>` : null}\n`,
  );
  return markup`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}: ${state}</title><style>${STYLE}</style></head><body>
<h1>${title} <span class="state ${tone}">${state}</span></h1>
<p class="sub">${of}</p>
${parts}
<h2>What it is</h2>${htmlTable({ head: ['what', 'value'], rows: facts })}
</body></html>
`.text;
}
