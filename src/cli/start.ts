import { CommanderError, type CommandUnknownOpts } from '@commander-js/extra-typings';

import { RefillError } from '../domain/errors.ts';
import { EXIT } from '../domain/exit.ts';
import { packageVersion } from '../version.ts';
import { Cli } from './cli.ts';
import { isAnswer, printFailure, usageError } from './failure.ts';
import { buildProgram } from './program.ts';

/** Why something that was printed did not go out, where its reader did not just go away. */
let lost: Error | undefined;

/** Aborts when stdout's reader goes away (`| head`): what is written then is dropped, and no stack is printed. */
function watchReader(): AbortSignal {
  const gone = new AbortController();
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') lost ??= error;
    gone.abort();
  });
  // There is nowhere left to say so.
  process.stderr.on('error', () => undefined);
  return gone.signal;
}

/** Waits until what was printed has gone out. Where it could not (a full disk), that is said, and the status is a failure. */
async function flushed(cli: Cli, status: number): Promise<number> {
  const error = await new Promise<NodeJS.ErrnoException | null | undefined>((resolve) =>
    process.stdout.write('', (thrown) => resolve(thrown)),
  );
  if (error && error.code !== 'EPIPE') lost ??= error;
  if (!lost) return status;
  const exit = printFailure(cli, new RefillError('OUTPUT_LOST', lost.message, { cause: lost }), false);
  return status === EXIT.done || status === EXIT.differences ? exit : status;
}

/** `refill plan` for a command line that begins with plan, `refill` for one that begins with nothing we know. */
function commandOf(program: CommandUnknownOpts, args: readonly string[]): string {
  const known = program.commands.find((command) => command.name() === args[0]);
  return known === undefined ? program.name() : `${program.name()} ${known.name()}`;
}

function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return (end < 0 ? args : args.slice(0, end)).includes('--json');
}

/** Runs a command line and returns the exit status. */
export async function main(args: readonly string[]): Promise<number> {
  const { stdout, stderr, env } = process;
  const cli = new Cli({ stdout, stderr, env, cwd: process.cwd(), readerGone: watchReader() });
  return flushed(cli, await command(cli, args));
}

async function command(cli: Cli, args: readonly string[]): Promise<number> {
  const program = buildProgram(cli, packageVersion());
  // What does not drain by itself just ends, with the status that says so.
  const interrupted = (signal: NodeJS.Signals) => {
    if (process.listenerCount(signal) === 1) process.exit(EXIT.interrupted);
  };
  process.on('SIGINT', interrupted).on('SIGTERM', interrupted);
  try {
    if (args.length === 0) {
      program.configureOutput({ writeOut: (text) => cli.note(text) }).outputHelp();
      throw new RefillError('USAGE', 'no command was given');
    }
    await program.parseAsync([...args], { from: 'user' });
    return cli.exit;
  } catch (error) {
    if (isAnswer(error)) return EXIT.done;
    const known = error instanceof CommanderError ? usageError(error, commandOf(program, args)) : error;
    return printFailure(cli, known, wantsJson(args));
  }
}
