import { Command, type CommandUnknownOpts } from '@commander-js/extra-typings';

import type { Cli } from './cli.ts';
import { backfillCommand } from './commands/backfill.ts';
import { completionCommand } from './commands/completion.ts';
import { demoCommand } from './commands/demo.ts';
import { doctorCommand } from './commands/doctor.ts';
import { downCommand } from './commands/down.ts';
import { explainCommand } from './commands/explain.ts';
import { initCommand } from './commands/init.ts';
import { limitsCommand } from './commands/limits.ts';
import { mutationsCommand } from './commands/mutations.ts';
import { cancelCommand, pauseCommand } from './commands/pause.ts';
import { planCommand } from './commands/plan.ts';
import { reportCommand } from './commands/report.ts';
import { resumeCommand, retryCommand } from './commands/resume.ts';
import { runCommand } from './commands/run.ts';
import { runsCommand } from './commands/runs.ts';
import { sampleCommand } from './commands/sample.ts';
import { statusCommand } from './commands/status.ts';
import { surveyCommand } from './commands/survey.ts';
import { upCommand } from './commands/up.ts';
import { verifyCommand } from './commands/verify.ts';
import { workerCommand } from './commands/worker.ts';

/** Under a command's help, after its own examples. */
const EXIT_STATUSES = `
Exit status: 0 done, 1 done and differences were found (of a fleet: a tenant is not proven), 2 wrong command line or configuration,
3 refused as unsafe, 4 failed, 130 interrupted, paused or cancelled.

Begin with \`refill demo\`, or with servers of your own: \`refill init\`.`;

/** The commands by what they are for, in the order of the help. */
function commands(
  cli: Cli,
  program: () => CommandUnknownOpts,
): Readonly<Record<string, readonly CommandUnknownOpts[]>> {
  return {
    'To begin:': [demoCommand(cli), initCommand(cli), doctorCommand(cli), completionCommand(cli, program)],
    'To look (nothing is changed):': [surveyCommand(cli), planCommand(cli), verifyCommand(cli), explainCommand(cli)],
    'To do it:': [
      runCommand(cli),
      backfillCommand(cli),
      resumeCommand(cli),
      pauseCommand(cli),
      cancelCommand(cli),
      retryCommand(cli),
      limitsCommand(cli),
      workerCommand(cli),
    ],
    'To follow it:': [statusCommand(cli), runsCommand(cli), reportCommand(cli), mutationsCommand(cli)],
    'Servers for a try:': [upCommand(cli), downCommand(cli), sampleCommand(cli)],
  };
}

/** The whole command line. Nothing happens until it parses something; errors are thrown, and nothing exits. */
export function buildProgram(cli: Cli, version: string): CommandUnknownOpts {
  const program = new Command('refill')
    .description(
      'Deletes a range of ClickHouse rows that were derived from Postgres, derives them again, and proves the result.',
    )
    .version(version)
    .helpCommand(false)
    .addHelpText('after', EXIT_STATUSES);
  for (const [heading, group] of Object.entries(commands(cli, () => program))) {
    for (const command of group) program.addCommand(command.helpGroup(heading));
  }
  for (const command of [program, ...program.commands]) {
    command
      .exitOverride()
      .showSuggestionAfterError(true)
      .configureOutput({
        writeOut: (text) => cli.print(text.trimEnd()),
        // Errors are printed where all errors are printed.
        writeErr: () => {},
        outputError: () => {},
        getOutHelpWidth: () => cli.stdout.columns ?? 100,
        getOutHasColors: () => cli.color.isColorSupported,
      });
  }
  return program;
}
