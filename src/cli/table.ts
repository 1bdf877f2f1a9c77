import Table from 'cli-table3';

import type { Paint } from './paint.ts';

/** A column: its head, and whether it holds numbers, which stand right. */
export interface TableColumn {
  readonly head: string;
  readonly right?: boolean;
}

const NO_BORDERS = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

/** Rows under dim heads, without borders, indented by two; wide characters count as wide. */
export function table(columns: readonly TableColumn[], rows: readonly (readonly string[])[], color: Paint): string {
  const made = new Table({
    chars: NO_BORDERS,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [], compact: true },
    colAligns: columns.map(({ right }) => (right === true ? 'right' : 'left')),
  });
  made.push(
    columns.map(({ head }) => color.dim(head)),
    ...rows.map((row) => [...row]),
  );
  return made
    .toString()
    .split('\n')
    .map((line) => `  ${line}`.trimEnd())
    .join('\n');
}

/** Names and values under each other. */
export function facts(rows: readonly (readonly [name: string, value: string])[], color: Paint): string {
  const width = Math.max(0, ...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${color.dim(name.padEnd(width))}  ${value}`).join('\n');
}
