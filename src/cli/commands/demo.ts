import { Command, Option } from '@commander-js/extra-typings';

import type { Cli } from '../cli.ts';
import * as option from '../options.ts';
import { parseWhole } from '../parse.ts';

/** `refill demo` */
export function demoCommand(cli: Cli) {
  return new Command('demo')
    .summary('see the whole job done on this machine, in a minute')
    .description(
      'Starts a Postgres and a ClickHouse on this machine, fills them with a tenant whose ClickHouse rows are wrong, puts these right and proves it. Nothing is left running and nothing is kept, unless --keep is given.',
    )
    .addOption(
      new Option('--size <size>', 'sample: small, or ten times that')
        .choices(['small', 'tenant'] as const)
        .default('small' as const),
    )
    .addOption(option.seedOption())
    .option('--keep', 'leave the servers running, to play with')
    .addOption(new Option('--dir <directory>', 'with --keep: where they are kept').default('.refill'))
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill demo', 'about half a minute'],
        ['refill demo --size tenant', '2.9 million rows'],
        ['refill demo --keep', 'then look around: refill survey, refill report, refill explain'],
      ]),
    )
    .action(async (options) => {
      const seed = options.seed === undefined ? null : parseWhole(options.seed, '--seed');
      const { demo } = await import('../demo.ts');
      await demo(cli, {
        size: options.size,
        seed,
        keep: options.keep === true ? options.dir : null,
        json: options.json === true,
      });
    });
}
