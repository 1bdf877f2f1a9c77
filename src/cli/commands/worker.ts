import { Command } from '@commander-js/extra-typings';

import type { Cli } from '../cli.ts';
import { onInterrupt } from '../interrupt.ts';
import * as option from '../options.ts';
import { parseNames } from '../parse.ts';
import { withRefill } from '../session.ts';

/** `refill worker` */
export function workerCommand(cli: Cli) {
  return new Command('worker')
    .summary('work on runs of the Temporal executor')
    .description(
      'Takes steps of runs from Temporal and does them, on the task queues of the clusters that it is to serve. Any number of workers can be at work, on any machine that reaches the databases and the ledger. Ctrl-C or SIGTERM takes nothing new, and hands back what does not end within 10 s.',
    )
    .addOption(option.clustersOption('only the runs'))
    .option(
      '--takeover',
      'listen on reindex_conversations, reindex_scorecards and backfill_scorecards too: ReindexConversations, ReindexProcessScorecards, BackfillScorecards',
    )
    .addOption(option.configOption())
    .addOption(option.jsonOption())
    .addHelpText(
      'after',
      option.examples([
        ['refill worker', 'every cluster of the configuration'],
        ['refill worker --cluster eu-1', 'beside the databases of one cluster'],
        ['refill worker --takeover', 'and in place of the workers that your workflows had'],
        ['refill worker --cluster eu-1 --takeover', 'the same; jobs of other clusters are handed to their workers'],
      ]),
    )
    .action((options) =>
      withRefill(cli, options, async (refill) => {
        const json = options.json === true;
        const clusters = options.cluster === undefined ? undefined : parseNames(options.cluster.join(','), '--cluster');
        const say = (event: Readonly<Record<string, unknown>>, message: string) => {
          if (json) cli.json(event);
          else cli.note(message);
        };
        const interrupts = onInterrupt({
          say: (message) => say({ type: 'notice', message }, message),
          waitsFor: () => 'steps at work, 10 s at most',
        });
        try {
          await refill.work({
            ...(clusters === undefined ? {} : { clusters }),
            takeover: options.takeover === true,
            stop: interrupts.drain,
            onReady: (queues) => say({ type: 'ready', queues }, `Working on ${queues.join(', ')}. Ctrl-C stops.`),
            onNotice: (message) => say({ type: 'notice', message }, message),
            onLog: (level, message) => say({ type: 'log', level, message }, `${level.toLowerCase()}: ${message}`),
          });
        } finally {
          interrupts.end();
        }
      }),
    );
}
