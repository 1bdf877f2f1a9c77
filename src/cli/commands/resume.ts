import { Command } from '@commander-js/extra-typings';

import type { BackfillEvent } from '../../domain/backfill.ts';
import { RefillError } from '../../domain/errors.ts';
import type { RunEvent } from '../../domain/events.ts';
import type { FleetEvent } from '../../domain/fleet-events.ts';
import type { Refill, RunOptions } from '../../refill.ts';
import { followBackfill } from '../backfill.ts';
import type { Cli } from '../cli.ts';
import { followFleet } from '../fleet.ts';
import { follow } from '../follow.ts';
import { chooseJob, type Job } from '../job.ts';
import * as option from '../options.ts';
import { withRefill, type ConfigOptions } from '../session.ts';
import { commandLine } from '../shell.ts';
import { showJob } from '../show.ts';

interface Start {
  readonly run: (run: string, options: RunOptions) => AsyncIterable<RunEvent>;
  readonly fleet: (fleet: string, options: RunOptions) => AsyncIterable<FleetEvent>;
  readonly backfill: (backfill: string, options: RunOptions) => AsyncIterable<BackfillEvent>;
}

async function goOn(
  cli: Cli,
  { of, id }: Job,
  options: ConfigOptions & { readonly json?: true | undefined },
  start: Start,
): Promise<void> {
  if (of === 'backfill') {
    await followBackfill(cli, options, (signals) => start.backfill(id, signals));
    return;
  }
  if (of === 'fleet') {
    await followFleet(cli, options, (signals) => start.fleet(id, signals));
    return;
  }
  const json = options.json === true;
  const followed = await follow(cli, json, (signals) => start.run(id, signals));
  if (json) return;
  const { resultView } = await import('../views/result.ts');
  cli.print(resultView(followed, cli.color, options));
}

/** `refill resume` */
export function resumeCommand(cli: Cli) {
  return new Command('resume')
    .summary('go on with an interrupted or paused run')
    .description(
      'Goes on with a run that was interrupted or paused. Windows that are done are not repeated. It prints what `refill run` prints.',
    )
    .argument('[job]', 'id of a run, a fleet or a backfill (default: the only one that can be resumed)')
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
    .action((named, options) =>
      withRefill(cli, options, async (refill) => {
        const job = await chooseJob(refill, named, ['running', 'paused'], 'resume');
        await goOn(cli, job, options, {
          run: (id, signals) => refill.resume(id, signals),
          fleet: (id, signals) => refill.resumeFleet(id, signals),
          backfill: (id, signals) => refill.resumeBackfill(id, signals),
        });
      }),
    );
}

/** A retry deletes and writes: it says what is left first, and does it when that is asked for. */
async function showAndRefuse(
  cli: Cli,
  refill: Refill,
  job: Job,
  options: ConfigOptions & { readonly json?: true | undefined },
): Promise<never> {
  await showJob(cli, refill, job, options);
  throw new RefillError(
    'NOT_CONFIRMED',
    'nothing was done: a retry deletes and writes rows, and --execute was not given',
    {
      hint: `Read what is left, then: ${commandLine(['retry', job.id, '--execute'], options)}`,
      details: { [job.of]: job.id },
    },
  );
}

/** `refill retry` */
export function retryCommand(cli: Cli) {
  return new Command('retry')
    .summary('try again what failed')
    .description(
      'Repeats the failed windows and deletes of a run, and continues it; also after differences, and after a cancel. Rows are deleted, so --execute is needed; without it Refill shows the state of the run.',
    )
    .argument('[job]', 'id of a run, a fleet or a backfill (default: the only one that can be retried)')
    .option('--execute', 'do it')
    .addOption(option.configOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill retry', 'what is left of the only run that can be retried'],
        ['refill retry r-7k2m9xq0bd --execute', 'retry this one'],
        ['refill retry f-7k2m9xq0bd --execute', 'every tenant of a fleet that is not proven'],
      ]),
    )
    .action((named, options) =>
      withRefill(cli, options, async (refill) => {
        const job = await chooseJob(refill, named, ['failed', 'cancelled', 'differences'], 'retry');
        if (options.execute !== true) await showAndRefuse(cli, refill, job, options);
        await goOn(cli, job, options, {
          run: (id, signals) => refill.retry(id, signals),
          fleet: (id, signals) => refill.retryFleet(id, signals),
          backfill: (id, signals) => refill.retryBackfill(id, signals),
        });
      }),
    );
}
