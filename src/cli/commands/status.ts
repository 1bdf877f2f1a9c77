import { Command } from '@commander-js/extra-typings';

import type { Cli } from '../cli.ts';
import { kindOf } from '../job.ts';
import * as option from '../options.ts';
import { withRefill } from '../session.ts';
import { showJob } from '../show.ts';

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
      withRefill(cli, options, (refill) => showJob(cli, refill, { of: kindOf(run), id: run }, options)),
    );
}
