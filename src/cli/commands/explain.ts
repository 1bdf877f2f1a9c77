import { Command } from '@commander-js/extra-typings';

import { RefillError } from '../../domain/errors.ts';
import type { Cli } from '../cli.ts';
import * as option from '../options.ts';
import { parseTenant } from '../parse.ts';
import { withRefill } from '../session.ts';

/** `refill explain` */
export function explainCommand(cli: Cli) {
  return new Command('explain')
    .summary('say of one row where it is, where it should be, and why')
    .description('Says of one id where it is, where it should be, and why.')
    .argument('<id>', 'key of a row; a composite key as COLUMN=VALUE,COLUMN=VALUE')
    .requiredOption('--tenant <tenant>', 'customer/profile')
    .addOption(option.datasetOption())
    .addOption(option.clusterOption())
    .addOption(option.configOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill explain sc-000042 --tenant acme/main', 'why is this one not shown?'],
        ['refill explain order_id=1001,line_no=2 --tenant acme/main', 'a row with a key of two columns'],
      ]),
    )
    .action((id, options) => {
      if (id === '') throw new RefillError('USAGE', 'the id is empty');
      const request = { id, tenant: parseTenant(options.tenant), ...option.where(options) };
      return withRefill(cli, options, async (refill) => {
        const explanations = await refill.explain(request);
        if (explanations.length === 0) {
          throw new RefillError('KEY_UNKNOWN', `neither side has a row with the id ${JSON.stringify(id)}`);
        }
        const { explainJson, explainView } = await import('../views/explain.ts');
        if (options.json === true) cli.json(explainJson(explanations));
        else cli.print(explainView(explanations, cli.color));
      });
    });
}
