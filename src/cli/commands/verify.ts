import { Command } from '@commander-js/extra-typings';

import { EXIT } from '../../domain/exit.ts';
import type { Cli } from '../cli.ts';
import * as option from '../options.ts';
import { parseNames, parseRange, parseTenant } from '../parse.ts';
import { countingView, verifyProgress } from '../progress.ts';
import { withRefill } from '../session.ts';

/** `refill verify` */
export function verifyCommand(cli: Cli) {
  return new Command('verify')
    .summary('compare a range on both sides, by checksum')
    .description(
      'Compares a range of a tenant on both sides by checksum over every column, and names what differs. Nothing is changed. Exit status 0 where all is equal, 1 where not.',
    )
    .argument('<tenant>', 'customer/profile')
    .addOption(option.fromOption())
    .addOption(option.toOption())
    .addOption(option.tablesOption())
    .addOption(option.datasetOption())
    .addOption(option.clusterOption())
    .addOption(option.configOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill verify acme/main --from 2026-01-05 --to 2026-01-15', 'ten days, all tables'],
        ['refill verify acme/main --from 2026-01-05 --to 2026-01-06 --tables score --json', 'one table, for a program'],
      ]),
    )
    .action((tenant, options) => {
      const request = {
        tenant: parseTenant(tenant),
        range: parseRange(options.from, options.to),
        ...option.where(options),
        ...(options.tables === undefined ? {} : { tables: parseNames(options.tables, '--tables') }),
      };
      return withRefill(cli, options, async (refill) => {
        const view = countingView(cli, options.json === true);
        const onProgress = (done: number, total: number) => view.show(verifyProgress(done, total));
        const result = await refill.verify({ ...request, onProgress }).finally(() => view.end());
        if (!result.ok) cli.exit = EXIT.differences;
        if (options.json === true) {
          cli.json(result);
          return;
        }
        const { verifyView } = await import('../views/result.ts');
        cli.print(verifyView(result, cli.color, options));
      });
    });
}
