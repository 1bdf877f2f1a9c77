import { Command } from '@commander-js/extra-typings';

import { RefillError } from '../../domain/errors.ts';
import type { Actor, LiveLimit, SlotRecord } from '../../ledger/ledger.ts';
import type { Cli } from '../cli.ts';
import * as option from '../options.ts';
import type { Paint } from '../paint.ts';
import { withRefill } from '../session.ts';
import { table } from '../table.ts';

/** `refill limits` */
export function limitsCommand(cli: Cli) {
  return new Command('limits')
    .summary('windows at once, while runs are at work')
    .description(
      'Shows or sets how many windows are at work at once on a cluster, or on each of them: of all runs together, whichever program they are in. Runs at work follow within seconds; 0 holds them, `default` withdraws what was set. Every change is in the audit. Shows the windows at work, too, and whose they are.',
    )
    .argument('[windows]', 'a number from 0 to 64, or `default`')
    .addOption(option.clusterOption('this cluster only (default: all that have none of their own)'))
    .addOption(option.configOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill limits', 'what was set by hand, and what is at work'],
        ['refill limits 1 --cluster east', 'one window at a time on east'],
        ['refill limits 0', 'hold everything'],
        ['refill limits default', 'as the plans say again'],
      ]),
    )
    .action((text, options) => {
      const windows = text === undefined ? undefined : parseWindows(text);
      return withRefill(cli, options, async (refill) => {
        const limits =
          windows === undefined ? await refill.limits() : await refill.setLimit(options.cluster ?? null, windows);
        const slots = await refill.slots();
        if (options.json === true) {
          cli.json({ limits, slots });
          return;
        }
        cli.print(limitsView(limits, cli.color));
        cli.print(slotsView(slots, cli.color));
      });
    });
}

const program = ({ user, host, pid }: Actor) => `${user}@${host} (process ${pid})`;
const at = (instant: string) => instant.slice(0, 19).replace('T', ' ');

function limitsView(limits: readonly LiveLimit[], color: Paint): string {
  if (limits.length === 0) return 'Nothing is set by hand: runs keep to their limits.';
  return table(
    [{ head: 'cluster' }, { head: 'windows', right: true }, { head: 'set by' }, { head: 'at' }],
    limits.map((l) => [l.cluster ?? 'all others', String(l.windows), `${l.setBy.user}@${l.setBy.host}`, at(l.setAt)]),
    color,
  );
}

function slotsView(slots: readonly SlotRecord[], color: Paint): string {
  if (slots.length === 0) return 'No window is at work.';
  return table(
    [
      { head: 'Postgres server' },
      { head: 'cluster' },
      { head: 'run' },
      { head: 'window', right: true },
      { head: 'at work by' },
      { head: 'since' },
    ],
    slots.map((s) => [s.server, s.cluster, s.run, String(s.window ?? ''), program(s.holder), at(s.since)]),
    color,
  );
}

function parseWindows(text: string): number | null {
  if (text === 'default') return null;
  if (/^\d+$/u.test(text) && Number(text) <= 64) return Number(text);
  throw new RefillError('USAGE', `${JSON.stringify(text)} is not a number of windows`, {
    hint: 'Write a number from 0 to 64, or `default`.',
  });
}
