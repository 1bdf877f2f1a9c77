import { resolve } from 'node:path';

import { Command, Option } from '@commander-js/extra-typings';

import type { Cli } from '../cli.ts';
import * as option from '../options.ts';
import { parseWhole } from '../parse.ts';
import { fillSample } from '../sample.ts';

/** `refill up` */
export function upCommand(cli: Cli) {
  return new Command('up')
    .summary('start a Postgres and a ClickHouse on this machine')
    .description(
      'Starts a Postgres and a ClickHouse on this machine, on loopback and free ports, with a configuration that points at them. They go on until `refill down`; started again, they have their data.',
    )
    .addOption(option.dirOption())
    .addOption(
      new Option('--sample <size>', 'fill them with sample data, anew where it is there')
        .choices(['none', 'small', 'tenant', 'shells'] as const)
        .default('none' as const),
    )
    .addOption(option.seedOption())
    .addOption(new Option('--json', 'print how to reach them as one JSON object, with the password'))
    .addHelpText(
      'after',
      option.examples([
        ['refill up --sample small', 'servers in .refill, with data to try every command on'],
        ['refill up --dir /tmp/try --json', 'empty servers elsewhere, their addresses for a program'],
      ]),
    )
    .action(async (options) => {
      const seed = options.seed === undefined ? null : parseWhole(options.seed, '--seed');
      const { startEmbedded } = await import('../../embedded/stack.ts');
      const quiet = options.json === true;
      if (!quiet) cli.note(`Starting Postgres and ClickHouse in ${options.dir} …`);
      const info = await startEmbedded({ dir: resolve(cli.cwd, options.dir) });
      const sample =
        options.sample === 'none' ? null : await fillSample(cli, info, { size: options.sample, seed, quiet });
      const { config, postgres, clickhouse, dashboard } = info;
      if (quiet) {
        cli.jsonWithSecrets({ config, postgres, clickhouse, dashboard, ...(sample === null ? {} : { sample }) });
        return;
      }
      const { upView } = await import('../views/up.ts');
      cli.print(upView(info, sample, options.dir, cli.color));
    });
}
