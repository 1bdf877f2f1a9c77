import type { Finding } from '../../domain/events.ts';
import { counted, visible } from '../../report/format.ts';
import type { Paint } from '../paint.ts';

const MARKS: Readonly<Record<Finding['level'], string>> = { ok: '✓', warning: '!', error: '✗' };

function line(finding: Finding, color: Paint): string {
  const tones = { ok: color.green, warning: color.yellow, error: color.red };
  const mark = tones[finding.level](MARKS[finding.level]);
  const remedy = finding.remedy === null ? '' : `\n      ${color.cyan('→')} ${visible(finding.remedy)}`;
  return `  ${mark} ${visible(finding.check)}: ${visible(finding.message)}${remedy}`;
}

/** The checks, under what they were made of. */
export function doctorView(findings: readonly Finding[], color: Paint): string {
  const subjects = [...new Set(findings.map(({ subject }) => subject))];
  const errors = findings.filter(({ level }) => level === 'error').length;
  const warnings = findings.filter(({ level }) => level === 'warning').length;
  const summary =
    errors > 0
      ? color.red(color.bold(`✗ ${counted(errors, 'finding')} that would lose data or cannot work`))
      : color.green(color.bold(`✓ Everything that was checked works`));
  return [
    ...subjects.flatMap((subject) => [
      color.bold(visible(subject)),
      ...findings.filter((finding) => finding.subject === subject).map((finding) => line(finding, color)),
      '',
    ]),
    warnings > 0 ? `${summary}, ${color.yellow(counted(warnings, 'warning'))}` : summary,
  ].join('\n');
}
