import { Command } from '@commander-js/extra-typings';

import type { Cli } from '../cli.ts';
import * as option from '../options.ts';
import { parseWhole } from '../parse.ts';
import { withRefill } from '../session.ts';

/** `refill runs` */
export function runsCommand(cli: Cli) {
  return new Command('runs')
    .summary('the runs, or the plans, of the ledger')
    .description('Lists the runs of the ledger, newest first; with --plans the plans.')
    .option('--plans', 'list plans instead')
    .option('--limit <number>', 'how many', '20')
    .addOption(option.configOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill runs', 'the newest twenty'],
        ['refill runs --plans --limit 5', 'the newest five plans'],
      ]),
    )
    .action((options) => {
      const limit = parseWhole(options.limit, '--limit', 1);
      return withRefill(cli, options, async (refill) => {
        const { plansView, runJson, runsView } = await import('../views/status.ts');
        if (options.plans === true) {
          const ledger = await refill.ledger();
          const plans = await ledger.plans(limit);
          if (options.json === true) cli.json({ plans: plans.map((plan) => ({ plan: plan.id, ...plan })) });
          else cli.print(plansView(plans, cli.color));
          return;
        }
        const runs = await refill.runs({ limit });
        if (options.json === true) cli.json({ runs: runs.map(runJson) });
        else cli.print(runsView(runs, cli.color));
      });
    });
}
