import { Argument, Command, type CommandUnknownOpts } from '@commander-js/extra-typings';

import type { Cli } from '../cli.ts';
import { completionScript, SHELLS } from '../complete.ts';
import * as option from '../options.ts';

/** `refill completion` */
export function completionCommand(cli: Cli, program: () => CommandUnknownOpts) {
  return new Command('completion')
    .summary('print a script that completes commands and options in a shell')
    .description('Prints a script that completes commands, options and their values in a shell.')
    .addArgument(new Argument('<shell>', 'bash, zsh or fish').choices(SHELLS))
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['source <(refill completion bash)', 'in ~/.bashrc'],
        ['source <(refill completion zsh)', 'in ~/.zshrc, after compinit'],
        ['refill completion fish | source', 'in ~/.config/fish/config.fish'],
      ]),
    )
    .action((shell, options) => {
      const script = completionScript(program(), shell);
      if (options.json === true) cli.json({ shell, script });
      else cli.print(script.trimEnd());
    });
}
