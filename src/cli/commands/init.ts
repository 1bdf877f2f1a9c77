import { resolve } from 'node:path';

import { Command } from '@commander-js/extra-typings';

import { RefillError } from '../../domain/errors.ts';
import type { Cli } from '../cli.ts';
import * as option from '../options.ts';

/** `refill init` */
export function initCommand(cli: Cli) {
  return new Command('init')
    .summary('write a configuration to fill in')
    .description('Writes a configuration with a comment on every key, to be filled in.')
    .option('--output <file>', 'the file to write', 'refill.config.yaml')
    .option('--force', 'overwrite a file that is there')
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill init', 'refill.config.yaml in this directory'],
        ['refill init --output east.yaml', 'another name; other commands then take --config east.yaml'],
      ]),
    )
    .action(async (options) => {
      const [{ writeFile }, { configTemplate }] = await Promise.all([
        import('node:fs/promises'),
        import('../../config/template.ts'),
      ]);
      const { output } = options;
      try {
        await writeFile(resolve(cli.cwd, output), configTemplate(), { flag: options.force === true ? 'w' : 'wx' });
      } catch (cause) {
        const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
        throw code === 'EEXIST'
          ? new RefillError('USAGE', `${output} is there already`, { hint: 'Give --force to overwrite it.', cause })
          : new RefillError('USAGE', `${output} cannot be written (${code})`, {
              hint: 'Name a file in a directory that exists and that you may write to.',
              cause,
            });
      }
      if (options.json === true) cli.json({ config: output });
      else {
        cli.print(
          `${output} is written. Fill in hosts and users, set the variables that it names, then: ${cli.color.cyan('refill doctor')}`,
        );
      }
    });
}
