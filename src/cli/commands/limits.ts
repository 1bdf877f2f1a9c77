import { Command } from '@commander-js/extra-typings';

import { RefillError } from '../../domain/errors.ts';
import type { Cli } from '../cli.ts';
import * as option from '../options.ts';
import { withRefill } from '../session.ts';
import { table } from '../table.ts';

/** `refill limits` */
export function limitsCommand(cli: Cli) {
  return new Command('limits')
    .summary('windows at once, while runs are at work')
    .description(
      'Shows or sets how many windows each run on a cluster, or on all of them, writes at once; in a fleet its tenants together. Runs at work follow within seconds; 0 holds them, `default` withdraws what was set. Every change is in the audit.',
    )
    .argument('[windows]', 'a number from 0 to 64, or `default`')
    .addOption(option.clusterOption('this cluster only (default: all that have none of their own)'))
    .addOption(option.configOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill limits', 'what was set by hand'],
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
        if (options.json === true) {
          cli.json({ limits });
          return;
        }
        if (limits.length === 0) {
          cli.print('Nothing is set by hand: runs keep to the limits of their plans.');
          return;
        }
        cli.print(
          table(
            [{ head: 'cluster' }, { head: 'windows', right: true }, { head: 'set by' }, { head: 'at' }],
            limits.map((l) => [
              l.cluster ?? 'all others',
              String(l.windows),
              `${l.setBy.user}@${l.setBy.host}`,
              l.setAt.slice(0, 19).replace('T', ' '),
            ]),
            cli.color,
          ),
        );
      });
    });
}

function parseWindows(text: string): number | null {
  if (text === 'default') return null;
  if (/^\d+$/u.test(text) && Number(text) <= 64) return Number(text);
  throw new RefillError('USAGE', `${JSON.stringify(text)} is not a number of windows`, {
    hint: 'Write a number from 0 to 64, or `default`.',
  });
}
