import { Command } from '@commander-js/extra-typings';

import type { Cli } from '../cli.ts';
import * as option from '../options.ts';
import { parseWhole } from '../parse.ts';
import { withRefill } from '../session.ts';

/** `refill runs` */
export function runsCommand(cli: Cli) {
  return new Command('runs')
    .summary('the runs, the plans, the fleets, or the backfills of the ledger')
    .description(
      'Lists the runs of the ledger, newest first; with --plans the plans, with --fleets the fleets, with --backfills the backfills.',
    )
    .option('--plans', 'list plans instead')
    .option('--fleets', 'list fleets instead')
    .option('--backfills', 'list backfills instead')
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
        if (options.fleets === true) {
          const fleets = await refill.fleets({ limit });
          const { fleetsView } = await import('../views/fleet.ts');
          if (options.json === true) cli.json({ fleets: fleets.map((fleet) => ({ fleet: fleet.id, ...fleet })) });
          else cli.print(fleetsView(fleets, cli.color));
          return;
        }
        if (options.backfills === true) {
          const backfills = await refill.backfills({ limit });
          const { backfillJson, backfillsView } = await import('../views/backfill.ts');
          if (options.json === true) cli.json({ backfills: backfills.map(backfillJson) });
          else cli.print(backfillsView(backfills, cli.color));
          return;
        }
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
