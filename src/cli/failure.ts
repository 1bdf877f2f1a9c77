import { CommanderError } from '@commander-js/extra-typings';

import { asRefillError, RefillError } from '../domain/errors.ts';
import { EXIT } from '../domain/exit.ts';
import { visible } from '../report/format.ts';
import type { Cli } from './cli.ts';

/** commander's own complaint as an error of ours; its suggestion becomes the hint. */
export function usageError(error: CommanderError, command: string): RefillError {
  const [message = '', ...more] = error.message.replace(/^error: /u, '').split('\n');
  const suggestion = more
    .join(' ')
    .trim()
    .replace(/^\((.*)\)$/u, '$1');
  const see = `See \`${command} --help\`.`;
  return new RefillError('USAGE', message, { hint: suggestion === '' ? see : `${suggestion} ${see}` });
}

/**
 * Prints an error and returns the exit status: the one place that does. With `json`, the last line of stdout says the
 * same for programs. The stack of what nobody expected is printed with REFILL_TRACE=1.
 */
export function printFailure(cli: Cli, thrown: unknown, json: boolean): number {
  const error = asRefillError(thrown);
  const color = cli.noteColor;
  // A message of several lines (a configuration with several mistakes) keeps them.
  const message = error.message.split('\n').map(visible).join('\n  ');
  cli.note(`${color.red(color.bold('error'))} ${color.bold(error.code)}: ${message}`);
  cli.note(`  ${color.cyan('→')} ${visible(error.hint)}`);
  if (cli.env['REFILL_TRACE'] === '1') {
    cli.note(stack(error));
  }
  if (json) cli.json({ type: 'error', ...error.toJSON() });
  return error.exit;
}

/** Our own frames, and those of the causes; a cause's message could quote a row, so only a bug's is printed. */
function stack(error: RefillError): string {
  const frames = (of: Error) => (of.stack ?? '').split('\n').filter((line) => line.startsWith('    at '));
  const lines = frames(error);
  for (let cause = error.cause; cause instanceof Error; cause = cause.cause) {
    lines.push(`  caused by ${cause.name}${error.code === 'BUG' ? `: ${cause.message}` : ''}`, ...frames(cause));
  }
  return lines.join('\n');
}

/** Whether commander ended because it has shown what was asked for: help or the version. */
export function isAnswer(error: unknown): error is CommanderError {
  return error instanceof CommanderError && error.exitCode === EXIT.done;
}
