import { resolve } from 'node:path';

import { Argument, Command } from '@commander-js/extra-typings';

import { RefillError } from '../../domain/errors.ts';
import type { Cli } from '../cli.ts';
import * as option from '../options.ts';
import { parseWhole } from '../parse.ts';
import { fillSample, SAMPLE_SIZES } from '../sample.ts';

/** `refill sample` */
export function sampleCommand(cli: Cli) {
  return new Command('sample')
    .summary('fill the servers of `refill up` with sample data')
    .description(
      'Fills the servers of `refill up` with a tenant whose ClickHouse rows are wrong in every known way. The same seed gives the same data, anew where it is there. small: 30,000 scorecards; tenant: 300,000; shells: two million, of which one in a thousand was ever submitted.',
    )
    .addArgument(new Argument('[size]', 'small, tenant or shells').choices(SAMPLE_SIZES).default('small' as const))
    .addOption(option.dirOption())
    .addOption(option.seedOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill sample', 'the small one, in .refill'],
        ['refill sample tenant --dir /tmp/try --seed 7', 'the large one, elsewhere, with other values'],
      ]),
    )
    .action(async (size, options) => {
      const seed = options.seed === undefined ? null : parseWhole(options.seed, '--seed');
      const { embeddedInfo } = await import('../../embedded/stack.ts');
      const info = await embeddedInfo(resolve(cli.cwd, options.dir));
      if (info === undefined) {
        throw new RefillError('USAGE', `no servers run in ${options.dir}`, {
          hint: 'Start them with `refill up`, with the same --dir.',
        });
      }
      const quiet = options.json === true;
      if (!quiet) cli.note(`Filling in the sample ${size} …`);
      const sample = await fillSample(cli, info, { size, seed, quiet });
      if (quiet) {
        cli.json({ sample });
        return;
      }
      const { sampleLine, sampleSteps } = await import('../views/up.ts');
      const { nextView } = await import('../views/result.ts');
      cli.print(`${cli.color.green('✓')} ${sampleLine(sample, cli.color)}`);
      const config = options.dir === '.refill' ? undefined : info.config;
      cli.print(nextView(sampleSteps(sample, config), cli.color));
    });
}
