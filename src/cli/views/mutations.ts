import type { MutationFinding } from '../../domain/mutations.ts';
import { brief, count, counted, duration } from '../../report/format.ts';
import type { Paint } from '../paint.ts';
import { table } from '../table.ts';

/** Mutations with whose they are, and a line on what keeps each. */
export function mutationsView(mutations: readonly MutationFinding[], what: string, color: Paint): string {
  if (mutations.length === 0) return `No mutation is ${what}.`;
  const listed = table(
    [
      { head: 'cluster' },
      { head: 'table' },
      { head: 'shard', right: true },
      { head: 'id' },
      { head: 'whose' },
      { head: 'for', right: true },
      { head: 'parts left', right: true },
    ],
    mutations.map((m) => [
      brief(m.cluster),
      brief(`${m.database}.${m.table}`),
      count(m.shard),
      brief(m.id),
      m.run ?? color.dim('not ours'),
      duration(m.seconds),
      m.failReason === '' ? count(m.partsLeft) : color.red(`${count(m.partsLeft)}, fails`),
    ]),
    color,
  );
  const reasons = mutations.map((m) => `  ${m.id} on ${m.table}: ${brief(m.why, 300)}`);
  return `${color.bold(counted(mutations.length, 'mutation'))} ${what}\n${listed}\n\n${[...new Set(reasons)].join('\n')}`;
}
