import { Command } from '@commander-js/extra-typings';

import type { RunRecord } from '../../ledger/ledger.ts';
import { askBackfill } from '../backfill.ts';
import type { Cli } from '../cli.ts';
import { askFleet } from '../fleet.ts';
import { chooseJob } from '../job.ts';
import * as option from '../options.ts';
import { withRefill, type ConfigOptions } from '../session.ts';
import { commandLine } from '../shell.ts';

async function ask(
  cli: Cli,
  named: string | undefined,
  wanted: 'pause' | 'cancel',
  options: ConfigOptions & { readonly json?: true | undefined },
  says: (run: RunRecord) => string,
): Promise<void> {
  await withRefill(cli, options, async (refill) => {
    const waiting = { onWait: onceEach(cli) };
    const { of, id } = await chooseJob(refill, named, ['running', 'paused'], wanted);
    if (of === 'backfill') {
      await askBackfill(cli, refill, id, wanted, options, waiting);
      return;
    }
    if (of === 'fleet') {
      await askFleet(cli, refill, id, wanted, options, waiting);
      return;
    }
    const run = await (wanted === 'pause' ? refill.pause(id) : refill.cancel(id, waiting));
    if (options.json === true) {
      const { runJson } = await import('../views/status.ts');
      cli.json(runJson(run));
    } else cli.print(says(run));
  });
}

/** Says what is waited for, once each: it is looked at every few seconds, and may take as long as somebody else's workflow. */
function onceEach(cli: Cli): (reason: string) => void {
  const said = new Set<string>();
  return (reason) => {
    if (said.has(reason)) return;
    said.add(reason);
    cli.note(`Waiting for ${reason}. Ctrl-C stops waiting; the same command waits again.`);
  };
}

/** `refill pause` */
export function pauseCommand(cli: Cli) {
  return new Command('pause')
    .summary('ask a run to pause')
    .description(
      'Asks a run to pause, whichever terminal or machine it runs on: it finishes what it has begun and stops. `refill resume` goes on.',
    )
    .argument('[job]', 'id of a run, a fleet or a backfill (default: the only unfinished one)')
    .addOption(option.configOption())
    .addOption(option.jsonOption())
    .addHelpText('after', option.examples([['refill pause', 'the only unfinished run, fleet or backfill']]))
    .action((id, options) =>
      ask(cli, id, 'pause', options, (run) =>
        run.state === 'paused'
          ? `Run ${run.id} is paused. Go on with: ${commandLine(['resume', run.id], options)}`
          : `Run ${run.id} was asked to pause: it finishes what it has begun. Watch it with: ${commandLine(['status', run.id], options)}`,
      ),
    );
}

/** `refill cancel` */
export function cancelCommand(cli: Cli) {
  return new Command('cancel')
    .summary('ask a run to end')
    .description(
      'Asks a run to end: what it writes is broken off, and it starts nothing more. What was written stays so, and a delete that was sent goes on by itself; `refill verify` tells what differs.',
    )
    .argument('[job]', 'id of a run, a fleet or a backfill (default: the only unfinished one)')
    .addOption(option.configOption())
    .addOption(option.jsonOption())
    .addHelpText('after', option.examples([['refill cancel r-7k2m9xq0bd', 'end this run']]))
    .action((id, options) =>
      ask(cli, id, 'cancel', options, (run) =>
        run.state === 'cancelled'
          ? `Run ${run.id} is cancelled. What it has done stays done: ${commandLine(['status', run.id], options)}`
          : `Run ${run.id} was asked to end: it breaks off what it writes, and a delete that was sent goes on by itself. Watch it with: ${commandLine(['status', run.id], options)}`,
      ),
    );
}
