import { Command } from '@commander-js/extra-typings';

import type { BackfillEvent } from '../../domain/backfill.ts';
import type { RunEvent } from '../../domain/events.ts';
import type { FleetEvent } from '../../domain/fleet-events.ts';
import type { Refill, RunOptions } from '../../refill.ts';
import { followBackfill } from '../backfill.ts';
import type { Cli } from '../cli.ts';
import { followFleet } from '../fleet.ts';
import { follow } from '../follow.ts';
import * as option from '../options.ts';
import { isBackfill, isFleet } from '../request.ts';
import { withRefill, type ConfigOptions } from '../session.ts';

interface Start {
  readonly run: (refill: Refill, run: string | undefined, options: RunOptions) => AsyncIterable<RunEvent>;
  readonly fleet: (refill: Refill, fleet: string, options: RunOptions) => AsyncIterable<FleetEvent>;
  readonly backfill: (refill: Refill, backfill: string, options: RunOptions) => AsyncIterable<BackfillEvent>;
}

async function goOn(
  cli: Cli,
  run: string | undefined,
  options: ConfigOptions & { readonly json?: true | undefined },
  start: Start,
): Promise<void> {
  await withRefill(cli, options, async (refill) => {
    if (isBackfill(run)) {
      await followBackfill(cli, options, (signals) => start.backfill(refill, run, signals));
      return;
    }
    if (isFleet(run)) {
      await followFleet(cli, options, (signals) => start.fleet(refill, run, signals));
      return;
    }
    const json = options.json === true;
    const followed = await follow(cli, json, (signals) => start.run(refill, run, signals));
    if (json) return;
    const { resultView } = await import('../views/result.ts');
    cli.print(resultView(followed, cli.color, options));
  });
}

/** `refill resume` */
export function resumeCommand(cli: Cli) {
  return new Command('resume')
    .summary('go on with an interrupted or paused run')
    .description(
      'Goes on with a run that was interrupted or paused. Windows that are done are not repeated. It prints what `refill run` prints.',
    )
    .argument('[run]', 'id of a run, a fleet or a backfill (default: the only run that can be resumed)')
    .addOption(option.configOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill resume', 'the only run that was interrupted or paused'],
        ['refill resume r-7k2m9xq0bd', 'this one'],
        ['refill resume f-7k2m9xq0bd', 'a fleet: tenants that have ended are not repeated'],
      ]),
    )
    .action((run, options) =>
      goOn(cli, run, options, {
        run: (refill, id, signals) => refill.resume(id, signals),
        fleet: (refill, id, signals) => refill.resumeFleet(id, signals),
        backfill: (refill, id, signals) => refill.resumeBackfill(id, signals),
      }),
    );
}

/** `refill retry` */
export function retryCommand(cli: Cli) {
  return new Command('retry')
    .summary('try again what failed')
    .description(
      'Tries failed windows and deletes of a run again, and goes on with it; also after differences, and after a cancel.',
    )
    .argument('[run]', 'id of a run, a fleet or a backfill (default: the only run that can be retried)')
    .addOption(option.configOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill retry', 'the only run that can be retried'],
        ['refill retry r-7k2m9xq0bd', 'this one'],
        ['refill retry f-7k2m9xq0bd', 'every tenant of a fleet that is not proven'],
      ]),
    )
    .action((run, options) =>
      goOn(cli, run, options, {
        run: (refill, id, signals) => refill.retry(id, signals),
        fleet: (refill, id, signals) => refill.retryFleet(id, signals),
        backfill: (refill, id, signals) => refill.retryBackfill(id, signals),
      }),
    );
}
