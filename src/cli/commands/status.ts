import { Command } from '@commander-js/extra-typings';

import { showBackfill } from '../backfill.ts';
import type { Cli } from '../cli.ts';
import * as option from '../options.ts';
import { isBackfill, isFleet } from '../request.ts';
import { withRefill } from '../session.ts';

/** `refill status` */
export function statusCommand(cli: Cli) {
  return new Command('status')
    .summary('where a run is, and what can be done')
    .description('Says where a run is, who is at work on it, what failed, and what can be done.')
    .argument('[run]', 'id of a run, a fleet or a backfill (default: the newest run)')
    .addOption(option.configOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill status', 'the newest run'],
        ['refill status r-7k2m9xq0bd --json', 'this one, for a program'],
        ['refill status f-7k2m9xq0bd', 'a fleet, by cluster'],
        ['refill status b-7k2m9xq0bd', 'a backfill, with the run that re-indexes what it touched'],
      ]),
    )
    .action((run, options) =>
      withRefill(cli, options, async (refill) => {
        if (isBackfill(run)) {
          await showBackfill(cli, refill, run, options);
          return;
        }
        if (isFleet(run)) {
          const status = await refill.fleetStatus(run);
          const { fleetStatusJson, fleetStatusView } = await import('../views/fleet.ts');
          if (options.json === true) cli.json(fleetStatusJson(status));
          else cli.print(fleetStatusView(status, cli.color, options));
          return;
        }
        const details = await refill.status(run);
        const { statusJson, statusView } = await import('../views/status.ts');
        if (options.json === true) cli.json(statusJson(details));
        else cli.print(statusView(details, cli.color, options));
      }),
    );
}
